"""The wide path beside the recurrent one: a linear model of words, pairs of words and subwords (Cheng et al. 2016).

The recurrent path generalises, the wide path memorises; their errors differ.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor

# Larger than every n-gram id: fills the unused end of the sorted table.
NO_NGRAM = 2**31 - 1


@keras.saving.register_keras_serializable('vaiven')
class WideNgrams(keras.layers.Layer):
    """Sums one weight for each n-gram of a text to a logit of «positive»: int (batch, n-grams) → (batch).

    N-gram ids start at 1 (`vaiven.models.text.ngrams`) and are padded with 0. An n-gram that is not in the weight
    `ngrams` adds 0. Without this check, as in feature hashing modulo the size of a table, a pair of words that was
    never seen gets the weight of another one: that cost 1 point of accuracy. Gradient descent trains none of the
    weights; `vaiven.models.training.wide_fit` fits them.

    Args:
        size: maximum number of n-grams.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.size = size

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; called by Keras."""

        def unused(shape: Any, dtype: Any = None) -> Tensor:
            return ops.full(shape, NO_NGRAM, dtype=dtype)

        self.ngrams = self.add_weight(
            shape=(self.size,), initializer=unused, dtype='int32', trainable=False, name='ngrams'
        )  # sorted, for the binary search
        self.table = self.add_weight(shape=(self.size,), initializer='zeros', trainable=False, name='table')
        self.bias = self.add_weight(shape=(), initializer='zeros', trainable=False, name='bias')

    def call(self, ngrams: Tensor) -> Tensor:
        """Computes the logit of each text: int (batch, n-grams) → (batch)."""
        ngrams = ops.cast(ngrams, 'int32')
        flat = ops.reshape(ngrams, (-1,))  # (batch · n-grams)
        positions = ops.minimum(ops.searchsorted(self.ngrams, flat), self.size - 1)
        known = ops.cast(ops.take(self.ngrams, positions) == flat, self.table.dtype)
        weights = ops.reshape(ops.take(self.table, positions) * known, ops.shape(ngrams))  # (batch, n-grams)
        return ops.sum(weights, axis=1) + self.bias
