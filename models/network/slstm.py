"""The sLSTM of the xLSTM: exponential gating, with a normaliser and a stabiliser (Beck et al. 2024)."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.gated_cell import GatedCell
from vaiven.models.network.layers import Tensor


@keras.saving.register_keras_serializable('vaiven')
class SLSTMCell(GatedCell):
    """A step of an sLSTM with one head.

        i = exp(ĩ), f = σ(f̃), o = σ(õ)          ĩ, f̃, õ, c̃ as in the LSTM
        c' = f∘c + i∘c̃
        n' = f∘n + i                            the sum of the weights of all c̃ in c'
        h' = o∘c' / n'                          so c' / n' is a mean of them

    The paper allows f = exp(f̃), too; its authors' code uses σ. Since exp(ĩ) overflows, c and n are stored divided by
    exp(m), with m' = max(log f + m, ĩ). This changes no output.

    Args:
        units: size of each state.
        kwargs: the other arguments of `GatedCell`.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.state_size = [units] * 4

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Computes one step.

        Args:
            inputs: (batch, features).
            states: h, c, n and m, each (batch, units).
            training: without effect; Keras passes it.

        Returns:
            The output h', (batch, units), and the new states h', c', n' and m'.
        """
        h, c, n, m = states
        i, f, candidate, o = ops.split(self.sums(inputs, h), 4, axis=-1)  # (batch, units) each
        # Before the first step nothing is stored (n = 0), and m must not exceed ĩ: n' would underflow to zero.
        log_f = ops.where(n > 0, ops.log_sigmoid(f) + m, i)
        # No output depends on m, so no gradient needs to pass it.
        m = ops.stop_gradient(ops.maximum(log_f, i))
        f, i = ops.exp(log_f - m), ops.exp(i - m)
        c = f * c + i * ops.tanh(candidate)
        n = f * n + i  # at least 1, since f or i is 1
        h = ops.sigmoid(o) * c / n
        return h, [h, c, n, m]
