"""The pieces that the network is put together from, in `keras.ops` alone: they run on every Keras backend."""

from typing import Any

import keras
from keras import ops

Tensor = Any  # of whichever backend Keras runs on


def reverse_sequences(values: Tensor, lengths: Tensor) -> Tensor:
    """Turns each row's first `lengths[row]` steps around and leaves the padding where it is, at the right.

    cuDNN's kernels accept right-padded batches only, which rules out Keras' `go_backwards`.

    Args:
        values: (batch, time) or (batch, time, features).
        lengths: int (batch).

    Returns:
        The same shape; doing it twice gives the input back.
    """
    steps = ops.arange(ops.shape(values)[1], dtype='int32')[None, :]  # (1, time)
    lengths = ops.cast(lengths, 'int32')[:, None]  # (batch, 1)
    source = ops.where(steps < lengths, lengths - 1 - steps, steps)  # (batch, time)
    if len(values.shape) == 3:
        source = source[:, :, None]
    return ops.take_along_axis(values, source, axis=1)


@keras.saving.register_keras_serializable('vaiven')
class TokenDropout(keras.layers.Layer):
    """Blanks whole tokens: their vectors become zero and the others are scaled up (Gal & Ghahramani 2016)."""

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, vectors: Tensor, training: bool = False) -> Tensor:  # (batch, time, features)
        if not training or not self.rate:
            return vectors
        shape = ops.shape(vectors)
        ones = ops.ones((shape[0], shape[1], 1), dtype=vectors.dtype)
        return vectors * keras.random.dropout(ones, self.rate, seed=self.seed_generator)


@keras.saving.register_keras_serializable('vaiven')
class MaskedPooling(keras.layers.Layer):
    """[last, max, mean] of the states over the steps that are there: (batch, time, units) → (batch, 3 · units)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, states: Tensor, lengths: Tensor) -> Tensor:
        steps = ops.arange(ops.shape(states)[1], dtype='int32')[None, :]
        lengths = ops.cast(lengths, 'int32')[:, None]
        present = ops.cast(steps < lengths, states.dtype)[:, :, None]  # (batch, time, 1)
        last = ops.squeeze(ops.take_along_axis(states, lengths[:, :, None] - 1, axis=1), axis=1)
        highest = ops.max(states * present - 1e4 * (1 - present), axis=1)
        mean = ops.sum(states * present, axis=1) / ops.cast(lengths, states.dtype)
        return ops.concatenate([last, highest, mean], axis=-1)
