"""The bidirectional language and sentiment network.

Two stacks read the text, one from the left and one from the right, and never see each other's future: so each
is a language model (a bidirectional layer under a language model would see its own answer), and together they
are the encoder of the sentiment.

    ids ─ embedding ─┬─ forward stack  ── next token        ┐ softmax tied to the embedding
                     └─ backward stack ── previous token    ┘ (Press & Wolf 2017)
                        both ── [last, max, mean] ── sentiment ┬─ combined, calibrated
 n-grams ── wide path ─────────────────────────────────────────┘ (Howard & Ruder 2018; Cheng et al. 2016)
"""

from typing import Any

import keras
from keras import ops

from vaiven.models.network.cells import recurrent_layer
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.layers import (
    MaskedPooling,
    Tensor,
    TokenDropout,
    VocabularyDropout,
    WeightDropout,
    dropout,
    reverse_sequences,
)
from vaiven.models.network.subwords import SubwordEmbeddings
from vaiven.models.network.wide import WideNgrams
from vaiven.models.text.tokenization import PAD_ID, UNK_ID


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
        self.directions = ('forward', 'backward') if config.bidirectional else ('forward',)
        self.tied = config.embedding_size > 0
        seeds = iter(range(seed * 1000, seed * 1000 + 1000))
        if self.tied:
            vectors = keras.initializers.RandomUniform(-0.1, 0.1, seed=next(seeds))
        else:
            vectors = keras.initializers.Identity()  # one-hot
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            config.embedding_size or vocabulary_size,
            embeddings_initializer=vectors,
            trainable=self.tied,
            name='embedding',
        )
        self.token_dropout = TokenDropout(config.token_dropout, seed=next(seeds), name='token_dropout')
        # A one-hot vector has one component only: nothing to drop in part.
        self.input_dropout = dropout(
            config.dropout if self.tied else 0.0, config.locked_dropout, next(seeds), 'input_dropout'
        )
        self.stacks = {
            direction: [
                recurrent_layer(
                    config.cell,
                    config.units,
                    use_cudnn=use_cudnn,
                    seed=next(seeds),
                    name=f'{direction}_{layer}',
                    return_state=True,
                )
                for layer in range(config.layers)
            ]
            for direction in self.directions
        }
        for stack in self.stacks.values():
            for number, layer in enumerate(stack):
                features = config.units if number else config.embedding_size or vocabulary_size
                layer.build((None, None, features))
        self.between_dropout = dropout(config.dropout, config.locked_dropout, next(seeds), 'between_dropout')
        self.language_projection = {
            direction: keras.layers.Dense(
                config.embedding_size or vocabulary_size,
                use_bias=self.tied,
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
                name=f'{direction}_language',
            )
            for direction in self.directions
        }
        self.softmax_bias = self.add_weight(
            shape=(vocabulary_size,), initializer='zeros', name='softmax_bias'
        )
        # After the others, so that the seeds of these do not depend on them.
        self.vocabulary_dropout = VocabularyDropout(
            vocabulary_size, config.embedding_dropout, seed=next(seeds), name='vocabulary_dropout'
        )
        self.pieces = (
            SubwordEmbeddings(
                vocabulary_size,
                config.subword_buckets,
                config.embedding_size,
                seed=next(seeds),
                name='pieces',
            )
            if config.subword_buckets and self.tied
            else None
        )
        self.weight_dropout = WeightDropout(config.weight_dropout, seed=next(seeds))
        # Named here, as Keras finds the state of layers only, and a training that goes on must draw on.
        self.weight_dropout_seed = self.weight_dropout.seed_generator
        # In 32 bits also where the rest is in 16: sums over a whole text, and the logit itself.
        self.pooling = MaskedPooling(name='pooling', dtype='float32')
        self.head_dropout = keras.layers.Dropout(
            config.head_dropout, seed=next(seeds), name='head_dropout', dtype='float32'
        )
        self.sentiment = keras.layers.Dense(
            1,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            name='sentiment',
            dtype='float32',
        )
        self.wide = WideNgrams(config.wide_ngrams, name='wide') if config.wide_ngrams else None
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
        return self._read(direction, ids, self.token_vectors(ids), training)

    def _read(self, direction: str, ids: Tensor, vectors: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        lengths = ops.sum(ops.cast(ids != PAD_ID, 'int32'), axis=1)
        if direction == 'backward':
            ids, vectors = reverse_sequences(ids, lengths), reverse_sequences(vectors, lengths)
        # No mask: the padding is at the right, so what is read there reaches no step that counts.
        states, _ = self._go_on(direction, ids, vectors, None, training)
        return states, lengths

    def read_on(
        self,
        direction: str,
        ids: Tensor,
        before: list[list[Tensor]] | None,
        training: bool = False,
        vectors: Tensor | None = None,
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """One stack's states over ids in the order in which it reads, from what it remembers.

        Args:
            direction: which stack.
            ids: int (batch, time).
            before: as `first_states` or an earlier call gave it; None for the first states.
            training: whether to drop.
            vectors: of the ids, where they are there already, as `token_vectors` gives them.

        Returns:
            states (batch, time, units), and what it remembers after the last step.
        """
        vectors = self.token_vectors(ids) if vectors is None else vectors
        return self._go_on(direction, ids, vectors, before, training)

    def _go_on(
        self,
        direction: str,
        ids: Tensor,
        vectors: Tensor,
        before: list[list[Tensor]] | None,
        training: bool,
    ) -> tuple[Tensor, list[list[Tensor]]]:
        vectors = self.vocabulary_dropout(self._seen(vectors, ids), ids, training=training)
        states = self.input_dropout(self.token_dropout(vectors, training=training), training=training)
        after = []
        for number, layer in enumerate(self.stacks[direction]):
            if number:
                states = self.between_dropout(states, training=training)
            with self.weight_dropout.applied(layer.cell, training):
                states, *memory = layer(
                    states, initial_state=None if before is None else before[number], training=training
                )
            after.append(memory)
        return states, after

    def token_vectors(self, ids: Tensor) -> Tensor:
        """Each token's vector, (…) → (…, embedding_size): its own, and what its pieces add to it. What reads tokens
        and what predicts them share it (Press & Wolf 2017), so that an ending is learnt once for all words with it."""
        vectors = self.embedding(ids)
        return vectors if self.pieces is None else vectors + self.pieces(ids)

    def vector_table(self) -> Tensor:
        """`token_vectors` of the whole vocabulary: (vocabulary_size, embedding_size)."""
        if self.pieces is None:
            return ops.convert_to_tensor(self.embedding.embeddings)
        return self.token_vectors(ops.arange(self.vocabulary_size))

    @staticmethod
    def _seen(vectors: Tensor, ids: Tensor) -> Tensor:
        """What is unknown is read as a dropped token is, as a vector of zeros: its own vector, where training hardly
        saw it, would be what the softmax alone made of it, and could be anything."""
        return vectors * ops.cast(ops.expand_dims(ids, -1) != UNK_ID, vectors.dtype)

    def first_states(self, batch_size: Any, direction: str = 'forward') -> list[list[Tensor]]:
        """What a stack remembers before the first token: a list a layer, each state (batch_size, units)."""
        return [list(layer.cell.get_initial_state(batch_size=batch_size)) for layer in self.stacks[direction]]

    def step(self, ids: Tensor, states: list[list[Tensor]]) -> tuple[Tensor, list[list[Tensor]]]:
        """One token read by the forward stack, as in `read`, for texts that are written token by token.

        Args:
            ids: int (batch).
            states: of the step before.

        Returns:
            the last layer's output (batch, units), and the new states.
        """
        output, after = self._seen(self.token_vectors(ids), ids), []
        for layer, before in zip(self.stacks['forward'], states, strict=True):
            output, state = layer.cell(output, before)
            after.append(list(state))
        return output, after

    def encode(self, ids: Tensor, training: bool = False) -> tuple[dict[str, Tensor], Tensor]:
        """States of each stack in the order of its own reading, (batch, time, units) by direction; and lengths.

        The forward state at a step has seen the tokens up to it; the backward state those from the end down to it.
        """
        ids = ops.cast(ids, 'int32')
        return self._encode(ids, self.token_vectors(ids), training)

    def _encode(self, ids: Tensor, vectors: Tensor, training: bool) -> tuple[dict[str, Tensor], Tensor]:
        read = {direction: self._read(direction, ids, vectors, training) for direction in self.directions}
        return {direction: states for direction, (states, _) in read.items()}, read['forward'][1]

    def pool(self, states: dict[str, Tensor], lengths: Tensor) -> Tensor:
        """The text's vector (batch, directions · 3 · units). «Last» is where each stack ends its reading."""
        return ops.concatenate([self.pooling(each, lengths) for each in states.values()], axis=-1)

    def path_logits(self, ids: Tensor, ngrams: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of «positive» by the recurrent and by the wide path, each (batch).

        Args:
            ids: int (batch, time), padded with 0 at the right.
            ngrams: int (batch, n-grams), see `WideNgrams`.
        """
        recurrent = self._sentiment(self.encode(ids), training=False)
        return recurrent, self.wide(ngrams) if self.wide is not None else ops.zeros_like(recurrent)

    def sentiment_logits(self, ids: Tensor, ngrams: Tensor) -> Tensor:
        """Logit of «positive» by both paths together, (batch); see `path_logits`."""
        recurrent, wide = self.path_logits(ids, ngrams)
        return self.combination[0] * recurrent + self.combination[1] * wide + self.combination[2]

    def _sentiment(self, encoded: tuple[dict[str, Tensor], Tensor], training: bool) -> Tensor:
        pooled = self.head_dropout(self.pool(*encoded), training=training)
        return ops.squeeze(self.sentiment(pooled), axis=-1)

    def call(self, ids: Tensor, training: bool = False) -> dict[str, Tensor]:
        """What gradients train: a dict.

        Returns:
            `sentiment` (batch), the recurrent path's logit; for each direction (batch, time, embedding_size) in the
            order of its own reading: `token_logits` makes of it the next token read; and `vectors` (batch, time,
            embedding_size) of the tokens: with pieces they are as much work as a stack, and the losses want them again.
        """
        ids = ops.cast(ids, 'int32')
        vectors = self.token_vectors(ids)
        states, lengths = self._encode(ids, vectors, training)
        language = {
            direction: self.project(direction, self.between_dropout(each, training=training))
            for direction, each in states.items()
        }
        return {'sentiment': self._sentiment((states, lengths), training), 'vectors': vectors, **language}

    def project(self, direction: str, states: Tensor) -> Tensor:
        """States to the space of the embedding: (…, units) → (…, embedding_size); one-hot: (…, vocabulary_size)."""
        return self.language_projection[direction](states)

    def token_logits(self, projected: Tensor) -> Tensor:
        """(…, embedding_size) → (…, vocabulary_size), by the tokens' own vectors (tied softmax); in 32 bits."""
        logits = projected
        if self.tied:
            table = ops.cast(self.vector_table(), projected.dtype)
            logits = ops.matmul(projected, ops.transpose(table))
        return ops.cast(logits, 'float32') + self.softmax_bias
