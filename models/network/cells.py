"""The recurrent cells of the textbooks, one step at a time, in `keras.ops` alone.

x is the input of a step, h the hidden state and c the cell state before the step; σ is the logistic function, ∘ the
elementwise product. Where Keras has the same cell, its layer is used, since it runs on cuDNN:

    simple_rnn          h' = tanh(U x + W h + b)                                       Elman 1990
    gru                 the reset gate after the recurrent product (cuDNN's form)      Cho et al. 2014
    gru_reset_before    the reset gate before the recurrent product (as published)     Cho et al. 2014
    lstm                trained without a GPU as in `vaiven.models.network.recurrence` Hochreiter & Schmidhuber 1997

The others are variants of `GatedCell`:

    peephole_lstm       f and i see c, o sees c'; one peephole weight per unit         Gers & Schmidhuber 2000
    coupled_lstm        c' = f∘c + (1 − f)∘c̃: one gate fewer                           Greff et al. 2017
    peephole_coupled_lstm   both
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.layers import Tensor
from vaiven.models.network.recurrence import LSTM


@keras.saving.register_keras_serializable('vaiven')
class GatedCell(keras.layers.Layer):
    """A step of an LSTM with optional peepholes and coupled gates, for `keras.layers.RNN`.

        f = σ(U_f x + W_f h + p_f∘c + b_f)
        i = σ(U_i x + W_i h + p_i∘c + b_i)        coupled: i = 1 − f
        c̃ = tanh(U_c x + W_c h + b_c)
        c' = f∘c + i∘c̃
        o = σ(U_o x + W_o h + p_o∘c' + b_o)
        h' = o∘tanh(c')

    Without peepholes and coupling it computes what `keras.layers.LSTMCell` does, and its weights have the same order:
    i, f, c, o (coupled: f, c, o). The rows of the peepholes are i, f, o (coupled: f, o).

    Args:
        units: size of h and of c.
        peephole: whether the gates see the cell state.
        coupled: whether the input gate is 1 minus the forget gate.
        kernel_initializer: initializer of U.
        recurrent_initializer: initializer of W.
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
        if self.peephole:
            self.peepholes = self.add_weight(
                shape=(len(self.gates) - 1, self.units), initializer='zeros', name='peepholes'
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
        # (batch, gates · units): one product for all gates
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
        # Diagonal: each unit sees only its own cell state (Gers & Schmidhuber 2000).
        return self.peepholes[[name for name in self.gates if name != 'c'].index(gate)] * c

    def get_initial_state(self, batch_size: int | None = None) -> list[Tensor]:
        """The states h and c before the first step: zeros, each (batch_size, units)."""
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype) for _ in range(2)]

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


def recurrent_layer(
    cell: str, units: int, *, use_cudnn: bool | str, seed: int, name: str, return_state: bool = False
) -> keras.layers.Layer:
    """Creates a recurrent layer: (batch, time, features) → (batch, time, units).

    Args:
        cell: one of `vaiven.models.network.config.CELLS`.
        units: size of the hidden state.
        use_cudnn: `'auto'`, or `False` for a layer that runs on every machine, with the same weights.
        seed: seed of the initial weights.
        name: name of the layer.
        return_state: whether the layer also returns the states after the last step, each (batch, units).
    """
    options: dict[str, Any] = {
        'kernel_initializer': keras.initializers.GlorotUniform(seed=seed),
        'recurrent_initializer': keras.initializers.Orthogonal(seed=seed),
    }
    outputs: dict[str, Any] = {'return_sequences': True, 'return_state': return_state, 'name': name}
    if cell == 'simple_rnn':
        return keras.layers.SimpleRNN(units, **options, **outputs)
    if cell == 'lstm':
        return LSTM(units, use_cudnn=use_cudnn, **options, **outputs)
    if cell in ('gru', 'gru_reset_before'):
        # cuDNN has only the form that resets after the product.
        reset_after = cell == 'gru'
        return keras.layers.GRU(
            units,
            reset_after=reset_after,
            use_cudnn=use_cudnn if reset_after else False,
            **options,
            **outputs,
        )
    # The other cells are not in cuDNN, so `use_cudnn` has no effect on them.
    gated = GatedCell(units, peephole='peephole' in cell, coupled='coupled' in cell, **options)
    return keras.layers.RNN(gated, **outputs)


def recurrent_stack(
    config: NetworkConfig, direction: str, input_size: int, *, use_cudnn: bool | str, seeds: Iterator[int]
) -> list[keras.layers.Layer]:
    """Creates and builds the recurrent layers of one direction; each also returns its states.

    Args:
        config: cell, units and number of layers.
        direction: `forward` or `backward`, the prefix of the layers' names.
        input_size: features of the inputs.
        use_cudnn: as for `recurrent_layer`.
        seeds: one seed is taken for each layer.
    """
    layers = [
        recurrent_layer(
            config.cell,
            config.units,
            use_cudnn=use_cudnn,
            seed=next(seeds),
            name=f'{direction}_{number}',
            return_state=True,
        )
        for number in range(config.layers)
    ]
    for number, layer in enumerate(layers):
        layer.build((None, None, config.units if number else input_size))
    return layers
