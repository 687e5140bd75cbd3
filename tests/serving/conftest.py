"""A small SavedModel, and a server that serves it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import Grpc, Rest

from vaiven.serving.process import ServerProcess

# Made in a process of its own, so that no test process needs TensorFlow for it.
MAKE_MODEL = '''
import sys
import tensorflow as tf

class Half(tf.Module):
    """x / 2 + the version's number, and signatures of every form."""

    def __init__(self, offset):
        self.offset = tf.Variable(float(offset))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def half(self, x):
        return {'y': x / 2 + self.offset}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def upper(self, text):
        return {'upper': tf.strings.upper(text), 'raw_bytes': text}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([], tf.int64)])
    def add(self, matrix, number):
        return {'sum': matrix + tf.cast(number, tf.int32), 'total': tf.reduce_sum(matrix)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def classify(self, inputs):
        x = tf.io.parse_example(inputs, {'x': tf.io.FixedLenFeature([], tf.float32, 0.0)})['x']
        names = tf.tile([['low', 'high']], [tf.shape(x)[0], 1])
        return {'classes': names, 'scores': tf.stack([1 - x, x], 1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def regress(self, inputs):
        x = tf.io.parse_example(inputs, {'x': tf.io.FixedLenFeature([], tf.float32, 0.0)})['x']
        return {'outputs': x * 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def slow(self, seconds):
        start = tf.timestamp()
        last = tf.while_loop(
            lambda now: now < start + tf.cast(seconds[0], tf.float64), lambda now: [tf.timestamp()], [start]
        )
        return {'done': seconds + tf.cast(last[0] * 0, tf.float32)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float16), tf.TensorSpec([None], tf.bool)])
    def types(self, half, flag):
        return {'half': half, 'flag': tf.logical_not(flag)}

from tensorflow.core.protobuf import saved_model_pb2

for folder, offset in zip(sys.argv[1:], (2, 3)):
    module = Half(offset)
    tf.saved_model.save(module, folder, signatures={
        'serving_default': module.half, 'upper': module.upper, 'add': module.add,
        'classify': module.classify, 'regress': module.regress, 'slow': module.slow, 'types': module.types,
    })
    # tf.Module cannot say that a signature is for Classify or Regress; the file can.
    path = folder + '/saved_model.pb'
    model = saved_model_pb2.SavedModel.FromString(open(path, 'rb').read())
    for name in ('classify', 'regress'):
        model.meta_graphs[0].signature_def[name].method_name = 'tensorflow/serving/' + name
    open(path, 'wb').write(model.SerializeToString())
'''


@pytest.fixture(scope='session')
def made_models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two version folders, x / 2 + 2 and x / 2 + 3; copy them, never change them."""
    folders = [tmp_path_factory.mktemp('made') / name for name in ('plus-2', 'plus-3')]
    subprocess.run(
        [sys.executable, '-c', MAKE_MODEL, *map(str, folders)],
        check=True,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )
    return folders


@pytest.fixture(scope='module')
def base_path(made_models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path of the module's own with version 1."""
    base = tmp_path_factory.mktemp('models') / 'half'
    shutil.copytree(made_models[0], base / '1')
    return base


@pytest.fixture(scope='module')
def server(base_path: Path) -> Iterator[ServerProcess]:
    """One server for the module, serving `half` from `base_path`."""
    with ServerProcess('half', base_path, flags={'file_system_poll_wait_seconds': 1}) as running:
        yield running


@pytest.fixture(scope='module')
def rest(server: ServerProcess) -> Rest:
    return Rest(server.rest_url)


@pytest.fixture(scope='module')
def ask(server: ServerProcess) -> Iterator[Grpc]:
    asking = Grpc(server.grpc_address)
    yield asking
    asking.channel.close()
