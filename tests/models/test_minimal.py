"""minGRU and minLSTM against the equations of Feng et al. 2024, and all steps at once against one at a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.network.cells import recurrent_layer
from vaiven.models.network.minimal import MinimalCell, MinimalRNN, compose

pytestmark = pytest.mark.slow


def logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def g(values: np.ndarray) -> np.ndarray:
    return np.where(values >= 0, values + 0.5, logistic(values))


def layer_of(forget_gate: bool, features: int = 2, units: int = 3) -> MinimalRNN:
    layer = MinimalRNN(MinimalCell(units, forget_gate=forget_gate), return_sequences=True, return_state=True)
    layer.build((None, None, features))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.mark.parametrize('forget_gate', [False, True])
def test_a_step_is_that_of_the_paper(forget_gate):
    layer = layer_of(forget_gate)
    values = np.random.default_rng(2).normal(size=(1, 7, 2)).astype('float32')
    outputs = np.array(layer(values)[0])[0]
    kernel, bias = (np.array(weight, 'float64') for weight in layer.get_weights())
    h = np.zeros(3)
    for step, x in enumerate(values[0]):
        parts = np.split(x @ kernel + bias, 3 if forget_gate else 2)
        if forget_gate:
            f, i = logistic(parts[0]), logistic(parts[1])
            h = f / (f + i) * h + i / (f + i) * g(parts[2])
        else:
            z = logistic(parts[0])
            h = (1 - z) * h + z * g(parts[1])
        np.testing.assert_allclose(outputs[step], h, atol=1e-6)


@pytest.mark.parametrize('forget_gate', [False, True])
@pytest.mark.parametrize('time', [1, 2, 7, 8, 9, 64, 1000])
def test_all_steps_at_once_are_the_steps_one_at_a_time(forget_gate, time):
    layer = layer_of(forget_gate, features=4, units=6)
    rng = np.random.default_rng(time)
    values = (3 * rng.normal(size=(2, time, 4))).astype('float32')
    h = np.abs(rng.normal(size=(2, 6))).astype('float32')
    outputs, last = layer(values, initial_state=[h])
    state = [h]
    for step in range(time):
        expected, state = layer.cell(values[:, step], state)
        np.testing.assert_allclose(np.array(outputs)[:, step], np.array(expected), atol=1e-5, rtol=1e-5)
    np.testing.assert_array_equal(np.array(last), np.array(outputs)[:, -1])


def test_the_number_of_texts_and_steps_may_be_unknown_in_a_graph():
    layer = recurrent_layer('min_lstm', 3, use_cudnn=False, seed=1, name='graph')
    layer.build((None, None, 2))

    @tf.function(input_signature=[tf.TensorSpec([None, None, 2])])
    def outputs_and_gradient(values):
        with tf.GradientTape() as tape:
            outputs = layer(values)
            loss = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(loss, layer.cell.kernel.value)

    for shape in ((1, 1, 2), (3, 8, 2), (2, 37, 2)):
        values = np.random.default_rng(3).normal(size=shape).astype('float32')
        outputs, gradient = outputs_and_gradient(values)
        with tf.GradientTape() as tape:
            expected = layer(values)
            loss = tf.reduce_sum(expected**2)
        np.testing.assert_allclose(outputs, expected, atol=1e-6)
        np.testing.assert_allclose(
            gradient, tape.gradient(loss, layer.cell.kernel.value), rtol=1e-4, atol=1e-6
        )


def test_a_layer_has_no_loop_over_the_steps():
    layer = recurrent_layer('min_gru', 3, use_cudnn=False, seed=1, name='parallel')
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec([2, 64, 2])).graph
    assert not {node.op for node in graph.as_graph_def().node} & {'While', 'StatelessWhile'}


def test_gates_that_are_wide_open_or_shut_keep_values_and_gradients_finite():
    layer = layer_of(True)
    layer.cell.kernel.assign(1000 * layer.cell.kernel)
    values = tf.Variable(np.random.default_rng(4).normal(size=(2, 50, 2)).astype('float32'))
    with tf.GradientTape() as tape:
        outputs = layer(values)[0]
        loss = tf.reduce_sum(outputs)
    assert np.isfinite(np.array(outputs)).all()
    assert np.isfinite(np.array(tape.gradient(loss, values))).all()


def test_composed_steps_are_products_and_sums():
    a, b = (np.array([[[0.5], [0.25], [1.0]]]), np.array([[[1.0], [2.0], [3.0]]]))
    composed = [keras.ops.convert_to_numpy(part).ravel().tolist() for part in compose(a, b)]
    assert composed == [[0.5, 0.125, 0.125], [1.0, 2.25, 5.25]]
