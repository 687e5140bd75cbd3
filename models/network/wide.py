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
# The number of n-grams above which the sum of a text is damped, before a fit has set it: no text is that long.
UNLIMITED = 1e9
# Maximum number of weights of an n-gram. With more logits than that, an n-gram keeps its strongest weights: the cost of
# a request and the size of the table do not depend on the number of classes.
MAX_ENTRIES = 16


@keras.saving.register_keras_serializable('vaiven')
class WideNgrams(keras.layers.Layer):
    """Sums the weights of the n-grams of a text to logits: int (batch, n-grams) → (batch) or (batch, outputs).

    N-gram ids start at 1 (`vaiven.models.text.ngrams`) and are padded with 0. An n-gram that is not in the weight
    `ngrams` adds 0. Without this check, as in feature hashing modulo the size of a table, a pair of words that was
    never seen gets the weight of another one: that cost 1 point of accuracy. Gradient descent trains none of the
    weights; `vaiven.models.training.wide_fit` fits them.

    The weight `usual_length` is the number of n-grams of a long training text. The sum of a text with n times as many
    is divided by √n: its words are evidence for the same label, but not independent of each other, and without this a
    model of sentences would be certain of every review.

    Args:
        size: maximum number of n-grams.
        outputs: number of logits. With 1 the logit has no axis of its own, and the weight `table` is (size). Up to
            `MAX_ENTRIES`, `table` is (size, outputs). Above, `table` is (size, MAX_ENTRIES), and the weight `classes`
            of the same shape says which logit each of its values is added to.
    """

    def __init__(self, size: int, outputs: int = 1, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.size = size
        self.outputs = outputs

    @property
    def is_sparse(self) -> bool:
        """Whether an n-gram has fewer weights than there are logits."""
        return self.outputs > MAX_ENTRIES

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; called by Keras."""

        def unused(shape: Any, dtype: Any = None) -> Tensor:
            return ops.full(shape, NO_NGRAM, dtype=dtype)

        self.ngrams = self.add_weight(
            shape=(self.size,), initializer=unused, dtype='int32', trainable=False, name='ngrams'
        )  # sorted, for the binary search
        table, bias = ((self.size,), ()) if self.outputs == 1 else (self._entries_shape, (self.outputs,))
        self.table = self.add_weight(shape=table, initializer='zeros', trainable=False, name='table')
        self.bias = self.add_weight(shape=bias, initializer='zeros', trainable=False, name='bias')
        self.usual_length = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(UNLIMITED), trainable=False, name='usual_length'
        )
        if self.is_sparse:
            self.classes = self.add_weight(
                shape=self._entries_shape, initializer='zeros', dtype='int32', trainable=False, name='classes'
            )

    @property
    def _entries_shape(self) -> tuple[int, int]:
        return self.size, min(self.outputs, MAX_ENTRIES)

    def call(self, ngrams: Tensor) -> Tensor:
        """Computes the logits of each text: int (batch, n-grams) → (batch) or (batch, outputs)."""
        batch, length = ops.shape(ngrams)
        rows = ops.repeat(ops.arange(batch, dtype='int32'), length)
        return self.row_logits(ops.reshape(ngrams, (-1,)), rows, batch)

    def row_logits(self, ngrams: Tensor, rows: Tensor, batch: Any) -> Tensor:
        """Computes the logits of each text from the n-grams of all texts, one after the other.

        Args:
            ngrams: int (n-grams).
            rows: int (n-grams), the text of each of them.
            batch: number of texts.

        Returns:
            (batch) or (batch, outputs).
        """
        ngrams = ops.cast(ngrams, 'int32')
        positions = ops.minimum(ops.searchsorted(self.ngrams, ngrams), self.size - 1)
        known = ops.cast(ops.take(self.ngrams, positions) == ngrams, self.table.dtype)
        weights = ops.take(self.table, positions, axis=0)
        damping = self.damping(ops.segment_sum(ops.cast(ngrams > 0, known.dtype), rows, num_segments=batch))
        if self.outputs == 1:
            return ops.segment_sum(weights * known, rows, num_segments=batch) * damping + self.bias
        weights = weights * ops.expand_dims(known, -1)  # (n-grams, entries)
        damping = ops.expand_dims(damping, -1)
        if not self.is_sparse:
            return ops.segment_sum(weights, rows, num_segments=batch) * damping + self.bias
        # Logit `classes` of row r is segment r · outputs + classes.
        starts = ops.expand_dims(ops.cast(rows, 'int32') * self.outputs, -1)
        segments = starts + ops.take(self.classes, positions, axis=0)
        sums = ops.segment_sum(
            ops.reshape(weights, (-1,)), ops.reshape(segments, (-1,)), num_segments=batch * self.outputs
        )
        return ops.reshape(sums, (batch, self.outputs)) * damping + self.bias

    def damping(self, count: Tensor) -> Tensor:
        """Computes the factor of the sum of each text, from 0 to 1, from its number of n-grams: float (…) → (…)."""
        return ops.sqrt(ops.minimum(1.0, self.usual_length / ops.maximum(count, 1.0)))
