"""The bidirectional language and sentiment network.

Two stacks read the text, one from the left and one from the right, and never see each other's future: so each
is a language model (a bidirectional layer under a language model would see its own answer), and together they
are the encoder of the sentiment.

    ids ─ embedding ─┬─ forward stack  ── next token        ┐ softmax tied to the embedding
                     └─ backward stack ── previous token    ┘ (Press & Wolf 2017)
                        both ── [last, max, mean] ── sentiment ┬─ combined, calibrated
        ── words and pairs of words ── wide path ──────────────┘ (Howard & Ruder 2018; Cheng et al. 2016)
"""

from typing import Any

import keras
from keras import ops

from vaiven.models.network.cells import recurrent_layer
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.layers import MaskedPooling, Tensor, TokenDropout, reverse_sequences
from vaiven.models.network.wide import WideNgrams
from vaiven.models.text import PAD_ID


def _recurrent_alone(shape: Any, dtype: Any = None) -> Tensor:
    return ops.convert_to_tensor([1.0, 0.0, 0.0], dtype=dtype)


class Network(keras.Model):
    """Raw scores of sentiment and language for batches of token ids.

    Args:
        config: sizes and dropout.
        vocabulary_size: number of ids; 0 is padding, at the right only.
        use_cudnn: `False` builds the same network free of cuDNN, for export to machines without a GPU.
        seed: of the initial weights and of dropout.
    """

    def __init__(
        self,
        config: NetworkConfig,
        vocabulary_size: int,
        *,
        use_cudnn: bool | str = 'auto',
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.vocabulary_size = vocabulary_size
        seeds = iter(range(seed * 1000, seed * 1000 + 1000))
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            config.embedding_size,
            embeddings_initializer=keras.initializers.RandomUniform(-0.1, 0.1, seed=next(seeds)),
            name='embedding',
        )
        self.token_dropout = TokenDropout(config.token_dropout, seed=next(seeds), name='token_dropout')
        self.input_dropout = keras.layers.SpatialDropout1D(
            config.dropout, seed=next(seeds), name='input_dropout'
        )
        self.stacks = {
            direction: [
                recurrent_layer(
                    config.cell,
                    config.units,
                    use_cudnn=use_cudnn,
                    seed=next(seeds),
                    name=f'{direction}_{layer}',
                )
                for layer in range(config.layers)
            ]
            for direction in ('forward', 'backward')
        }
        self.between_dropout = keras.layers.SpatialDropout1D(
            config.dropout, seed=next(seeds), name='between_dropout'
        )
        self.language_projection = {
            direction: keras.layers.Dense(
                config.embedding_size,
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
                name=f'{direction}_language',
            )
            for direction in ('forward', 'backward')
        }
        self.softmax_bias = self.add_weight(
            shape=(vocabulary_size,), initializer='zeros', name='softmax_bias'
        )
        self.pooling = MaskedPooling(name='pooling')
        self.head_dropout = keras.layers.Dropout(config.head_dropout, seed=next(seeds), name='head_dropout')
        self.sentiment = keras.layers.Dense(
            1, kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)), name='sentiment'
        )
        self.wide = (
            WideNgrams(vocabulary_size, config.wide_buckets, name='wide') if config.wide_buckets else None
        )
        if self.wide is not None:
            self.wide.build((None, None))
        # logit = a · recurrent + b · wide + c
        self.combination = self.add_weight(
            shape=(3,), initializer=_recurrent_alone, trainable=False, name='combination'
        )

    def read(self, direction: str, ids: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """One stack's states, in the order in which it reads.

        Args:
            direction: `forward`, or `backward` for a text read from its end.
            ids: int (batch, time), padded with 0 at the right; every row has at least one id.

        Returns:
            states (batch, time, units), and lengths, int (batch).
        """
        ids = ops.cast(ids, 'int32')
        lengths = ops.sum(ops.cast(ids != PAD_ID, 'int32'), axis=1)
        if direction == 'backward':
            ids = reverse_sequences(ids, lengths)
        vectors = self.token_dropout(self.embedding(ids), training=training)
        states = self.input_dropout(vectors, training=training)
        for layer, recurrent in enumerate(self.stacks[direction]):
            if layer:
                states = self.between_dropout(states, training=training)
            # No mask: the padding is at the right, so what is read there reaches no step that counts.
            states = recurrent(states, training=training)
        return states, lengths

    def first_states(self, batch_size: Any) -> list[list[Tensor]]:
        """What the forward stack remembers before the first token: a list a layer."""
        return [list(layer.cell.get_initial_state(batch_size=batch_size)) for layer in self.stacks['forward']]

    def step(self, ids: Tensor, states: list[list[Tensor]]) -> tuple[Tensor, list[list[Tensor]]]:
        """One token read by the forward stack, as in `read`, for texts that are written token by token.

        Args:
            ids: int (batch).
            states: of the step before.

        Returns:
            the last layer's output (batch, units), and the new states.
        """
        output, after = self.embedding(ids), []
        for layer, before in zip(self.stacks['forward'], states, strict=True):
            output, state = layer.cell(output, before)
            after.append(list(state))
        return output, after

    def encode(self, ids: Tensor, training: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """States of both stacks, each in the order of its own reading: (batch, time, units) twice, and lengths.

        The forward state at a step has seen the tokens up to it; the backward state those from the end down to it.
        """
        forward, lengths = self.read('forward', ids, training)
        backward, lengths = self.read('backward', ids, training)
        return forward, backward, lengths

    def pool(self, forward: Tensor, backward: Tensor, lengths: Tensor) -> Tensor:
        """The text's vector (batch, 6 · units). «Last» is where each stack ends its reading."""
        return ops.concatenate([self.pooling(forward, lengths), self.pooling(backward, lengths)], axis=-1)

    def path_logits(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of «positive» by the recurrent and by the wide path, each (batch)."""
        recurrent = self._sentiment(self.encode(ids), training=False)
        return recurrent, self.wide(ids) if self.wide is not None else ops.zeros_like(recurrent)

    def sentiment_logits(self, ids: Tensor) -> Tensor:
        """Logit of «positive» by both paths together, (batch)."""
        recurrent, wide = self.path_logits(ids)
        return self.combination[0] * recurrent + self.combination[1] * wide + self.combination[2]

    def _sentiment(self, encoded: tuple[Tensor, Tensor, Tensor], training: bool) -> Tensor:
        pooled = self.head_dropout(self.pool(*encoded), training=training)
        return ops.squeeze(self.sentiment(pooled), axis=-1)

    def call(self, ids: Tensor, training: bool = False) -> dict[str, Tensor]:
        """What gradients train: a dict.

        Returns:
            `sentiment` (batch), the recurrent path's logit; `forward` and `backward`, each (batch, time,
            embedding_size) in the order of its own reading: `token_logits` makes of them the next token read.
        """
        forward, backward, lengths = self.encode(ids, training=training)
        return {
            'sentiment': self._sentiment((forward, backward, lengths), training),
            'forward': self.project('forward', self.between_dropout(forward, training=training)),
            'backward': self.project('backward', self.between_dropout(backward, training=training)),
        }

    def project(self, direction: str, states: Tensor) -> Tensor:
        """States to the space of the embedding: (…, units) → (…, embedding_size)."""
        return self.language_projection[direction](states)

    def token_logits(self, projected: Tensor) -> Tensor:
        """(…, embedding_size) → (…, vocabulary_size), by the embedding itself (tied softmax)."""
        return ops.matmul(projected, ops.transpose(self.embedding.embeddings)) + self.softmax_bias
