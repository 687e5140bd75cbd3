"""The gate activations of an LSTM over a text: one value between 0 and 1 for each unit and step."""

from collections.abc import Mapping

import keras
import numpy as np

GATES = ('f', 'i', 'o')


def gate_activations(layer: keras.layers.Layer, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
    """Recomputes one text in NumPy with the weights of a layer, to get the gates, which Keras does not return.

    Args:
        layer: Keras' LSTM, or `keras.layers.RNN` of a `GatedCell` without full peepholes.
        inputs: float (time, features).

    Returns:
        `f`, `i` and `o` (forget, input and output gate), `c` and `h` (the new states), each (time, units).
    """
    cell = layer.cell
    order = getattr(cell, 'gates', ('i', 'f', 'c', 'o'))
    kernel, recurrent, bias = (np.asarray(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias))
    peepholes = np.asarray(cell.peepholes) if hasattr(cell, 'peepholes') else None
    # The rows of the peephole weights; the candidate c̃ has none.
    peephole_order = [gate for gate in order if gate != 'c']
    h, c = np.zeros(cell.units), np.zeros(cell.units)
    values: dict[str, list[np.ndarray]] = {name: [] for name in (*GATES, 'c', 'h')}

    def gate(name: str, c: np.ndarray) -> np.ndarray:
        peek = 0.0 if peepholes is None else peepholes[peephole_order.index(name)] * c
        return np.asarray(1 / (1 + np.exp(-(sums[name] + peek))))

    for x in inputs:
        sums = dict(
            zip(order, np.split(x @ kernel + h @ recurrent + bias, len(order)), strict=True)
        )  # (units)
        f = gate('f', c)
        i = gate('i', c) if 'i' in order else 1 - f
        c = f * c + i * np.tanh(sums['c'])
        o = gate('o', c)
        h = o * np.tanh(c)
        for name, value in zip((*GATES, 'c', 'h'), (f, i, o, c, h), strict=True):
            values[name].append(value)
    return {name: np.array(steps) for name, steps in values.items()}
