"""The LSTM over whole texts, with backpropagation through time written out (Werbos 1990).

Automatic differentiation of a loop adds to the gradient of the recurrent weights at every step, all units × 4 · units
numbers of it. Written out, a step only goes back through the gates, and the gradient of the weights is one product over
all steps. With 512 units and 16 texts per batch this halves the work of a training step.
"""

from collections.abc import Callable

import keras
from keras import ops

from vaiven.models.network.layers import Tensor


class LSTM(keras.layers.LSTM):
    """Keras' LSTM layer with the same weights, but with the loop of `lstm` on TensorFlow without a GPU.

    With a mask, with a GPU, or with `use_cudnn=False` it runs Keras' operations: an exported graph needs no gradients.
    """

    def inner_loop(
        self, sequences: Tensor, initial_state: list[Tensor], mask: Tensor | None, training: bool = False
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Overrides the loop of Keras' layer.

        Args:
            sequences: (batch, time, features).
            initial_state: h and c, each (batch, units).
            mask: bool (batch, time), or None.
            training: passed on to Keras.

        Returns:
            The last h, (batch, units); all h, (batch, time, units); and the last h and c.
        """
        if mask is not None or self.use_cudnn is False or not _is_written_out():
            result: tuple[Tensor, Tensor, list[Tensor]] = super().inner_loop(
                sequences, initial_state, mask, training
            )
            return result
        (h, c), cell = initial_state, self.cell
        outputs, last_c = lstm(sequences, h, c, cell.kernel, cell.recurrent_kernel, cell.bias)
        return outputs[:, -1], outputs, [outputs[:, -1], last_c]


def _is_written_out() -> bool:
    return keras.backend.backend() == 'tensorflow' and not keras.distribution.list_devices('gpu')


def lstm(
    inputs: Tensor, h: Tensor, c: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Computes c' = f · c + i · g and h' = o · tanh(c') step by step. The gates are in Keras' order: i, f, g, o.

    Args:
        inputs: (batch, time, features).
        h: hidden state before the first step, (batch, units).
        c: cell state before the first step, (batch, units).
        kernel: (features, 4 · units).
        recurrent_kernel: (units, 4 · units).
        bias: (4 · units).

    Returns:
        h after each step, (batch, time, units), and c after the last step, (batch, units).
    """
    batch, time, features = ops.shape(inputs)
    steps = ops.reshape(ops.transpose(inputs, (1, 0, 2)), (time * batch, features))
    # The contribution of the inputs depends on no state: one product for all steps, (time, batch, 4 · units).
    sums = ops.reshape(ops.matmul(steps, kernel) + bias, (time, batch, kernel.shape[-1]))
    # A custom gradient takes values, not variables, hence the copy.
    outputs, last_c = _recurrence(sums, ops.copy(recurrent_kernel), h, c)
    return ops.transpose(outputs, (1, 0, 2)), last_c


@ops.custom_gradient
def _recurrence(
    sums: Tensor, recurrent_kernel: Tensor, h: Tensor, c: Tensor
) -> tuple[tuple[Tensor, Tensor], Callable[..., tuple[Tensor, ...]]]:
    """Computes all h, (time, batch, units), and the last c, from the inputs' sums, (time, batch, 4 · units).

    `ops.scan` requires that a step's outputs have the shape of its carry, so the gates are part of the carry. It scans
    over the step numbers: reading a slice of `sums` in place is cheaper than unstacking all of it. The gradient is
    called as TensorFlow calls one, with one argument per result.
    """
    steps = ops.arange(ops.shape(sums)[0])
    zeros = ops.zeros_like(h)

    def forward_step(carry: tuple[Tensor, ...], t: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        *_, h, c = carry
        i, f, g, o = ops.split(sums[t] + ops.matmul(h, recurrent_kernel), 4, axis=-1)  # (batch, units) each
        i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
        c = f * c + i * g
        h = o * ops.tanh(c)
        return (i, f, g, o, h, c), (i, f, g, o, h, c)

    # Each result: (time, batch, units).
    _, (i, f, g, o, hs, cs) = ops.scan(forward_step, (zeros, zeros, zeros, zeros, h, c), steps)

    def gradient(d_hs: Tensor, d_last_c: Tensor) -> tuple[Tensor, ...]:
        """Returns ∂loss/∂ of the four arguments; `d_…` always is a derivative of the loss."""
        previous_hs = ops.concatenate([h[None], hs[:-1]])  # (time, batch, units)
        previous_cs = ops.concatenate([c[None], cs[:-1]])
        tanh_cs = ops.tanh(cs)
        transposed_kernel = ops.transpose(recurrent_kernel)
        # All factors are known before the backward loop, so they are computed for all steps at once.
        dh_by_dc = o * (1 - tanh_cs**2)
        dc_by_dsums = (g * i * (1 - i), previous_cs * f * (1 - f), i * (1 - g**2))  # of i, f, g
        dh_by_do = tanh_cs * o * (1 - o)
        factors = ops.concatenate([*dc_by_dsums, dh_by_do], axis=-1)  # (time, batch, 4 · units)

        def backward_step(
            carry: tuple[Tensor, ...], t: Tensor
        ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            _, dh, dc = carry
            dh = dh + d_hs[t]
            dc = dc + dh * dh_by_dc[t]
            d_sums = ops.concatenate([dc, dc, dc, dh], axis=-1) * factors[t]  # (batch, 4 · units)
            carry = (d_sums, ops.matmul(d_sums, transposed_kernel), dc * f[t])
            return carry, carry

        (_, dh, dc), (d_sums, *_) = ops.scan(
            backward_step, (ops.concatenate([zeros] * 4, axis=-1), zeros, d_last_c), steps, reverse=True
        )
        units, width = recurrent_kernel.shape
        flat_hs = ops.reshape(previous_hs, (-1, units))  # (time · batch, units)
        d_kernel = ops.matmul(ops.transpose(flat_hs), ops.reshape(d_sums, (-1, width)))
        return d_sums, d_kernel, dh, dc

    return (hs, cs[-1]), gradient
