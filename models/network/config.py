"""What the network is made of."""

import dataclasses
import typing
from typing import Literal

from vaiven.configuration import require

Cell = Literal[
    'simple_rnn', 'gru', 'gru_reset_before', 'lstm', 'peephole_lstm', 'coupled_lstm', 'peephole_coupled_lstm'
]
CELLS: tuple[str, ...] = typing.get_args(Cell)


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes and regularisation of the bidirectional language and sentiment network.

    Attributes:
        cell: the recurrent cell of both stacks, see `vaiven.models.network.cells`.
        bidirectional: whether there is a backward stack beside the forward one.
        layers: recurrent layers a direction.
        units: size of the hidden state, a direction and layer.
        embedding_size: size of a token's vector; the softmax is tied to it. 0: one-hot vectors, and a softmax of
            its own.
        subword_buckets: pieces of words are hashed into that many vectors, which are added to the words' own, in what
            is read and in the softmax (Bojanowski et al. 2017); 0 for none. Characters and one-hot vectors never have
            any.
        token_dropout: share of tokens of a text that the network does not see (Gal & Ghahramani 2016).
        embedding_dropout: share of the vocabulary that it does not see in a batch (Merity et al. 2018).
        weight_dropout: share of the recurrent weights dropped in a batch (DropConnect: Merity et al. 2018).
        dropout: share of the components dropped between layers.
        locked_dropout: whether the same components are dropped at every step of a text (Gal & Ghahramani 2016).
        head_dropout: share of the pooled components dropped before the sentiment's weights.
        wide_ngrams: the most words, pairs and pieces of words that the wide path beside the recurrent one knows;
            0 for no wide path. A network of language alone never has one.
    """

    cell: Cell = 'lstm'
    bidirectional: bool = True
    layers: int = 1
    units: int = 128
    embedding_size: int = 128
    subword_buckets: int = dataclasses.field(default=0, metadata={'formerly': 'piece_buckets'})
    token_dropout: float = 0.2
    embedding_dropout: float = 0.0
    weight_dropout: float = 0.0
    dropout: float = 0.4
    locked_dropout: bool = True
    head_dropout: float = 0.5
    wide_ngrams: int = 262_144

    def __post_init__(self) -> None:
        require(self.cell in CELLS, f'network.cell must be one of {", ".join(CELLS)}', self.cell)
        for name, least, most in (('layers', 1, 32), ('units', 1, 16_384), ('embedding_size', 0, 16_384)):
            value = getattr(self, name)
            require(least <= value <= most, f'network.{name} must lie between {least} and {most}', value)
        require(
            self.subword_buckets == 0 or 2 <= self.subword_buckets <= 2**24,
            'network.subword_buckets must lie between 2 and 16777216, or be 0 for none',
            self.subword_buckets,
        )
        require(
            0 <= self.wide_ngrams <= 2**24,
            'network.wide_ngrams must lie between 0 and 16777216',
            self.wide_ngrams,
        )
        for name in ('token_dropout', 'embedding_dropout', 'weight_dropout', 'dropout', 'head_dropout'):
            value = getattr(self, name)
            require(0 <= value < 1, f'network.{name} is a share: at least 0 and below 1', value)
