"""The LSTM over whole texts, with backpropagation through time written out (Werbos 1990).

What automatic differentiation makes of a loop adds to the gradient of the recurrent weights at every step, all
units × 4 · units numbers of it. Written out, a step only goes back through the gates; the gradient of the weights is
then one product over all steps. With 512 units and 16 texts side by side that halves the work of a training step.
"""

from collections.abc import Callable

import keras
from keras import ops

from vaiven.models.network.layers import Tensor


class LSTM(keras.layers.LSTM):
    """Keras' own layer, weights and all. On TensorFlow without a GPU, texts without a mask are read as below.

    With `use_cudnn=False` it is Keras' own to the last operation: a graph that is only served needs no gradients.
    """

    def inner_loop(
        self, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None, training: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        if mask is not None or self.use_cudnn is False or not _written_out():
            result: tuple[Tensor, Tensor, list[Tensor]] = super().inner_loop(
                sequences, initial_state, mask, training
            )
            return result
        (h, c), cell = initial_state, self.cell
        states, memory = lstm(sequences, h, c, cell.kernel, cell.recurrent_kernel, cell.bias)
        return states[:, -1], states, [states[:, -1], memory]


def _written_out() -> bool:
    return keras.backend.backend() == 'tensorflow' and not keras.distribution.list_devices('gpu')


def lstm(
    inputs: Tensor, h: Tensor, c: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """h' = o · tanh(c') and c' = f · c + i · g, step by step; the gates stand in Keras' order, i, f, g, o.

    Args:
        inputs: (batch, time, features).
        h, c: before the first step, (batch, units).
        kernel, recurrent_kernel, bias: (features, 4 · units), (units, 4 · units), (4 · units).

    Returns:
        h after each step, (batch, time, units), and c after the last one, (batch, units).
    """
    batch, time, features = ops.shape(inputs)
    steps = ops.reshape(ops.transpose(inputs, (1, 0, 2)), (time * batch, features))
    # What the inputs bring depends on no state: one product for all steps.
    sums = ops.reshape(ops.matmul(steps, kernel) + bias, (time, batch, kernel.shape[-1]))
    # Copied, as a gradient that is written out takes values, not variables.
    states, memory = _recurrence(sums, ops.copy(recurrent_kernel), h, c)
    return ops.transpose(states, (1, 0, 2)), memory


@ops.custom_gradient
def _recurrence(
    sums: Tensor, recurrent_kernel: Tensor, h: Tensor, c: Tensor
) -> tuple[tuple[Tensor, Tensor], Callable[..., tuple[Tensor, ...]]]:
    """All h, (time, batch, units), and the last c, from what the inputs bring, (time, batch, 4 · units).

    `ops.scan` wants all that a step gives away in the shape of all that it hands on, so the gates are handed on, too.
    It goes over the numbers of the steps: to read a step's part where it lies is cheaper than to deal them all out.
    The gradient is called as TensorFlow calls one, with an argument for each result.
    """
    steps = ops.arange(ops.shape(sums)[0])
    none = ops.zeros_like(h)

    def forth(before: tuple[Tensor, ...], t: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        *_, h, c = before
        i, f, g, o = ops.split(sums[t] + ops.matmul(h, recurrent_kernel), 4, axis=-1)
        i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
        c = f * c + i * g
        h = o * ops.tanh(c)
        return (i, f, g, o, h, c), (i, f, g, o, h, c)

    _, (i, f, g, o, states, memories) = ops.scan(forth, (none, none, none, none, h, c), steps)

    def gradient(d_states: Tensor, d_memory: Tensor) -> tuple[Tensor, ...]:
        """Of the loss by the four arguments, from that by the results: `d…` is always ∂loss/∂…"""
        h_before = ops.concatenate([h[None], states[:-1]])
        c_before = ops.concatenate([c[None], memories[:-1]])
        squashed = ops.tanh(memories)
        kernel_back = ops.transpose(recurrent_kernel)
        # All that a step multiplies by is known before the way back begins.
        h_by_c = o * (1 - squashed**2)
        c_by_sums = (g * i * (1 - i), c_before * f * (1 - f), i * (1 - g**2))
        h_by_o = squashed * o * (1 - o)
        factors = ops.concatenate([*c_by_sums, h_by_o], axis=-1)

        def back(after: tuple[Tensor, ...], t: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            _, dh, dc = after
            dh = dh + d_states[t]
            dc = dc + dh * h_by_c[t]
            d_sums = ops.concatenate([dc, dc, dc, dh], axis=-1) * factors[t]
            handed = (d_sums, ops.matmul(d_sums, kernel_back), dc * f[t])
            return handed, handed

        (_, dh, dc), (d_sums, *_) = ops.scan(
            back, (ops.concatenate([none] * 4, axis=-1), none, d_memory), steps, reverse=True
        )
        units, width = recurrent_kernel.shape
        rows = ops.reshape(h_before, (-1, units))
        d_kernel = ops.matmul(ops.transpose(rows), ops.reshape(d_sums, (-1, width)))
        return d_sums, d_kernel, dh, dc

    return (states, memories[-1]), gradient
