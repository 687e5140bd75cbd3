"""The wide path beside the recurrent one: a linear model of words, pairs and pieces of words (Cheng et al. 2016).

The recurrent path generalises; this one remembers. Each misses what the other gets.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor

# Greater than every n-gram's number: where the table has room left.
NO_NGRAM = 2**31 - 1


@keras.saving.register_keras_serializable('vaiven')
class WideNgrams(keras.layers.Layer):
    """Logit of «positive» as a sum of one weight for each n-gram of a text: int (batch, n-grams) → (batch).

    N-grams are numbered from 1 by `vaiven.models.text.ngrams` and padded with 0; one that is not among the `ngrams`
    weighs nothing. (Without such a check, as where numbers are taken modulo the size of a table, a pair of words
    that was never seen gets the weight of another: that cost 1 point of accuracy.) Gradient descent trains none of it;
    `vaiven.models.training.wide_fit` fits the weights.

    Args:
        size: the most n-grams that it can know.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.size = size

    def build(self, input_shape: Sequence[int | None]) -> None:
        def none(shape: Any, dtype: Any = None) -> Tensor:
            return ops.full(shape, NO_NGRAM, dtype=dtype)

        self.ngrams = self.add_weight(
            shape=(self.size,), initializer=none, dtype='int32', trainable=False, name='ngrams'
        )  # sorted
        self.table = self.add_weight(shape=(self.size,), initializer='zeros', trainable=False, name='table')
        self.bias = self.add_weight(shape=(), initializer='zeros', trainable=False, name='bias')

    def call(self, ngrams: Tensor) -> Tensor:
        ngrams = ops.cast(ngrams, 'int32')
        every = ops.reshape(ngrams, (-1,))
        places = ops.minimum(ops.searchsorted(self.ngrams, every), self.size - 1)
        known = ops.cast(ops.take(self.ngrams, places) == every, self.table.dtype)
        weights = ops.reshape(ops.take(self.table, places) * known, ops.shape(ngrams))
        return ops.sum(weights, axis=1) + self.bias
