"""The LSTM and its variants, one step at a time, in `keras.ops` alone."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from vaiven.models.network.layers import Tensor

Peephole = Literal['none', 'diagonal', 'full']


@keras.saving.register_keras_serializable('vaiven')
class GatedCell(keras.layers.Layer):
    """A step of an LSTM with optional peepholes and coupled gates, for `keras.layers.RNN`.

        f = σ(U_f x + W_f h + p_f∘c + b_f)
        i = σ(U_i x + W_i h + p_i∘c + b_i)        coupled: i = 1 − f
        c̃ = tanh(U_c x + W_c h + b_c)
        c' = f∘c + i∘c̃
        o = σ(U_o x + W_o h + p_o∘c' + b_o)
        h' = o∘tanh(c')

    Full peepholes are matrices, P_f c instead of p_f∘c: the gates see all of [c, h, x].

    Without peepholes and coupling it computes what `keras.layers.LSTMCell` does, and its weights have the same order:
    i, f, c, o (coupled: f, c, o). The rows of the peepholes are i, f, o (coupled: f, o).

    Args:
        units: size of h and of c.
        peephole: how the gates see the cell state: `diagonal` is one weight per unit, `full` a matrix per gate.
        coupled: whether the input gate is 1 minus the forget gate.
        kernel_initializer: initializer of U.
        recurrent_initializer: initializer of W.
    """

    def __init__(
        self,
        units: int,
        *,
        peephole: Peephole = 'none',
        coupled: bool = False,
        kernel_initializer: Any = 'glorot_uniform',
        recurrent_initializer: Any = 'orthogonal',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.peephole = peephole
        self.coupled = coupled
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(recurrent_initializer)
        # c is the candidate c̃: not a gate, but computed by the same product.
        self.gates = ('f', 'c', 'o') if coupled else ('i', 'f', 'c', 'o')
        # `keras.layers.RNN` reads both attributes.
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights; called by Keras."""
        width = len(self.gates) * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer=self.kernel_initializer, name='kernel'
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer=self.recurrent_initializer, name='recurrent_kernel'
        )
        self.bias = self.add_weight(shape=(width,), initializer=self._initial_bias, name='bias')
        if self.peephole != 'none':
            # Diagonal: each unit sees only its own cell state (Gers & Schmidhuber 2000).
            shape = (self.units,) if self.peephole == 'diagonal' else (self.units, self.units)
            self.peepholes = self.add_weight(
                shape=(len(self.gates) - 1, *shape), initializer='zeros', name='peepholes'
            )

    def _initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        # A forget gate that starts open lets gradients through from the first step (Jozefowicz et al. 2015).
        biases = [(ops.ones if gate == 'f' else ops.zeros)((self.units,), dtype=dtype) for gate in self.gates]
        return ops.concatenate(biases)

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Computes one step.

        Args:
            inputs: (batch, features).
            states: h and c, each (batch, units).
            training: without effect; Keras passes it.

        Returns:
            The output h', (batch, units), and the new states h' and c'.
        """
        h, c = states
        gate = dict(zip(self.gates, ops.split(self.sums(inputs, h), len(self.gates), axis=-1), strict=True))
        f = ops.sigmoid(gate['f'] + self._peek('f', c))
        i = 1 - f if self.coupled else ops.sigmoid(gate['i'] + self._peek('i', c))
        c = f * c + i * ops.tanh(gate['c'])
        h = ops.sigmoid(gate['o'] + self._peek('o', c)) * ops.tanh(c)
        return h, [h, c]

    def sums(self, inputs: Tensor, h: Tensor) -> Tensor:
        """Computes U x + W h + b in one product for all gates: (batch, gates · units)."""
        return ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel) + self.bias

    def _peek(self, gate: str, c: Tensor) -> Tensor | float:
        if self.peephole == 'none':
            return 0.0
        weights = self.peepholes[[name for name in self.gates if name != 'c'].index(gate)]
        return weights * c if self.peephole == 'diagonal' else ops.matmul(c, weights)

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """The states before the first step: zeros, each (batch_size, units)."""
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, for Keras' serialisation."""
        return {
            **super().get_config(),
            'units': self.units,
            'peephole': self.peephole,
            'coupled': self.coupled,
            'kernel_initializer': keras.initializers.serialize(self.kernel_initializer),
            'recurrent_initializer': keras.initializers.serialize(self.recurrent_initializer),
        }
