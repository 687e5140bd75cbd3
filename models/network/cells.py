"""The recurrent cells by name: those of the textbooks and those of today.

x is the input of a step, h the hidden state and c the cell state before the step; σ is the logistic function, ∘ the
elementwise product. Where Keras has the same cell, its layer is used, since it runs on cuDNN:

    simple_rnn          h' = tanh(U x + W h + b)                                       Elman 1990
    gru                 the reset gate after the recurrent product (cuDNN's form)      Cho et al. 2014
    gru_reset_before    the reset gate before the recurrent product (as published)     Cho et al. 2014
    lstm                trained without a GPU as in `vaiven.models.network.recurrence` Hochreiter & Schmidhuber 1997

Variants of the LSTM (`vaiven.models.network.gated_cell`):

    peephole_lstm       f and i see c, o sees c'; one peephole weight per unit         Gers & Schmidhuber 2000
    coupled_lstm        c' = f∘c + (1 − f)∘c̃: one gate fewer                           Greff et al. 2017
    peephole_coupled_lstm   both
    full_peephole_lstm  gates of [c, h, x]: matrices instead of one weight per unit
    mogrifier_lstm      x and h gate each other before the step                        Melis et al. 2020
    slstm               exponential input gate, normalised cell state                  Beck et al. 2024

Gates that see x alone, so that all steps are computed in parallel (`vaiven.models.network.minimal`):

    min_gru             h' = (1 − z)∘h + z∘h̃                                           Feng et al. 2024
    min_lstm            h' = f∘h + i∘h̃ with f + i = 1                                  Feng et al. 2024
"""

from collections.abc import Iterator
from typing import Any

import keras

from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.gated_cell import GatedCell, Peephole
from vaiven.models.network.minimal import MinimalCell, MinimalRNN
from vaiven.models.network.mogrifier import MogrifierCell
from vaiven.models.network.recurrence import LSTM
from vaiven.models.network.slstm import SLSTMCell


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
    if cell in ('min_gru', 'min_lstm'):
        minimal = MinimalCell(
            units, forget_gate=cell == 'min_lstm', kernel_initializer=options['kernel_initializer']
        )
        return MinimalRNN(minimal, **outputs)
    return keras.layers.RNN(_gated_cell(cell, units, options), **outputs)


def _gated_cell(cell: str, units: int, options: dict[str, Any]) -> GatedCell:
    match cell:
        case 'mogrifier_lstm':
            return MogrifierCell(units, **options)
        case 'slstm':
            return SLSTMCell(units, **options)
        case 'full_peephole_lstm':
            return GatedCell(units, peephole='full', **options)
    peephole: Peephole = 'diagonal' if 'peephole' in cell else 'none'
    return GatedCell(units, peephole=peephole, coupled='coupled' in cell, **options)


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
