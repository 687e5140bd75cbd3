"""A small SavedModel, a server that serves it, and ways to ask."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from vaiven.serving.process import ServerProcess
from vaiven.serving.wire import messages

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


class Rest:
    """Asks over REST; every answer as (status, parsed JSON or text)."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(
        self, path: str, body: object = None, method: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content.decode('utf-8', 'replace')


@pytest.fixture(scope='module')
def rest(server: ServerProcess) -> Rest:
    return Rest(server.rest_url)


class Grpc:
    """Calls methods by name with our own messages."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)

    def __call__(self, method: str, request: Any, timeout: float = 30) -> Any:
        for name in (
            'tensorflow.serving.PredictionService',
            'tensorflow.serving.ModelService',
            'grpc.health.v1.Health',
        ):
            service = messages.service(name)
            if method in service.methods_by_name:
                output = messages.message_class(service.methods_by_name[method].output_type.full_name)
                path = f'/{name}/{method}'
                call = self.channel.unary_unary(
                    path, lambda message: message.SerializeToString(), output.FromString
                )
                return call(request, timeout=timeout)
        raise LookupError(method)

    def error(self, method: str, request: Any) -> tuple[str, str]:
        """Code and text of a call that must fail."""
        with pytest.raises(grpc.RpcError) as caught:
            self(method, request)
        return caught.value.code().name, caught.value.details()


@pytest.fixture(scope='module')
def ask(server: ServerProcess) -> Iterator[Grpc]:
    asking = Grpc(server.grpc_address)
    yield asking
    asking.channel.close()


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Waits until `condition` holds, and fails the test if it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'the condition did not come true'
        time.sleep(0.05)
