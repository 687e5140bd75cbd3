"""The recurrent cells of the textbooks, one step at a time, in `keras.ops` alone.

x is the input at a step, h the hidden state and c the cell state before it; σ the logistic function, ∘ the
elementwise product. Where Keras has the very same cell, Keras' own layer serves (it reaches cuDNN on a GPU):

    simple_rnn          h' = tanh(U x + W h + b)                                       Elman 1990
    gru                 the reset gate after the recurrent product (cuDNN's form)      Cho et al. 2014
    gru_reset_before    … and before it (the lectures' form)
    lstm                (how it learns without a GPU: `recurrence`)                    Hochreiter & Schmidhuber 1997

and the others are `GatedCell`:

    peephole_lstm       f and i see c as well, o sees c'; one weight a unit            Gers & Schmidhuber 2000
    coupled_lstm        c' = f∘c + (1 − f)∘c̃: one gate fewer                           Greff et al. 2017
    peephole_coupled_lstm   both
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.layers import Tensor
from vaiven.models.network.recurrence import LSTM


@keras.saving.register_keras_serializable('vaiven')
class GatedCell(keras.layers.Layer):
    """An LSTM's step, with peepholes and coupled gates as asked; for `keras.layers.RNN`.

        f = σ(U_f x + W_f h + p_f∘c + b_f)
        i = σ(U_i x + W_i h + p_i∘c + b_i)        coupled: i = 1 − f
        c̃ = tanh(U_c x + W_c h + b_c)
        c' = f∘c + i∘c̃
        o = σ(U_o x + W_o h + p_o∘c' + b_o)
        h' = o∘tanh(c')

    Without peepholes and coupling it is `keras.layers.LSTMCell`, and its weights have the same order: i, f, c, o
    (coupled: f, c, o); the peepholes' rows are i, f, o (coupled: f, o).

    Args:
        units: size of h and of c.
        peephole: whether the gates see the cell state.
        coupled: whether the input gate is what the forget gate leaves.
        kernel_initializer, recurrent_initializer: of U and of W; the forget gate's bias begins at 1.
    """

    def __init__(
        self,
        units: int,
        *,
        peephole: bool = False,
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
        self.gates = ('f', 'c', 'o') if coupled else ('i', 'f', 'c', 'o')
        self.state_size = [units, units]
        self.output_size = units

    def build(self, input_shape: Sequence[int | None]) -> None:
        width = len(self.gates) * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer=self.kernel_initializer, name='kernel'
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer=self.recurrent_initializer, name='recurrent_kernel'
        )
        self.bias = self.add_weight(shape=(width,), initializer=self._initial_bias, name='bias')
        if self.peephole:
            self.peepholes = self.add_weight(
                shape=(len(self.gates) - 1, self.units), initializer='zeros', name='peepholes'
            )

    def _initial_bias(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        # A gate that begins open lets gradients through from the first step (Jozefowicz et al. 2015).
        parts = [(ops.ones if gate == 'f' else ops.zeros)((self.units,), dtype=dtype) for gate in self.gates]
        return ops.concatenate(parts)

    def call(
        self, inputs: Tensor, states: Sequence[Tensor], training: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """One step: inputs (batch, features) and states [h, c], each (batch, units), to h' and [h', c']."""
        h, c = states
        sums = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel) + self.bias
        gate = dict(zip(self.gates, ops.split(sums, len(self.gates), axis=-1), strict=True))
        f = ops.sigmoid(gate['f'] + self._peek('f', c))
        i = 1 - f if self.coupled else ops.sigmoid(gate['i'] + self._peek('i', c))
        c = f * c + i * ops.tanh(gate['c'])
        h = ops.sigmoid(gate['o'] + self._peek('o', c)) * ops.tanh(c)
        return h, [h, c]

    def _peek(self, gate: str, c: Tensor) -> Tensor | float:
        if not self.peephole:
            return 0.0
        return self.peepholes[[name for name in self.gates if name != 'c'].index(gate)] * c

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype) for _ in range(2)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            'units': self.units,
            'peephole': self.peephole,
            'coupled': self.coupled,
            'kernel_initializer': keras.initializers.serialize(self.kernel_initializer),
            'recurrent_initializer': keras.initializers.serialize(self.recurrent_initializer),
        }


def recurrent_layer(
    cell: str, units: int, *, use_cudnn: bool | str, seed: int, name: str, return_state: bool = False
) -> keras.layers.Layer:
    """A layer of that cell over a text: (batch, time, features) → (batch, time, units).

    Args:
        cell: one of `vaiven.models.network.config.CELLS`.
        units: size of the hidden state.
        use_cudnn: `'auto'`, or `False` for a layer that runs everywhere, with the same weights.
        seed: of the initial weights.
        name: of the layer.
        return_state: whether it gives the states after the last step, too, each (batch, units).
    """
    options: dict[str, Any] = {
        'kernel_initializer': keras.initializers.GlorotUniform(seed=seed),
        'recurrent_initializer': keras.initializers.Orthogonal(seed=seed),
    }
    whole: dict[str, Any] = {'return_sequences': True, 'return_state': return_state, 'name': name}
    if cell == 'simple_rnn':
        return keras.layers.SimpleRNN(units, **options, **whole)
    if cell == 'lstm':
        return LSTM(units, use_cudnn=use_cudnn, **options, **whole)
    if cell in ('gru', 'gru_reset_before'):
        # cuDNN has the first form only.
        after = cell == 'gru'
        return keras.layers.GRU(
            units, reset_after=after, use_cudnn=use_cudnn if after else False, **options, **whole
        )
    gated = GatedCell(units, peephole='peephole' in cell, coupled='coupled' in cell, **options)
    return keras.layers.RNN(gated, **whole)
