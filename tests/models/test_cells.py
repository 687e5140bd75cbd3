"""The cells against ONNX Runtime's check values, against Keras' own layers, and against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.network.cells import recurrent_layer
from vaiven.models.network.config import CELLS
from vaiven.models.network.gated_cell import GatedCell

pytestmark = pytest.mark.slow

X = np.array([[[-0.455351, -0.276391], [-0.185934, -0.269585]]], 'float32')  # (batch, time, features)
# Rows of two units for each gate in the order i, o, f, c.
W = [[-0.494659, 0.0453352], [-0.487793, 0.417264], [-0.0175329, 0.489074], [-0.446013, 0.414029],
     [-0.0091708, -0.255364], [-0.106952, -0.266717], [-0.0888852, -0.428709], [-0.283349, 0.208792]]  # fmt: skip
R = [[0.146626, -0.0620289], [-0.0815302, 0.100482], [-0.219535, -0.306635], [-0.28515, -0.314112],
     [-0.228172, 0.405972], [0.31576, 0.281487], [-0.394864, 0.42111], [-0.386624, -0.390225]]  # fmt: skip
P = {'i': [0.2345, 0.5235], 'o': [0.4378, 0.3475], 'f': [0.8927, 0.3456]}
B = {
    'i': [0.381619, 0.0323954],
    'o': [-0.14449, 0.420804],
    'f': [-0.258721, 0.45056],
    'c': [-0.250755, 0.0967895],
}
ROWS = {'i': slice(0, 2), 'o': slice(2, 4), 'f': slice(4, 6), 'c': slice(6, 8)}


def onnx_cell(coupled: bool) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (time, units) and the last cell state, with ONNX's weights put where this cell has them."""
    layer = keras.layers.RNN(
        GatedCell(2, peephole='diagonal', coupled=coupled), return_sequences=True, return_state=True
    )
    layer(X)
    # ONNX couples the gates the other way round, f = 1 − i; 1 − σ(a) = σ(−a), so f's weights are i's, negated.
    source, sign = ({**ROWS, 'f': ROWS['i']}, {'f': -1}) if coupled else (ROWS, {})

    def columns(rows) -> np.ndarray:
        return np.concatenate(
            [sign.get(gate, 1) * np.array(rows)[source[gate]] for gate in layer.cell.gates], axis=0
        ).T

    name = {'f': 'i'} if coupled else {}
    bias = np.concatenate([sign.get(g, 1) * np.array(B[name.get(g, g)]) for g in layer.cell.gates])
    peepholes = [sign.get(g, 1) * np.array(P[name.get(g, g)]) for g in layer.cell.gates if g != 'c']
    layer.cell.set_weights([columns(W), columns(R), bias, np.array(peepholes)])
    outputs, _, cell_state = layer(X)
    return np.array(outputs)[0], np.array(cell_state)[0]


def test_the_peephole_lstm_gives_the_check_values():
    outputs, cell_state = onnx_cell(coupled=False)
    np.testing.assert_allclose(outputs, [[-0.0251062475, 0.0561261699], [-0.03277518, 0.05935364]], atol=1e-7)
    np.testing.assert_allclose(cell_state, [-0.0780206, 0.098829], atol=1e-6)


def test_the_coupled_peephole_lstm_gives_the_check_values():
    outputs, cell_state = onnx_cell(coupled=True)
    np.testing.assert_allclose(outputs, [[-0.02510626, 0.05612619], [-0.0314321, 0.05087372]], atol=1e-7)
    np.testing.assert_allclose(cell_state, [-0.07474898, 0.08480116], atol=1e-6)


def test_without_peepholes_and_coupling_it_is_the_lstm_of_keras():
    ours = keras.layers.RNN(GatedCell(5), return_sequences=True)
    keras_own = keras.layers.LSTM(5, return_sequences=True)
    values = np.random.default_rng(1).normal(size=(3, 7, 4)).astype('float32')
    ours(values), keras_own(values)
    keras_own.set_weights(ours.get_weights())
    np.testing.assert_allclose(np.array(ours(values)), np.array(keras_own(values)), atol=1e-6)


def test_a_coupled_lstm_is_an_lstm_whose_input_gate_is_the_forget_gate_negated():
    coupled = keras.layers.RNN(GatedCell(4, coupled=True), return_sequences=True)
    plain = keras.layers.LSTM(4, return_sequences=True)
    values = np.random.default_rng(2).normal(size=(2, 6, 3)).astype('float32')
    coupled(values), plain(values)
    plain.set_weights([np.concatenate([-w[..., :4], w], axis=-1) for w in coupled.get_weights()])
    np.testing.assert_allclose(np.array(coupled(values)), np.array(plain(values)), atol=1e-6)


def test_the_lectures_gru_resets_before_the_product():
    layer = recurrent_layer('gru_reset_before', 3, use_cudnn='auto', seed=4, name='gru')
    values = np.random.default_rng(3).normal(size=(1, 5, 2)).astype('float32')
    outputs = np.array(layer(values))[0]
    kernel, recurrent, bias = (np.array(weight) for weight in layer.get_weights())
    h = np.zeros(3)
    for step, x in enumerate(values[0]):
        logistic = 1 / (1 + np.exp(-(x @ kernel[:, :6] + h @ recurrent[:, :6] + bias[:6])))
        z, r = logistic[:3], logistic[3:]
        candidate = np.tanh(x @ kernel[:, 6:] + (r * h) @ recurrent[:, 6:] + bias[6:])
        h = z * h + (1 - z) * candidate
        np.testing.assert_allclose(outputs[step], h, atol=1e-6)


def test_a_coupled_peephole_lstm_is_a_peephole_lstm_with_the_input_gate_negated():
    coupled = keras.layers.RNN(GatedCell(4, peephole='diagonal', coupled=True), return_sequences=True)
    plain = keras.layers.RNN(GatedCell(4, peephole='diagonal'), return_sequences=True)
    rng = np.random.default_rng(7)
    values = rng.normal(size=(2, 6, 3)).astype('float32')
    coupled(values), plain(values)
    coupled.set_weights([rng.normal(size=w.shape) for w in coupled.get_weights()])
    *weights, peepholes = coupled.get_weights()
    whole = [np.concatenate([-w[..., :4], w], axis=-1) for w in weights]
    plain.set_weights([*whole, np.concatenate([-peepholes[:1], peepholes])])
    np.testing.assert_allclose(np.array(coupled(values)), np.array(plain(values)), atol=1e-6)


def test_full_peepholes_are_gates_of_c_h_and_x_concatenated():
    layer = recurrent_layer('full_peephole_lstm', 3, use_cudnn=False, seed=4, name='full')
    rng = np.random.default_rng(8)
    values = rng.normal(size=(1, 5, 2)).astype('float32')
    layer(values)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    outputs = np.array(layer(values))[0]
    kernel, recurrent, bias, peepholes = (np.array(weight, 'float64') for weight in layer.get_weights())
    peephole_of = dict(zip('ifo', peepholes, strict=True))

    def gate(number: int, name: str, c: np.ndarray, h: np.ndarray, x: np.ndarray) -> np.ndarray:
        columns = slice(3 * number, 3 * number + 3)
        matrix = np.concatenate([peephole_of[name], recurrent[:, columns], kernel[:, columns]])
        return 1 / (1 + np.exp(-(np.concatenate([c, h, x]) @ matrix + bias[columns])))

    h = c = np.zeros(3)
    for step, x in enumerate(values[0]):
        i, f = gate(0, 'i', c, h, x), gate(1, 'f', c, h, x)
        c = f * c + i * np.tanh(x @ kernel[:, 6:9] + h @ recurrent[:, 6:9] + bias[6:9])
        h = gate(3, 'o', c, h, x) * np.tanh(c)
        np.testing.assert_allclose(outputs[step], h, atol=1e-6)


@pytest.fixture
def double_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy('float64')
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize('cell', CELLS)
def test_gradients_by_every_weight_and_input_agree_with_finite_differences(cell, double_precision):
    layer = recurrent_layer(cell, 3, use_cudnn=False, seed=5, name=cell)
    rng = np.random.default_rng(6)
    values = tf.Variable(rng.normal(size=(2, 5, 2)))
    weight = tf.constant(rng.normal(size=(2, 5, 3)))
    layer(values)
    for variable in layer.trainable_variables:  # peepholes start at zero
        variable.assign(variable + rng.normal(size=variable.shape) * 0.3)

    @tf.function
    def loss() -> tf.Tensor:
        return tf.reduce_sum(layer(values) * weight)

    arguments = [values, *(variable.value for variable in layer.trainable_variables)]
    with tf.GradientTape() as tape:
        value = loss()
    assert value.dtype == tf.float64
    for variable, gradient in zip(arguments, tape.gradient(value, arguments), strict=True):
        before, step = variable.numpy(), 1e-6
        expected = np.zeros_like(before)
        for place in np.ndindex(*before.shape):
            moved = []
            for sign in (1, -1):
                changed = before.copy()
                changed[place] += sign * step
                variable.assign(changed)
                moved.append(float(loss()))
            variable.assign(before)
            expected[place] = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(tf.convert_to_tensor(gradient), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize('cell', CELLS)
def test_masked_steps_leave_the_states_as_they_are(cell):
    layer = recurrent_layer(cell, 3, use_cudnn=False, seed=5, name=cell, return_state=True)
    values = np.random.default_rng(9).normal(size=(2, 6, 2)).astype('float32')
    mask = np.array([[True] * 6, [True] * 4 + [False] * 2])
    outputs, *states = layer(values, mask=mask)
    expected, *expected_states = layer(values[:, :4])
    np.testing.assert_allclose(np.array(outputs)[1, :4], np.array(expected)[1], atol=1e-6)
    for state, expected_state in zip(states, expected_states, strict=True):
        np.testing.assert_allclose(np.array(state)[1], np.array(expected_state)[1], atol=1e-6)


@pytest.mark.parametrize('cell', CELLS)
def test_steps_one_at_a_time_and_in_windows_give_the_whole_pass(cell):
    layer = recurrent_layer(cell, 3, use_cudnn=False, seed=5, name=cell, return_state=True)
    rng = np.random.default_rng(10)
    values = rng.normal(size=(2, 23, 2)).astype('float32')
    layer(values)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    whole, *last = (np.array(tensor) for tensor in layer(values))
    states = layer.cell.get_initial_state(batch_size=2)
    states = states if isinstance(states, list) else [states]
    for step in range(23):
        output, states = layer.cell(values[:, step], states)
        np.testing.assert_allclose(np.array(output), whole[:, step], atol=1e-5)
    first, *between = layer(values[:, :9])
    second, *end = layer(values[:, 9:], initial_state=between)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-5)
    for state, stepped, expected in zip(end, states, last, strict=True):
        np.testing.assert_allclose(np.array(state), expected, atol=1e-5)
        np.testing.assert_allclose(np.array(stepped), expected, atol=1e-5)


@pytest.mark.parametrize('cell', CELLS)
def test_a_cell_survives_its_configuration(cell):
    layer = recurrent_layer(cell, 3, use_cudnn=False, seed=5, name=cell)
    again = type(layer).from_config(layer.get_config())
    values = np.ones((1, 4, 2), 'float32')
    layer(values), again(values)
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(np.array(layer(values)), np.array(again(values)), atol=1e-6)
