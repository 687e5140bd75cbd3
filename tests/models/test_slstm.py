"""The sLSTM against the equations of Beck et al. 2024, without their stabiliser."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.network.slstm import SLSTMCell

pytestmark = pytest.mark.slow


def logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def layer_of(scale: float = 1.0) -> keras.layers.RNN:
    layer = keras.layers.RNN(SLSTMCell(3), return_sequences=True, return_state=True)
    layer.build((None, None, 2))
    rng = np.random.default_rng(1)
    layer.set_weights([scale * rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


def test_a_step_is_that_of_the_paper():
    layer = layer_of()
    values = np.random.default_rng(2).normal(size=(1, 9, 2)).astype('float32')
    outputs, _, last_c, last_n, last_m = (np.array(tensor)[0] for tensor in layer(values))
    kernel, recurrent, bias = (np.array(weight, 'float64') for weight in layer.get_weights())
    h = c = n = np.zeros(3)
    for step, x in enumerate(values[0]):
        sums = np.split(x @ kernel + h @ recurrent + bias, 4)
        i, f, z, o = np.exp(sums[0]), logistic(sums[1]), np.tanh(sums[2]), logistic(sums[3])
        c, n = f * c + i * z, f * n + i
        h = o * c / n
        np.testing.assert_allclose(outputs[step], h, atol=1e-6)
    # The layer's states are those divided by exp(m).
    np.testing.assert_allclose(last_c * np.exp(last_m), c, rtol=1e-5)
    np.testing.assert_allclose(last_n * np.exp(last_m), n, rtol=1e-5)


@pytest.mark.parametrize('bias', [-1000.0, 1000.0])
def test_exponents_that_would_overflow_or_vanish_leave_values_and_gradients_finite(bias):
    layer = layer_of(scale=10.0)
    layer.cell.bias.assign([bias] * 3 + [0.0] * 9)
    values = tf.Variable(np.random.default_rng(3).normal(size=(2, 50, 2)).astype('float32'))
    with tf.GradientTape() as tape:
        outputs = layer(values)[0]
        loss = tf.reduce_sum(outputs)
    gradients = tape.gradient(loss, [values, *(weight.value for weight in layer.weights)])
    for found in (outputs, *gradients):
        assert np.isfinite(np.array(found)).all()
    assert np.abs(np.array(outputs)).max() > 0.1


def test_a_constant_added_to_every_input_gate_changes_no_output():
    layer = layer_of()
    values = np.random.default_rng(4).normal(size=(2, 9, 2)).astype('float32')
    before = np.array(layer(values)[0])
    layer.cell.bias.assign(np.array(layer.cell.bias) + np.repeat([50.0, 0, 0, 0], 3))
    np.testing.assert_allclose(np.array(layer(values)[0]), before, atol=1e-5)
