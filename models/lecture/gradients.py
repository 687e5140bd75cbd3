"""The influence of a state on a later one: norms of ∂h_T/∂h_t and ∂h_T/∂c_t, by automatic differentiation."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class GradientNorms:
    """Norms of the derivatives of h_T by the distance T − t = 0, 1, … T − 1.

    Attributes:
        hidden: with respect to h_t, (excerpts, T). If the cell has a cell state, c_t is held constant.
        cell_state: with respect to c_t, and to h_t through it, (excerpts, T); None for cells without c.
    """

    hidden: np.ndarray
    cell_state: np.ndarray | None


def gradient_norms(layer: keras.layers.Layer, inputs: np.ndarray) -> GradientNorms:
    """Computes the norms of the derivatives of h_T for each excerpt.

    The norm is the Frobenius norm divided by √units: the root mean square of the singular values, 1 for the identity.

    Args:
        layer: a recurrent layer, as `vaiven.models.network.cells.recurrent_layer` creates it.
        inputs: float (excerpts, T, features).
    """
    cell, units = layer.cell, layer.cell.units
    excerpts, steps, _ = inputs.shape
    # Each excerpt is repeated once per unit of h_T, so that one backward pass computes the whole Jacobian.
    rows = np.repeat(inputs, units, axis=0)  # (excerpts · units, T, features)
    chosen = np.tile(np.eye(units, dtype='float32'), (excerpts, 1))  # (excerpts · units, units)
    states = cell.get_initial_state(batch_size=len(rows))
    states = list(states) if isinstance(states, (list, tuple)) else [states]
    history: list[list[tf.Tensor]] = []
    with tf.GradientTape() as tape:
        for step in range(steps):
            _, states = cell(tf.constant(rows[:, step]), states)
            states = list(states)
            tape.watch(states)
            history.append(states)
        target = tf.reduce_sum(states[0] * chosen)
    flat = [state for states in reversed(history) for state in states]
    gradients = tape.gradient(target, flat, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    squared = np.array([tf.reduce_sum(gradient**2, axis=-1) for gradient in gradients], 'float64')
    squared = squared.reshape(steps, len(states), excerpts, units).mean(axis=-1)  # (T, states, excerpts)
    norms = np.sqrt(squared).transpose(1, 2, 0)
    return GradientNorms(norms[0], norms[1] if len(norms) > 1 else None)


def scaled_rnn_norms(
    factors: tuple[float, ...], units: int, inputs: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Computes the norms with respect to h_t for simple RNNs whose recurrent matrix is scaled.

    Args:
        factors: each multiplies a random orthogonal matrix.
        units: size of the hidden state.
        inputs: float (excerpts, T, features).
        seed: seed of the weights.

    Returns:
        For each factor an array (excerpts, T).
    """
    from vaiven.models.network.cells import recurrent_layer

    norms = []
    for factor in factors:
        layer = recurrent_layer('simple_rnn', units, use_cudnn=False, seed=seed, name='scaled')
        layer(inputs)
        layer.cell.recurrent_kernel.assign(layer.cell.recurrent_kernel * factor)
        norms.append(gradient_norms(layer, inputs).hidden)
    return norms
