"""minGRU and minLSTM: their gates see the input alone, so all steps of a text are computed in parallel.

Feng et al. 2024, "Were RNNs All We Needed?". A step is h' = a∘h + b with a and b of the input; such steps compose to
steps of the same form, so that a scan over all of them takes log₂(time) rounds instead of `time` steps (Blelloch 1990).
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor

# Halvings of the number of steps before the scan over the rest.
_HALVINGS = 3


@keras.saving.register_keras_serializable('vaiven')
class MinimalCell(keras.layers.Layer):
    """A step of a minGRU, or of a minLSTM.

        minGRU                          minLSTM
        z = σ(U_z x + b_z)              f = σ(U_f x + b_f), i = σ(U_i x + b_i)
        h̃ = g(U_h x + b_h)              h̃ = g(U_h x + b_h)
        h' = (1 − z)∘h + z∘h̃            h' = (f∘h + i∘h̃) / (f + i)

    g(v) is v + 0.5 for v ≥ 0, else σ(v): the states stay positive.

    Args:
        units: size of h.
        forget_gate: whether the cell is a minLSTM.
        kernel_initializer: initializer of U.
    """

    def __init__(
        self,
        units: int,
        *,
        forget_gate: bool = False,
        kernel_initializer: Any = 'glorot_uniform',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.forget_gate = forget_gate
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.gates = ('f', 'i', 'h') if forget_gate else ('z', 'h')
        # `keras.layers.RNN` reads both attributes.
        self.state_size = [units]
        self.output_size = units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; called by Keras."""
        width = len(self.gates) * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer=self.kernel_initializer, name='kernel'
        )
        self.bias = self.add_weight(shape=(width,), initializer='zeros', name='bias')

    def coefficients(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Computes a and b of the step h' = a∘h + b: (…, features) → (…, units) each."""
        sums = ops.matmul(inputs, self.kernel) + self.bias
        *gates, candidate = ops.split(sums, len(self.gates), axis=-1)
        update = gates[-1]
        if self.forget_gate:
            # i / (f + i) = σ(log i − log f), which never divides by zero.
            update = ops.log_sigmoid(gates[1]) - ops.log_sigmoid(gates[0])
        candidate = ops.where(candidate >= 0, candidate + 0.5, ops.sigmoid(candidate))
        return ops.sigmoid(-update), ops.sigmoid(update) * candidate

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Computes one step.

        Args:
            inputs: (batch, features).
            states: h, (batch, units).
            training: without effect; Keras passes it.

        Returns:
            The output h', (batch, units), and the new state h'.
        """
        a, b = self.coefficients(inputs)
        h = a * states[0] + b
        return h, [h]

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """The state h before the first step: zeros, (batch_size, units)."""
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, for Keras' serialisation."""
        return {
            **super().get_config(),
            'units': self.units,
            'forget_gate': self.forget_gate,
            'kernel_initializer': keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable('vaiven')
class MinimalRNN(keras.layers.RNN):
    """A layer of a `MinimalCell` that computes all steps in parallel."""

    def inner_loop(
        self, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None, training: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Overrides the loop of Keras' layer, except with a mask.

        Args:
            sequences: (batch, time, features).
            initial_state: h, (batch, units).
            mask: bool (batch, time), or None.
            training: passed on to Keras.

        Returns:
            The last h, (batch, units); all h, (batch, time, units); and the last h as a list.
        """
        if mask is not None:
            result: tuple[Tensor, Tensor, list[Tensor]] = super().inner_loop(
                sequences, initial_state, mask, training
            )
            return result
        a, b = compose(*self.cell.coefficients(sequences))
        outputs = a * ops.expand_dims(initial_state[0], 1) + b
        return outputs[:, -1], outputs, [outputs[:, -1]]


def compose(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Composes the steps h' = a∘h + b up to each step into one.

    All numbers are sums of products of factors between 0 and 1, so nothing overflows; logarithms, which Feng et al.
    need to divide cumulative products, are not needed.

    Args:
        a: factors, (batch, time, units).
        b: summands, the same shape.

    Returns:
        Both for the composed steps: h after step t is a[:, t]∘h + b[:, t] with the h before the first step.
    """
    time = ops.shape(a)[1]
    padding = -time % 2**_HALVINGS
    a, b = _compose_pairs(_pad(a, padding), _pad(b, padding), _HALVINGS)
    return a[:, :time], b[:, :time]


def _compose_pairs(a: Tensor, b: Tensor, halvings: int) -> tuple[Tensor, Tensor]:
    """Composes pairs of steps, then all pairs before each one: in all about two compositions per step."""
    if not halvings:
        return _compose_doubling(a, b)
    batch, time, units = ops.shape(a)
    first_a, second_a = ops.split(ops.reshape(a, (batch, time // 2, 2 * units)), 2, axis=-1)
    first_b, second_b = ops.split(ops.reshape(b, (batch, time // 2, 2 * units)), 2, axis=-1)
    # Up to the end of each pair, (batch, time / 2, units).
    pairs_a, pairs_b = _compose_pairs(first_a * second_a, second_a * first_b + second_b, halvings - 1)
    earlier_a, earlier_b = _earlier(pairs_a, 1, 1), _earlier(pairs_b, 0, 1)
    return (
        ops.reshape(ops.concatenate([first_a * earlier_a, pairs_a], axis=-1), (batch, time, units)),
        ops.reshape(ops.concatenate([first_a * earlier_b + first_b, pairs_b], axis=-1), (batch, time, units)),
    )


def _compose_doubling(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    time = ops.shape(a)[1]

    def double(distance: Any, a: Tensor, b: Tensor) -> tuple[Any, Tensor, Tensor]:
        # Each step contains `distance` steps; the step so much earlier contains those before them.
        return 2 * distance, a * _earlier(a, 1, distance), a * _earlier(b, 0, distance) + b

    if isinstance(time, int):
        distance = 1
        while distance < time:
            distance, a, b = double(distance, a, b)
        return a, b
    # In a graph of TensorFlow the number of steps may be unknown.
    _, a, b = ops.while_loop(lambda distance, a, b: distance < time, double, (1, a, b))
    return a, b


def _earlier(values: Tensor, initial: int, distance: Any) -> Tensor:
    """The values `distance` steps before each step, `initial` before the first one: (batch, time, units)."""
    batch, time, units = ops.shape(values)
    filling = ops.full((batch, distance, units), initial, dtype=values.dtype)
    return ops.concatenate([filling, values[:, : time - distance]], axis=1)


def _pad(values: Tensor, steps: Any) -> Tensor:
    batch, _, units = ops.shape(values)
    return ops.concatenate([values, ops.zeros((batch, steps, units), dtype=values.dtype)], axis=1)
