"""The pieces that the network is put together from, in `keras.ops` alone: they run on every Keras backend."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    if len(values.shape) == 2:
        return ops.take_along_axis(values, source, axis=1)
    # Whole vectors at a time: `take_along_axis` would move single numbers.
    return take_steps(values, source)


def take_steps(values: Tensor, steps: Tensor) -> Tensor:
    """Of each row the vectors of some steps: (batch, time, features) and int (batch, n) → (batch, n, features)."""
    batch, time, features = ops.shape(values)
    rows = ops.arange(batch, dtype='int32')[:, None] * time + steps
    return ops.take(ops.reshape(values, (batch * time, features)), rows, axis=0)


def span(values: Tensor, begin: int, length: Any) -> Tensor:
    """`values[:, begin:begin + length]` of (batch, time, features). Its gradient is a padding, which TensorFlow works
    out in an eighth of the time that the gradient of the brackets takes."""
    batch, _, features = ops.shape(values)
    return ops.slice(values, (0, begin, 0), (batch, length, features))


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


def dropout(rate: float, locked: bool, seed: int, name: str) -> keras.layers.Layer:
    """Drops components of (batch, time, features): the same ones at every step of a text if `locked`."""
    kind = keras.layers.SpatialDropout1D if locked else keras.layers.Dropout
    return kind(rate, seed=seed, name=name)


@keras.saving.register_keras_serializable('vaiven')
class VocabularyDropout(keras.layers.Layer):
    """Blanks a share of the vocabulary for a whole batch, wherever its tokens stand (Merity et al. 2018, 4.3)."""

    def __init__(self, vocabulary_size: int, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, vectors: Tensor, ids: Tensor, training: bool = False) -> Tensor:  # (batch, time, features)
        if not training or not self.rate:
            return vectors
        ones = ops.ones((self.vocabulary_size, 1), dtype=vectors.dtype)
        return vectors * ops.take(
            keras.random.dropout(ones, self.rate, seed=self.seed_generator), ids, axis=0
        )


class WeightDropout:
    """Drops a share of a cell's recurrent weights, the same ones at every step (Wan et al. 2013, Merity et al. 2018).

    The layer itself stays as it is, so that cuDNN serves: `recurrent_dropout` would rule it out.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(seed)

    @contextmanager
    def applied(self, cell: keras.layers.Layer, training: bool) -> Iterator[None]:
        """Inside the block `cell` computes with fewer weights; gradients reach those that are left."""
        if not training or not self.rate:
            yield
            return
        # All of the cell's weights, not one alone: JAX trains inside such a scope, and this one hides it.
        values = {variable.path: ops.convert_to_tensor(variable) for variable in cell.variables}
        kernel = cell.recurrent_kernel
        values[kernel.path] = keras.random.dropout(values[kernel.path], self.rate, seed=self.seed_generator)
        with keras.StatelessScope([(variable, values[variable.path]) for variable in cell.variables]):
            yield


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
        last = ops.squeeze(take_steps(states, lengths - 1), axis=1)
        highest = ops.max(states * present - 1e4 * (1 - present), axis=1)
        mean = ops.sum(states * present, axis=1) / ops.cast(lengths, states.dtype)
        return ops.concatenate([last, highest, mean], axis=-1)
