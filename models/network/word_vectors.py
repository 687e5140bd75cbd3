"""Pre-trained vectors of words, which are added to the embeddings of the tokens."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor


@keras.saving.register_keras_serializable('vaiven')
class WordVectors(keras.layers.Layer):
    """Projects the pre-trained vector of each token to the size of an embedding: int (…) → (…, size).

    The weight `vectors`, (tokens, values), has to be assigned, for example by `vaiven.models.text.vectors`. A row of
    zeros stands for a token without a vector. Only the projection is trained, unless `trained` is set: a word that
    training never sees has the same place among the others as in the file.

    Args:
        tokens: number of token ids.
        values: number of values of a pre-trained vector.
        size: size of an embedding.
        trained: whether training also changes the vectors.
        seed: seed of the initial projection.
    """

    def __init__(
        self,
        tokens: int,
        values: int,
        size: int,
        *,
        trained: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tokens = tokens
        self.values = values
        self.size = size
        self.trained = trained
        self.initializer = keras.initializers.GlorotUniform(seed=seed)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; called by Keras."""
        self.vectors = self.add_weight(
            shape=(self.tokens, self.values), initializer='zeros', trainable=self.trained, name='vectors'
        )
        self.projection = self.add_weight(
            shape=(self.values, self.size), initializer=self.initializer, name='projection'
        )

    def call(self, ids: Tensor) -> Tensor:
        """Computes the projected vectors of token ids: int (…) → (…, size)."""
        vectors = ops.take(ops.cast(self.vectors, self.compute_dtype), ids, axis=0)  # (…, values)
        return ops.matmul(vectors, ops.cast(self.projection, self.compute_dtype))
