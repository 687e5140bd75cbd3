"""Embeddings of subwords, which are added to the embeddings of the tokens."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor


@keras.saving.register_keras_serializable('vaiven')
class SubwordEmbeddings(keras.layers.Layer):
    """Sums the embeddings of each token's subwords: int (…) → (…, size) (Bojanowski et al. 2017).

    The sum is divided by the square root of the number of subwords, so that long words do not get longer vectors than
    short ones. The weight `subword_ids`, int (vocabulary_size, max_subwords), lists the subwords of each token, padded
    with 0. It has to be assigned, for example by `vaiven.models.text.subwords.assign_subwords`.

    Args:
        vocabulary_size: number of token ids.
        buckets: number of subword embeddings; the first one is padding.
        size: size of an embedding.
        max_subwords: maximum number of subwords per token.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        vocabulary_size: int,
        buckets: int,
        size: int,
        *,
        max_subwords: int = 20,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.buckets = buckets
        self.size = size
        self.max_subwords = max_subwords
        self.initializer = keras.initializers.RandomUniform(-0.1, 0.1, seed=seed)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; called by Keras."""
        self.vectors = self.add_weight(
            shape=(self.buckets, self.size), initializer=self._initial_vectors, name='vectors'
        )
        self.subword_ids = self.add_weight(
            shape=(self.vocabulary_size, self.max_subwords),
            initializer='zeros',
            dtype='int32',
            trainable=False,
            name='subword_ids',
        )

    def _initial_vectors(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        vectors = self.initializer(shape, dtype=dtype)
        return ops.concatenate([ops.zeros_like(vectors[:1]), vectors[1:]])

    def call(self, ids: Tensor) -> Tensor:
        """Computes the summed subword embeddings of token ids: int (…) → (…, size)."""
        subwords = ops.take(self.subword_ids, ids, axis=0)  # (…, max_subwords)
        count = ops.sum(ops.cast(subwords > 0, self.compute_dtype), axis=-1, keepdims=True)  # (…, 1)
        total = _sum_rows(ops.cast(self.vectors, self.compute_dtype), subwords)  # (…, size)
        return total / ops.sqrt(ops.maximum(count, 1))


def _sum_rows(table: Tensor, rows: Tensor) -> Tensor:
    """Sums rows of a table: (n, size) and int (…, rows) → (…, size).

    Row 0 is padding. It is zero and gets no gradient, so that the many padded positions cost nothing in the backward
    pass.
    """

    @ops.custom_gradient
    def summed(table: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*args: Any, upstream: Any = None) -> Tensor:
            # TensorFlow and JAX pass the upstream gradient by position, PyTorch by name.
            d_total = args[0] if upstream is None else upstream  # (…, size)
            d_rows = ops.broadcast_to(ops.expand_dims(d_total, -2), (*ops.shape(rows), table.shape[-1]))
            return ops.segment_sum(
                ops.reshape(d_rows, (-1, table.shape[-1])),
                # Negative segments are ignored.
                ops.reshape(ops.where(rows > 0, rows, -1), (-1,)),
                num_segments=table.shape[0],
            )

        return ops.sum(ops.take(table, rows, axis=0), axis=-2), gradient

    return summed(table)
