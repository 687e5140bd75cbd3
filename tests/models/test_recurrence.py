import keras
import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.network.recurrence import LSTM, lstm

pytestmark = pytest.mark.slow

BATCH, TIME, FEATURES, UNITS = 3, 7, 4, 5


def layers(dtype: str = 'float64') -> tuple[keras.layers.Layer, keras.layers.Layer]:
    """Ours and Keras' own with the same weights, none of which is zero."""
    draw = np.random.default_rng(0)
    pair = tuple(
        kind(UNITS, return_sequences=True, return_state=True, dtype=dtype)
        for kind in (LSTM, keras.layers.LSTM)
    )
    for layer in pair:
        layer.build((None, None, FEATURES))
    weights = [draw.normal(size=weight.shape) for weight in pair[0].weights]
    for layer in pair:
        layer.set_weights(weights)
    return pair


def given() -> list[tf.Tensor]:
    draw = np.random.default_rng(1)
    shapes = ((BATCH, TIME, FEATURES), (BATCH, UNITS), (BATCH, UNITS))
    return [tf.constant(draw.normal(size=shape)) for shape in shapes]


def gradients(layer: keras.layers.Layer) -> list[np.ndarray]:
    """Gradients of a weighted sum of all results, with a different weight for each number."""
    inputs, h, c = given()
    draw = np.random.default_rng(2)
    with tf.GradientTape() as tape:
        tape.watch([inputs, h, c])
        results = layer(inputs, initial_state=[h, c])
        loss = sum(tf.reduce_sum(result * draw.normal(size=result.shape)) for result in results)
    variables = [weight.value for weight in layer.weights]
    return [np.array(gradient) for gradient in tape.gradient(loss, [inputs, h, c, *variables])]


def test_hidden_and_cell_states_are_those_of_keras() -> None:
    inputs, h, c = given()
    for ours, theirs in zip(*(layer(inputs, initial_state=[h, c]) for layer in layers()), strict=True):
        np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=1e-12)


def test_gradients_are_those_of_automatic_differentiation() -> None:
    for ours, theirs in zip(*map(gradients, layers()), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize('argument', range(6))
def test_gradients_are_finite_differences(argument: int) -> None:
    ours, _ = layers()
    arguments = [*given(), *(weight.value for weight in ours.weights)]

    def loss(*values: tf.Tensor) -> tf.Tensor:
        states, last_c = lstm(*values)
        return tf.reduce_sum(tf.sin(states)) + tf.reduce_sum(last_c**2)

    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = loss(*arguments)
    found = np.array(tape.gradient(value, arguments[argument])).reshape(-1)
    before = np.array(arguments[argument])
    for place in np.random.default_rng(3).choice(before.size, 5, replace=False):
        moved = []
        for step in (1e-6, -1e-6):
            changed = before.copy()
            changed.reshape(-1)[place] += step
            values = [*arguments]
            values[argument] = tf.constant(changed)
            moved.append(float(loss(*values)))
        assert (moved[0] - moved[1]) / 2e-6 == pytest.approx(found[place], rel=1e-6, abs=1e-8)


def test_lengths_and_batches_may_be_unknown_in_a_graph() -> None:
    ours, theirs = layers('float32')
    ask = tf.function(lambda x: ours(x)[0], input_signature=[tf.TensorSpec([None, None, FEATURES])])
    for shape in ((1, 1), (2, 9)):
        values = np.random.default_rng(4).normal(size=(*shape, FEATURES)).astype('float32')
        np.testing.assert_allclose(ask(values), np.array(theirs(values)[0]), atol=1e-6)


@pytest.mark.parametrize('gpus', [[], ['gpu:0']])
@pytest.mark.parametrize('use_cudnn', ['auto', False])
def test_with_a_gpu_and_in_exported_models_it_is_the_layer_of_keras(monkeypatch, gpus, use_cudnn) -> None:
    monkeypatch.setattr(keras.distribution, 'list_devices', lambda kind: gpus)
    layer = LSTM(UNITS, return_sequences=True, use_cudnn=use_cudnn)
    graph = (
        tf.function(layer, input_signature=[tf.TensorSpec([None, None, FEATURES])])
        .get_concrete_function()
        .graph
    )
    written_out = [node.name for node in graph.as_graph_def().node if node.op == 'IdentityN']
    assert bool(written_out) == (not gpus and use_cudnn == 'auto')
