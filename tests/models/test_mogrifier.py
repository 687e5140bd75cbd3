"""The Mogrifier LSTM against the equations of Melis et al. 2020."""

import keras
import numpy as np
import pytest

from vaiven.models.network.mogrifier import MogrifierCell

pytestmark = pytest.mark.slow


def logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def layer_of(rounds: int) -> keras.layers.RNN:
    layer = keras.layers.RNN(MogrifierCell(3, rounds=rounds), return_sequences=True)
    layer.build((None, None, 2))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.mark.parametrize('rounds', [1, 2, 5, 6])
def test_a_step_is_that_of_the_paper(rounds):
    layer = layer_of(rounds)
    values = np.random.default_rng(2).normal(size=(1, 7, 2)).astype('float32')
    outputs = np.array(layer(values))[0]
    kernel, recurrent, bias, q, r = (np.array(weight, 'float64') for weight in layer.get_weights())
    assert (len(q), len(r)) == ((rounds + 1) // 2, rounds // 2)
    h = c = np.zeros(3)
    for step, x in enumerate(values[0]):
        # The paper's x⁻¹, h⁰, x¹, h², x³, …
        xs, hs = {-1: x}, {0: h}
        for i in range(1, rounds + 1):
            if i % 2:
                xs[i] = 2 * logistic(hs[i - 1] @ q[i // 2]) * xs[i - 2]
            else:
                hs[i] = 2 * logistic(xs[i - 1] @ r[i // 2 - 1]) * hs[i - 2]
        i_gate, f, z, o = np.split(xs[max(xs)] @ kernel + hs[max(hs)] @ recurrent + bias, 4)
        c = logistic(f) * c + logistic(i_gate) * np.tanh(z)
        h = logistic(o) * np.tanh(c)
        np.testing.assert_allclose(outputs[step], h, atol=1e-6)


def test_without_rounds_it_is_the_lstm_of_keras():
    layer = layer_of(0)
    keras_own = keras.layers.LSTM(3, return_sequences=True)
    values = np.random.default_rng(3).normal(size=(2, 6, 2)).astype('float32')
    keras_own(values)
    keras_own.set_weights(layer.get_weights()[:3])
    np.testing.assert_allclose(np.array(layer(values)), np.array(keras_own(values)), atol=1e-6)
