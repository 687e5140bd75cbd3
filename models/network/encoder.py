"""The bidirectional language model: two directions that read a text without seeing each other's future.

So each of them is a language model; a bidirectional layer below a language model would see its own target.

    ids ─ embedding ─┬─ forward layers  ── next token        ┐ softmax tied to the embedding
                     └─ backward layers ── previous token    ┘ (Press & Wolf 2017)
"""

from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from vaiven.models.network.cells import recurrent_stack
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.layers import (
    Tensor,
    TokenDropout,
    VocabularyDropout,
    WeightDropout,
    dropout,
    reverse_sequences,
)
from vaiven.models.network.subwords import SubwordEmbeddings
from vaiven.models.network.word_vectors import WordVectors
from vaiven.models.text.tokenization import PAD_ID, UNK_ID

# The states of a direction: for each layer its states, each (batch, units).
State = list[list[Tensor]]


class Encoder(keras.Model):
    """Computes the outputs of both directions, and the logits of the tokens that they predict.

    Args:
        config: sizes and dropout.
        vocabulary_size: number of ids that the softmax predicts; 0 is padding.
        seeds: seeds of the initial weights and of dropout. Each layer takes the next one.
        read_only: number of ids after them that are read, but never predicted: words of which only a pre-trained vector
            is known. As a target they are `[UNK]`.
        vector_values: number of values of a pre-trained vector; 0 for none. Without effect for one-hot inputs.
        use_cudnn: `False` builds the same network without cuDNN operations, for export to machines without a GPU.
    """

    def __init__(
        self,
        config: NetworkConfig,
        vocabulary_size: int,
        seeds: Iterator[int],
        *,
        read_only: int = 0,
        vector_values: int = 0,
        use_cudnn: bool | str = 'auto',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.read_only = read_only
        self.vector_values = vector_values
        self.directions = ('forward', 'backward') if config.bidirectional else ('forward',)
        self.tied = config.embedding_size > 0
        input_size = config.embedding_size or vocabulary_size
        vectors = keras.initializers.Identity()  # one-hot
        if self.tied:
            vectors = _RandomButReadOnly(read_only, seed=next(seeds))
        self.embedding = keras.layers.Embedding(
            vocabulary_size + read_only,
            input_size,
            embeddings_initializer=vectors,
            trainable=self.tied,
            name='embedding',
        )
        self.token_dropout = TokenDropout(config.token_dropout, seed=next(seeds), name='token_dropout')
        # A one-hot vector has a single component that is not zero: dropping it is token dropout.
        self.input_dropout = dropout(
            config.dropout if self.tied else 0.0, config.locked_dropout, next(seeds), 'input_dropout'
        )
        self.stacks = {
            direction: recurrent_stack(config, direction, input_size, use_cudnn=use_cudnn, seeds=seeds)
            for direction in self.directions
        }
        self.between_dropout = dropout(config.dropout, config.locked_dropout, next(seeds), 'between_dropout')
        self.language_projection = {
            direction: keras.layers.Dense(
                input_size,
                use_bias=self.tied,
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
                name=f'{direction}_language',
            )
            for direction in self.directions
        }
        self.softmax_bias = self.add_weight(
            shape=(vocabulary_size,), initializer='zeros', name='softmax_bias'
        )
        self.vocabulary_dropout = VocabularyDropout(
            vocabulary_size + read_only,
            config.embedding_dropout,
            seed=next(seeds),
            name='vocabulary_dropout',
        )
        self.subwords = None
        if config.subword_buckets and self.tied:
            self.subwords = SubwordEmbeddings(
                vocabulary_size + read_only,
                config.subword_buckets,
                input_size,
                seed=next(seeds),
                name='subwords',
            )
        self.weight_dropout = WeightDropout(config.weight_dropout, seed=next(seeds))
        # Keras finds the state of layers only; a checkpoint has to contain this seed as well.
        self.weight_dropout_seed = self.weight_dropout.seed_generator
        self.word_vectors = None
        if vector_values and self.tied:
            self.word_vectors = WordVectors(
                vocabulary_size + read_only,
                vector_values,
                input_size,
                trained=config.vectors == 'trained',
                seed=next(seeds),
                name='word_vectors',
            )

    def read(
        self, direction: str, ids: Tensor, training: bool = False, vectors: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes the outputs of one direction over whole texts, in its own reading order.

        Args:
            direction: `forward`, or `backward` to read each text from its end.
            ids: int (batch, time), right-padded with 0; every row has at least one id.
            training: whether to apply dropout.
            vectors: `token_vectors` of the ids, if they are computed already.

        Returns:
            The outputs, (batch, time, units), and the lengths of the texts, int (batch).
        """
        ids = ops.cast(ids, 'int32')
        vectors = self.token_vectors(ids) if vectors is None else vectors
        lengths = ops.sum(ops.cast(ids != PAD_ID, 'int32'), axis=1)  # (batch)
        if direction == 'backward':
            ids, vectors = reverse_sequences(ids, lengths), reverse_sequences(vectors, lengths)
        # No mask: with right-padding, padded steps come after every step that counts.
        outputs, _ = self.read_window(direction, ids, None, training, vectors)
        return outputs, lengths

    def read_window(
        self,
        direction: str,
        ids: Tensor,
        state: State | None,
        training: bool = False,
        vectors: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Computes the outputs of one direction over ids in its own reading order, starting from a state.

        Args:
            direction: `forward` or `backward`.
            ids: int (batch, time).
            state: as returned by `initial_state` or by an earlier call; None for the initial state.
            training: whether to apply dropout.
            vectors: `token_vectors` of the ids, if they are computed already.

        Returns:
            The outputs of the last layer, (batch, time, units), and the state after the last step.
        """
        vectors = self.token_vectors(ids) if vectors is None else vectors  # (batch, time, embedding_size)
        vectors = self.vocabulary_dropout(_zero_unknown(vectors, ids), ids, training=training)
        outputs = self.input_dropout(self.token_dropout(vectors, training=training), training=training)
        new_state = []
        for number, layer in enumerate(self.stacks[direction]):
            if number:
                outputs = self.between_dropout(outputs, training=training)
            initial = None if state is None else state[number]
            with self.weight_dropout.applied(layer.cell, training):
                outputs, *layer_state = layer(outputs, initial_state=initial, training=training)
            new_state.append(layer_state)
        return outputs, new_state

    def token_vectors(self, ids: Tensor) -> Tensor:
        """Computes the vector of each token: the sum of its own embedding, its subwords and its pre-trained vector.

        The input and the softmax share it (Press & Wolf 2017), so that an ending is learnt once for all words with it.

        Args:
            ids: int (…).

        Returns:
            (…, embedding_size).
        """
        vectors = self.embedding(ids)
        for further in (self.subwords, self.word_vectors):
            if further is not None:
                vectors = vectors + further(ids)
        return vectors

    def input_vectors(self, ids: Tensor) -> Tensor:
        """Computes what the first layer reads without dropout: int (…) → (…, embedding_size)."""
        return _zero_unknown(self.token_vectors(ids), ids)

    def vector_table(self) -> Tensor:
        """Computes `token_vectors` of all tokens that can be predicted: (vocabulary_size, embedding_size)."""
        if self.subwords is None and self.word_vectors is None:
            return ops.convert_to_tensor(self.embedding.embeddings)[: self.vocabulary_size]
        return self.token_vectors(ops.arange(self.vocabulary_size))

    def as_targets(self, ids: Tensor) -> Tensor:
        """Replaces tokens that are read but never predicted by `[UNK]`: int (…) → int (…)."""
        return ops.where(ids < self.vocabulary_size, ids, UNK_ID) if self.read_only else ids

    def target_vectors(self, ids: Tensor, vectors: Tensor) -> Tensor:
        """Replaces the vectors of tokens that are never predicted by that of `[UNK]`.

        Args:
            ids: int (batch, time).
            vectors: their `token_vectors`, (batch, time, embedding_size).
        """
        if not self.read_only:
            return vectors
        unknown = self.token_vectors(ops.full((1, 1), UNK_ID, dtype='int32'))
        return ops.where(ops.expand_dims(ids < self.vocabulary_size, -1), vectors, unknown)

    def initial_state(self, batch_size: Any, direction: str = 'forward') -> State:
        """Returns the state before the first token: for each layer its states, each (batch_size, units)."""
        return [list(layer.cell.get_initial_state(batch_size=batch_size)) for layer in self.stacks[direction]]

    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Reads one token per row in the forward direction, ids int (batch), without dropout; for generation.

        Returns:
            The output of the last layer, (batch, units), and the new state.
        """
        output, new_state = self.input_vectors(ids), []
        for layer, layer_state in zip(self.stacks['forward'], state, strict=True):
            output, layer_state = layer.cell(output, layer_state)
            new_state.append(list(layer_state))
        return output, new_state

    def encode(
        self, ids: Tensor, training: bool = False, vectors: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Computes the outputs of every direction, each in its own reading order.

        The forward output of a step has seen the tokens up to it; the backward output those from the end down to it.

        Args:
            ids: int (batch, time), right-padded with 0.
            training: whether to apply dropout.
            vectors: `token_vectors` of the ids, if they are computed already.

        Returns:
            The outputs by direction, (batch, time, units), and the lengths of the texts, int (batch).
        """
        ids = ops.cast(ids, 'int32')
        vectors = self.token_vectors(ids) if vectors is None else vectors
        reads = {direction: self.read(direction, ids, training, vectors) for direction in self.directions}
        return {direction: outputs for direction, (outputs, _) in reads.items()}, reads['forward'][1]

    def project(self, direction: str, outputs: Tensor) -> Tensor:
        """Projects outputs to the space of the embedding: (…, units) → (…, embedding_size or vocabulary_size)."""
        return self.language_projection[direction](outputs)

    def token_logits(self, projected: Tensor) -> Tensor:
        """Computes logits over the vocabulary in 32 bits: (…, embedding_size) → (…, vocabulary_size)."""
        logits = projected
        if self.tied:
            table = ops.cast(self.vector_table(), projected.dtype)
            logits = ops.matmul(projected, ops.transpose(table))
        return ops.cast(logits, 'float32') + self.softmax_bias


def _zero_unknown(vectors: Tensor, ids: Tensor) -> Tensor:
    # An unknown token is read like a dropped one. Training hardly ever reads `[UNK]`, so the softmax alone would
    # shape its vector, and its values could be anything.
    return vectors * ops.cast(ops.expand_dims(ids, -1) != UNK_ID, vectors.dtype)


class _RandomButReadOnly(keras.initializers.RandomUniform):
    """Initial embeddings; zeros for the last rows, which training does not change, so that noise would stay."""

    def __init__(self, read_only: int, seed: int) -> None:
        super().__init__(-0.1, 0.1, seed=seed)
        self.read_only = read_only

    def __call__(self, shape: tuple[int, int], dtype: Any = None) -> Tensor:
        trained = super().__call__((shape[0] - self.read_only, shape[1]), dtype=dtype)
        return ops.pad(trained, ((0, self.read_only), (0, 0)))
