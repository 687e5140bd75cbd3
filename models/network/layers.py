"""The layers and functions that the network is built from, in `keras.ops` alone: they run on every Keras backend."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

Tensor = Any  # a tensor of the backend that Keras runs on


def reverse_sequences(values: Tensor, lengths: Tensor) -> Tensor:
    """Reverses the first `lengths[row]` steps of each row and leaves the right-padding in place.

    cuDNN's kernels accept only right-padded batches, which rules out Keras' `go_backwards`.

    Args:
        values: (batch, time) or (batch, time, features).
        lengths: int (batch).

    Returns:
        The same shape; reversing it again returns the input.
    """
    steps = ops.arange(ops.shape(values)[1], dtype='int32')[None, :]  # (1, time)
    lengths = ops.cast(lengths, 'int32')[:, None]  # (batch, 1)
    source = ops.where(steps < lengths, lengths - 1 - steps, steps)  # (batch, time)
    if len(values.shape) == 2:
        return ops.take_along_axis(values, source, axis=1)
    # `take_along_axis` would gather single numbers here, not whole vectors.
    return take_steps(values, source)


def take_steps(values: Tensor, steps: Tensor) -> Tensor:
    """Gathers steps of each row: values (batch, time, features) and steps int (batch, n) → (batch, n, features)."""
    batch, time, features = ops.shape(values)
    index = ops.arange(batch, dtype='int32')[:, None] * time + steps  # (batch, n)
    return ops.take(ops.reshape(values, (batch * time, features)), index, axis=0)


def slice_time(values: Tensor, start: int, length: Any) -> Tensor:
    """Returns `values[:, start:start + length]`, with a cheaper gradient on TensorFlow.

    The gradient of `ops.slice` is a padding, which TensorFlow computes in an eighth of the time of the gradient of the
    brackets (a strided slice).

    Args:
        values: (batch, time, features).
        start: first step.
        length: number of steps, an int or a scalar tensor.

    Returns:
        (batch, length, features).
    """
    batch, _, features = ops.shape(values)
    return ops.slice(values, (0, start, 0), (batch, length, features))


@keras.saving.register_keras_serializable('vaiven')
class TokenDropout(keras.layers.Layer):
    """Drops whole tokens: their vectors become zero, the others are scaled up (Gal & Ghahramani 2016).

    Args:
        rate: probability that a token is dropped.
        seed: seed of the draws.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, vectors: Tensor, training: bool = False) -> Tensor:
        """Drops tokens of (batch, time, features) in training; otherwise returns the input."""
        if not training or not self.rate:
            return vectors
        shape = ops.shape(vectors)
        ones = ops.ones((shape[0], shape[1], 1), dtype=vectors.dtype)  # (batch, time, 1)
        return vectors * keras.random.dropout(ones, self.rate, seed=self.seed_generator)


def dropout(rate: float, locked: bool, seed: int, name: str) -> keras.layers.Layer:
    """Creates a layer that drops components of (batch, time, features).

    Args:
        rate: probability that a component is dropped.
        locked: whether the same components are dropped at every step of a text (Gal & Ghahramani 2016).
        seed: seed of the draws.
        name: name of the layer.
    """
    kind = keras.layers.SpatialDropout1D if locked else keras.layers.Dropout
    return kind(rate, seed=seed, name=name)


@keras.saving.register_keras_serializable('vaiven')
class VocabularyDropout(keras.layers.Layer):
    """Drops tokens of the vocabulary from a whole batch, wherever they occur (Merity et al. 2018, section 4.3).

    Args:
        vocabulary_size: number of ids.
        rate: probability that a token is dropped.
        seed: seed of the draws.
    """

    def __init__(self, vocabulary_size: int, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, vectors: Tensor, ids: Tensor, training: bool = False) -> Tensor:
        """Drops tokens in training; otherwise returns the vectors.

        Args:
            vectors: (batch, time, features).
            ids: int (batch, time), the tokens of the vectors.
            training: whether to drop.
        """
        if not training or not self.rate:
            return vectors
        ones = ops.ones((self.vocabulary_size, 1), dtype=vectors.dtype)
        kept = keras.random.dropout(ones, self.rate, seed=self.seed_generator)  # (vocabulary, 1)
        return vectors * ops.take(kept, ids, axis=0)


class WeightDropout:
    """Drops recurrent weights of a cell, the same ones at every step (Wan et al. 2013, Merity et al. 2018).

    The layer itself is unchanged, so that cuDNN can run it: Keras' `recurrent_dropout` would rule that out.

    Args:
        rate: probability that a weight is dropped.
        seed: seed of the draws.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(seed)

    @contextmanager
    def applied(self, cell: keras.layers.Layer, training: bool) -> Iterator[None]:
        """Inside the block, `cell` computes with the dropped weights; gradients reach the weights that are kept."""
        # A minGRU and a minLSTM have no recurrent weights.
        if not training or not self.rate or not hasattr(cell, 'recurrent_kernel'):
            yield
            return
        # All weights of the cell, not the kernel alone: JAX trains inside such a scope, and this one shadows it.
        values = {variable.path: ops.convert_to_tensor(variable) for variable in cell.variables}
        kernel = cell.recurrent_kernel
        values[kernel.path] = keras.random.dropout(values[kernel.path], self.rate, seed=self.seed_generator)
        with keras.StatelessScope([(variable, values[variable.path]) for variable in cell.variables]):
            yield


@keras.saving.register_keras_serializable('vaiven')
class MaskedPooling(keras.layers.Layer):
    """Concatenates the last state, the maximum and the mean over the steps of each text (Howard & Ruder 2018)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Pools states (batch, time, units) over the first `lengths` (batch) steps → (batch, 3 · units)."""
        steps = ops.arange(ops.shape(states)[1], dtype='int32')[None, :]  # (1, time)
        lengths = ops.cast(lengths, 'int32')[:, None]  # (batch, 1)
        present = ops.cast(steps < lengths, states.dtype)[:, :, None]  # (batch, time, 1)
        last = ops.squeeze(take_steps(states, lengths - 1), axis=1)  # (batch, units)
        highest = ops.max(states * present - 1e4 * (1 - present), axis=1)
        mean = ops.sum(states * present, axis=1) / ops.cast(lengths, states.dtype)
        return ops.concatenate([last, highest, mean], axis=-1)
