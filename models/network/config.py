"""Settings of the network."""

import dataclasses
import typing
from typing import Literal

from vaiven.configuration import require

Cell = Literal[
    'simple_rnn', 'gru', 'gru_reset_before', 'lstm', 'peephole_lstm', 'coupled_lstm', 'peephole_coupled_lstm',
    'full_peephole_lstm', 'mogrifier_lstm', 'slstm', 'min_gru', 'min_lstm',
]  # fmt: skip
CELLS: tuple[str, ...] = typing.get_args(Cell)
Vectors = Literal['frozen', 'trained']


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes and regularisation of the bidirectional language and sentiment network.

    Attributes:
        cell: The recurrent cell of both directions, with the equations of `vaiven.models.network.cells`.
        bidirectional: Whether there is a backward direction beside the forward one.
        layers: Recurrent layers per direction; from 1 to 32.
        units: Size of the hidden state of each layer and direction; from 1 to 16384.
        embedding_size: Size of a token's embedding. The output softmax shares the embedding (tied weights, Press & Wolf
            2017). 0: one-hot inputs, and a separate softmax. At most 16384.
        subword_buckets: Number of hash buckets for subwords (character n-grams). The embeddings of a token's subwords
            are added to its own embedding, at the input and in the softmax (Bojanowski et al. 2017). From 2 to
            16777216, or 0 for no subwords. Without effect for characters and one-hot inputs.
        vectors: Whether training changes the pre-trained vectors of `--vectors`, which are projected to the size of the
            embedding and added to it. `frozen`: words that training never sees keep their place among the others.
            `trained`: the vectors are only the start.
        token_dropout: Probability that a token of a text is dropped (Gal & Ghahramani 2016).
        embedding_dropout: Probability that a token of the vocabulary is dropped from a batch (Merity et al. 2018).
        weight_dropout: Probability that a recurrent weight is dropped for a batch (DropConnect, Merity et al. 2018).
            Without effect for min_gru and min_lstm, which have none.
        dropout: Dropout rate of the input, between the layers and before the softmax.
        locked_dropout: Whether `dropout` drops the same components at every step of a text (variational dropout, Gal &
            Ghahramani 2016).
        head_dropout: Dropout rate of the text's vector before the sentiment layer.
        wide_ngrams: Maximum number of words, pairs of words and subwords that the wide path knows (Cheng et al. 2016).
            At most 16777216; 0 for no wide path. Without effect in the language task.
    """

    cell: Cell = 'lstm'
    bidirectional: bool = True
    layers: int = 1
    units: int = 128
    embedding_size: int = 128
    subword_buckets: int = dataclasses.field(default=0, metadata={'formerly': 'piece_buckets'})
    vectors: Vectors = 'frozen'
    token_dropout: float = 0.2
    embedding_dropout: float = 0.0
    weight_dropout: float = 0.0
    dropout: float = 0.4
    locked_dropout: bool = True
    head_dropout: float = 0.5
    wide_ngrams: int = 262_144

    def __post_init__(self) -> None:
        require(self.cell in CELLS, f'network.cell must be one of {", ".join(CELLS)}', self.cell)
        choices = typing.get_args(Vectors)
        require(self.vectors in choices, f'network.vectors must be {" or ".join(choices)}', self.vectors)
        for name, low, high in (('layers', 1, 32), ('units', 1, 16_384), ('embedding_size', 0, 16_384)):
            value = getattr(self, name)
            require(low <= value <= high, f'network.{name} must lie between {low} and {high}', value)
        # Bucket 0 is padding, so that one bucket could hold no subword.
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
            require(0 <= value < 1, f'network.{name} must be at least 0 and below 1', value)
