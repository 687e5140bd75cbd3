"""Vectors of pieces of words."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor


@keras.saving.register_keras_serializable('vaiven')
class SubwordEmbeddings(keras.layers.Layer):
    """What the pieces of each token add to its own vector: int (…) → (…, size) (Bojanowski et al. 2017).

    The sum over the pieces, divided by the root of their number: so long words are not louder than short ones.
    `pieces` says which ones a token has, (vocabulary_size, most), 0 for none: it is to be assigned, as by
    `vaiven.models.text.subwords.piece_table`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        buckets: int,
        size: int,
        *,
        most: int = 20,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.buckets = buckets
        self.size = size
        self.most = most
        self.initializer = keras.initializers.RandomUniform(-0.1, 0.1, seed=seed)

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.vectors = self.add_weight(
            shape=(self.buckets, self.size), initializer=self._initial_vectors, name='vectors'
        )
        self.pieces = self.add_weight(
            shape=(self.vocabulary_size, self.most),
            initializer='zeros',
            dtype='int32',
            trainable=False,
            name='pieces',
        )

    def _initial_vectors(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        vectors = self.initializer(shape, dtype=dtype)
        return ops.concatenate([ops.zeros_like(vectors[:1]), vectors[1:]])

    def call(self, ids: Tensor) -> Tensor:
        pieces = ops.take(self.pieces, ids, axis=0)  # (…, most)
        count = ops.sum(ops.cast(pieces > 0, self.compute_dtype), axis=-1, keepdims=True)
        total = _sum_rows(ops.cast(self.vectors, self.compute_dtype), pieces)
        return total / ops.sqrt(ops.maximum(count, 1))


def _sum_rows(table: Tensor, rows: Tensor) -> Tensor:
    """Sums of a table's rows, (n, size) and int (…, most) → (…, size). Row 0 is zero, and stays it: no gradient
    reaches it, so that the many places which have no piece cost nothing on the way back."""

    @ops.custom_gradient
    def added_up(table: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*args: Any, upstream: Any = None) -> Tensor:
            d_total = args[0] if upstream is None else upstream
            each = ops.broadcast_to(ops.expand_dims(d_total, -2), (*ops.shape(rows), table.shape[-1]))
            return ops.segment_sum(
                ops.reshape(each, (-1, table.shape[-1])),
                ops.reshape(ops.where(rows > 0, rows, -1), (-1,)),
                num_segments=table.shape[0],
            )

        return ops.sum(ops.take(table, rows, axis=0), axis=-2), gradient

    return added_up(table)
