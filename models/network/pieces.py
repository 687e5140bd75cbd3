"""Vectors of pieces of words."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor


@keras.saving.register_keras_serializable('vaiven')
class PieceVectors(keras.layers.Layer):
    """What the pieces of each token add to its own vector: int (…) → (…, size) (Bojanowski et al. 2017).

    The sum over the pieces, divided by the root of their number: so long words are not louder than short ones.
    `pieces` says which ones a token has, (vocabulary_size, most), 0 for none: it is to be assigned, as by
    `vaiven.models.pieces.piece_table`.
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
            shape=(self.buckets, self.size), initializer=self.initializer, name='vectors'
        )
        self.pieces = self.add_weight(
            shape=(self.vocabulary_size, self.most), initializer='zeros', dtype='int32', trainable=False,
            name='pieces',
        )  # fmt: skip

    def call(self, ids: Tensor) -> Tensor:
        pieces = ops.take(self.pieces, ids, axis=0)  # (…, most)
        count = ops.sum(ops.cast(pieces > 0, self.compute_dtype), axis=-1, keepdims=True)
        # Number 0 is none. Blanked in the table, so that its gradient is summed up densely, and only once.
        is_one = ops.cast(ops.arange(self.buckets) > 0, self.compute_dtype)
        vectors = ops.cast(self.vectors, self.compute_dtype) * is_one[:, None]
        total = ops.sum(ops.take(vectors, pieces, axis=0), axis=-2)  # (…, size)
        return total / ops.sqrt(ops.maximum(count, 1))
