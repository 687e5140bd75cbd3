"""One network on Keras' three backends: the same weights give the same outputs, losses and gradients.

JAX and PyTorch are no dependencies. Where this interpreter has them they are tested, else where another one is named:

    VAIVEN_JAX_PYTHON=/path/to/python VAIVEN_TORCH_PYTHON=/path/to/python pytest tests/models/test_backends.py

That one needs Keras of the same version, numpy, and the backend.
"""

import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import backend_worker
from vaiven.models.network.config import CELLS
from vaiven.models.network.network import Network

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5


def interpreter(backend: str) -> str:
    python = os.environ.get(f'VAIVEN_{backend.upper()}_PYTHON', sys.executable)
    if subprocess.run([python, '-c', f'import {backend}'], capture_output=True).returncode:
        pytest.skip(
            f'{python} has no {backend}; VAIVEN_{backend.upper()}_PYTHON may name another interpreter'
        )
    return python


@pytest.mark.slow
@pytest.mark.parametrize('backend', ['jax', 'torch'])
def test_a_backend_gives_tensorflows_values_and_gradients_and_trains_every_cell(backend, tmp_path):
    python = interpreter(backend)
    weights = {cell: backend_worker.random_weights(cell) for cell in CELLS}
    np.savez(
        tmp_path / 'weights.npz', **{f'{c}/{i}': w for c, some in weights.items() for i, w in enumerate(some)}
    )
    subprocess.run(
        [python, backend_worker.__file__, tmp_path / 'weights.npz', tmp_path / 'answers.npz'],
        check=True,
        env={**os.environ, 'KERAS_BACKEND': backend},
    )
    with np.load(tmp_path / 'answers.npz') as answers:
        for cell in CELLS:
            network = backend_worker.network_of(cell)
            network.set_weights(weights[cell])
            for name, expected in backend_worker.outputs_and_gradients(network).items():
                np.testing.assert_allclose(
                    answers[f'{cell}/values/{name}'], expected, atol=TOLERANCE, err_msg=f'{cell}: {name}'
                )
        for name in answers.files:
            if '/values/' not in name:
                assert np.isfinite(answers[name]).all(), name
                assert answers[name].min() > 0, f'{name} did not move'


@pytest.mark.parametrize('cell', CELLS)
def test_every_cell_stacked_and_in_both_directions_trains_all_its_weights(cell):
    for moved in (backend_worker.trained_step(cell), backend_worker.window_step(cell)):
        for name, value in moved.items():
            assert np.isfinite(value).all(), name
            assert value.min() > 0, f'{name} did not move'


@pytest.mark.parametrize('cell', CELLS)
def test_every_cell_stacked_and_in_both_directions_is_exported(cell, tmp_path):
    trained = backend_worker.network_of(cell)
    trained.set_weights(backend_worker.random_weights(cell))
    network = Network(
        trained.config,
        trained.vocabulary_size,
        read_only=trained.read_only,
        vector_values=trained.vector_values,
        use_cudnn=False,
    )
    network(backend_worker.IDS)
    network.set_weights(trained.get_weights())
    archive = keras.export.ExportArchive()
    archive.track(network)
    specification = [tf.TensorSpec([None, None], tf.int32) for _ in range(2)]
    archive.add_endpoint('serve', network.label_logits, input_signature=specification)
    archive.write_out(str(tmp_path / 'model'), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / 'model'))
    inputs = backend_worker.IDS, backend_worker.NGRAMS
    served = loaded.serve(*(tf.constant(part) for part in inputs))
    np.testing.assert_allclose(served, np.array(trained.label_logits(*inputs)), atol=1e-6)


def test_the_networks_sources_import_keras_alone():
    """What needs TensorFlow stands beside the network, so that it builds on every backend."""
    folder = pathlib.Path(sys.modules[Network.__module__].__file__).parent
    for path in folder.glob('*.py'):
        assert not re.search(r'(import|from) tensorflow', path.read_text(encoding='utf-8')), path.name
