"""The wide path beside the recurrent one: a linear model of words and pairs of words (Cheng et al. 2016).

The recurrent path generalises; this one remembers. Each misses what the other gets.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor
from vaiven.models.text import PAD_ID

# Primes below 2^16, so that no product leaves 32 bits: JAX has no 64-bit integers by default.
_FIRST, _SECOND, _FIELD, _SPREAD = 4801, 7919, 65521, 32749


def ngram_ids(ids: Tensor, vocabulary_size: int, buckets: int) -> Tensor:
    """The words and pairs of neighbours of each text, each once.

    Args:
        ids: int (batch, time), padded with 0 at the right.
        vocabulary_size: number of ids.
        buckets: pairs are hashed into that many.

    Returns:
        int (batch, 2 · time − 1): a word's own id, and `vocabulary_size +` the bucket of a pair; 0 for padding
        and for what is there already.
    """
    ids = ops.cast(ids, 'int32')
    first, second = ids[:, :-1], ids[:, 1:]
    # As `(first · _FIRST) mod _FIELD`, in steps that fit.
    mixed = ((first % _FIELD) * _FIRST + 17) % _FIELD * _SPREAD + ((second % _FIELD) * _SECOND + 31) % _FIELD
    pairs = ops.where(second != PAD_ID, vocabulary_size + mixed % buckets, PAD_ID)
    ordered = ops.sort(ops.concatenate([ids, pairs], axis=1), axis=1)
    repeated = ordered[:, 1:] == ordered[:, :-1]
    return ops.concatenate([ordered[:, :1], ops.where(repeated, PAD_ID, ordered[:, 1:])], axis=1)


@keras.saving.register_keras_serializable('vaiven')
class WideNgrams(keras.layers.Layer):
    """Logit of «positive» as a sum of one weight for each word and pair in a text: int (batch, time) → (batch).

    Its weights are not for gradient descent: `vaiven.models.combination` finds them at once.
    """

    def __init__(self, vocabulary_size: int, buckets: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.vocabulary_size = vocabulary_size
        self.buckets = buckets

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.table = self.add_weight(
            shape=(self.vocabulary_size + self.buckets,), initializer='zeros', trainable=False, name='table'
        )
        self.bias = self.add_weight(shape=(), initializer='zeros', trainable=False, name='bias')

    def call(self, ids: Tensor) -> Tensor:
        ngrams = ngram_ids(ids, self.vocabulary_size, self.buckets)
        weights = ops.take(self.table, ngrams, axis=0) * ops.cast(ngrams != PAD_ID, self.table.dtype)
        return ops.sum(weights, axis=1) + self.bias
