"""Which outputs have a cost that depends on the shapes of the inputs only: these alone run in the event loop."""

from collections.abc import Callable
from typing import Any

import pytest

from vaiven.serving.server import runtime
from vaiven.serving.server.endpoints import Endpoint
from vaiven.serving.server.graph_costs import outputs_of_fixed_cost

pytestmark = pytest.mark.slow

tf = runtime.tensorflow()


def is_fixed(function: Callable[..., Any], *specs: Any) -> bool:
    """Whether the outputs of `function`, called inside a graph as in a SavedModel, have a fixed cost."""
    with tf.Graph().as_default() as graph:
        inputs = [tf.compat.v1.placeholder(spec.dtype, spec.shape) for spec in specs]
        outputs = tf.nest.flatten(tf.function(function, input_signature=specs)(*inputs))
    names = {str(index): tensor.name for index, tensor in enumerate(inputs)}
    fetches = {str(index): tensor.name for index, tensor in enumerate(outputs)}
    endpoint = Endpoint('', names, fetches, {}, tuple(fetches), tuple(fetches.values()))
    return outputs_of_fixed_cost(graph.as_graph_def(add_shapes=False), [endpoint]) == frozenset(
        fetches.values()
    )


FLOATS = tf.TensorSpec([None], tf.float32)
NUMBERS = tf.TensorSpec([None], tf.int32)
MATRIX = tf.TensorSpec([None, 4], tf.float32)
TEXTS = tf.TensorSpec([None], tf.string)
WEIGHTS = [[1.0, 2.0]] * 4


@pytest.mark.parametrize(
    ('function', 'spec'),
    [
        (lambda x: x / 2 + 2, FLOATS),
        (lambda x: tf.nn.softmax(tf.matmul(x, WEIGHTS)), MATRIX),
        (lambda x: tf.tile([['low', 'high']], [tf.shape(x)[0], 1]), FLOATS),
        (lambda x: tf.random.uniform([tf.shape(x)[0], 10]), FLOATS),
        (lambda x: tf.reshape(x, [-1, 2]), MATRIX),
        (lambda x: tf.reduce_sum(tf.one_hot(x, 10), -1), NUMBERS),
        (lambda x: tf.gather([1.0, 2.0, 3.0], x), NUMBERS),
        (lambda x: tf.strings.upper(x), TEXTS),
        (lambda x: tf.io.parse_example(x, {'x': tf.io.FixedLenFeature([2], tf.float32)})['x'], TEXTS),
    ],
    ids=lambda value: '',
)
def test_outputs_that_depend_on_shapes_only_have_a_fixed_cost(
    function: Callable[..., Any], spec: Any
) -> None:
    assert is_fixed(function, spec)


@pytest.mark.parametrize(
    ('function', 'spec'),
    [
        (lambda n: tf.random.uniform([n[0], 1000]), NUMBERS),
        (lambda n: tf.random.stateless_normal([n[0]], [1, 2]), NUMBERS),
        (lambda n: tf.fill([n[0], 10], 1.0), NUMBERS),
        (lambda n: tf.zeros([2 * tf.size(n) + n[0]]), NUMBERS),
        (lambda n: tf.range(n[0]), NUMBERS),
        (lambda n: tf.tile([1.0], n), NUMBERS),
        (lambda n: tf.broadcast_to(1.0, [n[0], n[0]]), NUMBERS),
        (lambda n: tf.repeat(n, n), NUMBERS),
        (lambda n: tf.sequence_mask(n), NUMBERS),
        (lambda n: tf.one_hot(n, n[0]), NUMBERS),
        (lambda n: tf.linspace(0.0, 1.0, n[0]), NUMBERS),
        (lambda n: tf.pad(n, [[0, n[0]]]), NUMBERS),
        (lambda n: tf.eye(n[0]), NUMBERS),
        (lambda n: tf.scatter_nd([[0]], [1], n[:1]), NUMBERS),
        (lambda n: tf.math.unsorted_segment_sum(n, n, n[0]), NUMBERS),
        (lambda n: tf.image.resize(tf.zeros([1, 2, 2, 1]), tf.stack([n[0], n[0]])), NUMBERS),
        (lambda n: tf.zeros([tf.shape(tf.fill([n[0]], 0.0))[0]]), NUMBERS),
        (lambda n: tf.fill([tf.random.uniform([], 0, 9, tf.int32)], n[0]), NUMBERS),
        (lambda n: tf.where(n > 0), NUMBERS),
        (lambda n: tf.unique(n)[0], NUMBERS),
        (lambda n: tf.while_loop(lambda i: i < n[0], lambda i: i + 1, [0]), NUMBERS),
        (lambda n: tf.map_fn(lambda i: i, n), NUMBERS),
        (lambda n: tf.cond(n[0] > 0, lambda: tf.zeros([n[0]]), lambda: tf.zeros([1])), NUMBERS),
        (lambda n: tf.data.Dataset.range(tf.cast(n[0], tf.int64)).reduce(0, lambda s, i: s + 1), NUMBERS),
        (lambda x: tf.strings.split(x).to_tensor(), TEXTS),
        (lambda x: tf.io.parse_example(x, {'x': tf.io.VarLenFeature(tf.float32)})['x'].values, TEXTS),
        (lambda x: tf.numpy_function(lambda y: y, [x], tf.float32), FLOATS),
        (tf.function(lambda x: x + 1, jit_compile=True), FLOATS),
        (lambda x: tf.math.igamma(x, x), FLOATS),
    ],
    ids=lambda value: '',
)
def test_outputs_whose_cost_a_value_decides_have_none(function: Callable[..., Any], spec: Any) -> None:
    assert not is_fixed(function, spec)


def test_each_output_is_judged_by_the_nodes_it_depends_on() -> None:
    with tf.Graph().as_default() as graph:
        n = tf.compat.v1.placeholder(tf.int32, [None], 'n')
        outputs = {'plain': (n + 1).name, 'shaped': tf.fill(n, 1).name}
    endpoint = Endpoint('', {'n': n.name}, outputs, {}, tuple(outputs), tuple(outputs.values()))
    assert outputs_of_fixed_cost(graph.as_graph_def(), [endpoint]) == {outputs['plain']}


def test_a_graph_of_many_operations_in_a_row_is_read() -> None:
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None])
        y = x
        for _ in range(5000):
            y = tf.identity(y)
    endpoint = Endpoint('', {'x': x.name}, {'y': y.name}, {}, ('y',), (y.name,))
    assert outputs_of_fixed_cost(graph.as_graph_def(), [endpoint]) == {y.name}
