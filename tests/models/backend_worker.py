"""Run by `test_backends` with the interpreter and the Keras backend to test: builds, reads, differentiates, trains.

    KERAS_BACKEND=jax python backend_worker.py weights.npz answers.npz

It imports Keras, numpy and `vaiven.models.network` alone: where JAX or PyTorch are, this project need not be
installed.
"""

import pathlib
import sys
import types

import keras
import numpy as np

if 'vaiven' not in sys.modules:
    package = types.ModuleType('vaiven')
    root = pathlib.Path(__file__).parents[2]
    package.__path__ = [str(root / 'package'), str(root)]
    sys.modules['vaiven'] = package

from vaiven.models.network.config import CELLS, NetworkConfig
from vaiven.models.network.objective import JointNetwork
from vaiven.models.network.stateful import StatefulLanguageModel
from vaiven.models.network.wide import WideNgrams

# The last two of the ids are read by their vectors, and never predicted.
VOCABULARY_SIZE, READ_ONLY, VECTOR_VALUES = 23, 2, 3
IDS = np.array([[2, 5, 6, 7, 9, 3], [2, 8, 22, 3, 0, 0], [2, 3, 0, 0, 0, 0]], 'int32')
NGRAMS = np.array([[7, 4, 8], [9, 99, 0], [0, 0, 0]], 'int32')  # of the wide path
LABELS = np.array([1, 0, -1], 'float32')
# Two layers, so that a cell reads another one's states, too.
SIZES = {'layers': 2, 'units': 5, 'embedding_size': 4, 'wide_ngrams': 16, 'subword_buckets': 11}
REGULARISED = {
    'token_dropout': 0.1, 'embedding_dropout': 0.1, 'weight_dropout': 0.2, 'dropout': 0.1, 'head_dropout': 0.1,
}  # fmt: skip


def network_of(cell: str, softmax_candidates: int = 0, **options) -> JointNetwork:
    network = JointNetwork(
        NetworkConfig(cell=cell, **SIZES, **options), VOCABULARY_SIZE - READ_ONLY, language_weight=0.5,
        softmax_candidates=softmax_candidates, seed=3, read_only=READ_ONLY, vector_values=VECTOR_VALUES,
    )  # fmt: skip
    network(IDS)
    subwords = network.subwords
    ids = np.arange(VOCABULARY_SIZE * subwords.max_subwords).reshape(-1, subwords.max_subwords)
    subwords.subword_ids.assign(ids % subwords.buckets)
    vectors = np.random.default_rng(5).normal(scale=0.1, size=(VOCABULARY_SIZE, VECTOR_VALUES))
    network.word_vectors.vectors.assign(vectors)
    return network


def random_weights(cell: str) -> list[np.ndarray]:
    """Random values for all weights, also for those that start at zero. N-gram ids are 0, 1, 2, …; subwords stay."""
    rng = np.random.default_rng(CELLS.index(cell))
    drawn = [
        rng.normal(scale=0.4, size=weight.shape).astype('float32') if weight.dtype.kind == 'f' else weight
        for weight in network_of(cell).get_weights()
    ]
    return [
        np.arange(len(weight)) if weight.dtype.kind == 'i' and weight.ndim == 1 else weight
        for weight in drawn
    ]


def outputs_and_gradients(network: JointNetwork) -> dict[str, np.ndarray]:
    """By name: every output, the loss, and its gradient by every trainable weight."""
    variables = network.trainable_variables
    outputs = network(IDS)
    loss, gradients = _differentiate(lambda: network.compute_loss(IDS, LABELS, network(IDS)), variables)
    found = {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}
    # By number: a path contains the network's name, which depends on how many there were before.
    found |= {
        f'gradient {number} by {variable.name}': keras.ops.convert_to_numpy(gradient)
        for number, (variable, gradient) in enumerate(zip(variables, gradients, strict=True))
    }
    found['probability'] = keras.ops.convert_to_numpy(keras.ops.sigmoid(network.label_logits(IDS, NGRAMS)))
    found |= {f'wide {outputs}': keras.ops.convert_to_numpy(wide_of(outputs)(NGRAMS)) for outputs in (3, 20)}
    return {**found, 'loss': keras.ops.convert_to_numpy(loss)}


def wide_of(outputs: int) -> WideNgrams:
    """A wide path of several logits with random weights."""
    wide = WideNgrams(6, outputs)
    wide.build((None, None))
    rng = np.random.default_rng(outputs)
    wide.set_weights([
        np.array([4, 7, 8, 9, 99, 100]) if weight.shape == (6,)
        else rng.integers(0, outputs, weight.shape) if weight.dtype.kind == 'i'
        else rng.normal(size=weight.shape)
        for weight in wide.get_weights()
    ])  # fmt: skip
    return wide


def _differentiate(loss, variables):
    backend = keras.backend.backend()
    if backend == 'tensorflow':
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(value, [variable.value for variable in variables])
        return value, [tf.convert_to_tensor(gradient) for gradient in gradients]
    if backend == 'jax':
        import jax

        def of(values):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss()

        return jax.value_and_grad(of)([variable.value for variable in variables])
    value = loss()
    value.backward()
    return value, [variable.value.grad for variable in variables]


def trained_step(cell: str) -> dict[str, np.ndarray]:
    """How much a step of `fit` moves each weight, with all regularisation and the sampled softmax, and the loss."""
    network = network_of(cell, softmax_candidates=8, **REGULARISED)
    return _moved(network, network, lambda: network.fit(IDS, LABELS, batch_size=3, verbose=0))


def window_step(cell: str) -> dict[str, np.ndarray]:
    """The same for two consecutive windows of running text."""
    network = network_of(cell, bidirectional=False, **REGULARISED)
    reader = StatefulLanguageModel(network, batch_size=2, softmax_candidates=8, state_reset=0.5, seed=4)
    windows = np.random.default_rng(1).integers(4, VOCABULARY_SIZE, (4, 1, 7)).astype('int32')
    moved = _moved(
        reader, network, lambda: reader.fit(windows, np.zeros(4), batch_size=2, shuffle=False, verbose=0)
    )
    states = keras.tree.flatten(reader.state)
    return {
        **moved,
        'state': np.array([np.abs(keras.ops.convert_to_numpy(state)).max() for state in states]),
    }


def _moved(trained: keras.Model, network: JointNetwork, fit) -> dict[str, np.ndarray]:
    # Without a trace on TensorFlow, where the network is traced by other tests and twice as many cells cost minutes.
    eagerly = keras.backend.backend() == 'tensorflow'
    trained.compile(
        optimizer=keras.optimizers.Adam(1e-2, global_clipnorm=1.0), jit_compile=False, run_eagerly=eagerly
    )
    variables = network.trainable_variables
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]
    history = fit()
    after = [keras.ops.convert_to_numpy(variable) for variable in variables]
    moved = {v.path: np.abs(b - a).max() for v, a, b in zip(variables, before, after, strict=True)}
    return {**moved, 'loss': np.array(history.history['loss'][-1])}


def main(weights: str, answers: str) -> None:
    found: dict[str, np.ndarray] = {}
    with np.load(weights) as given:
        for cell in CELLS:
            network = network_of(cell)
            network.set_weights([given[f'{cell}/{number}'] for number in range(len(network.get_weights()))])
            parts = {'values': outputs_and_gradients(network), 'step': trained_step(cell)}
            # Stateful reading differs between cells only by their number of states and by whose layer they are.
            if cell in ('gru', 'lstm', 'peephole_coupled_lstm', 'slstm', 'min_lstm'):
                parts['window'] = window_step(cell)
            found |= {
                f'{cell}/{part}/{name}': value for part, some in parts.items() for name, value in some.items()
            }
    np.savez(answers, **found)


if __name__ == '__main__':
    main(*sys.argv[1:])
