"""Memory of a server after many models were loaded and unloaded.

python -m benchmarks.serving_memory --models 22 --megabytes 50
"""

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.serving_processes import memory
from vaiven.serving.client import Client
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

WIDTH = 1024  # a layer of WIDTH × WIDTH float32 takes 4 MB
UNLOAD_SECONDS = 5.0
ROUNDS = 2


def make(folder: Path, layers: int) -> None:
    """Writes a model of `layers` dense layers. Imports TensorFlow."""
    import tensorflow as tf

    class Layers(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.weights = [tf.Variable(tf.random.normal([WIDTH, WIDTH])) for _ in range(layers)]

        @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32)])  # type: ignore[misc]
        def serve(self, x: object) -> dict[str, object]:
            for weight in self.weights:
                x = tf.tanh(tf.matmul(x, weight))
            return {'y': x}

    module = Layers()
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--models', type=int, default=22)
    parser.add_argument('--megabytes', type=int, default=50, help='of each model')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        process = multiprocessing.get_context('spawn').Process(
            target=make, args=(root / 'model', max(1, arguments.megabytes // 4))
        )
        process.start()
        process.join()
        names = [f'm{number}' for number in range(arguments.models)]
        for each in names:
            shutil.copytree(root / 'model', root / each / '1', copy_function=os.link)
        print(json.dumps({'rss_megabytes': _measured(root, names)}))


def _measured(root: Path, names: list[str]) -> list[float]:
    """Measures with one model, then alternately with all models and with one."""
    rows = np.ones((64, WIDTH), np.float32)
    with (
        ServerProcess(names[0], root / names[0]) as server,
        Client(server.grpc_address, timeout=300) as client,
    ):

        def serve(some: list[str]) -> float:
            config = messages.ModelServerConfig()
            for name in some:
                config.model_config_list.config.add(
                    name=name, base_path=str(root / name), model_platform='tensorflow'
                )
            client.reload_config(config)
            for name in some:
                for _ in range(5):
                    client.predict(name, {'x': rows})
            time.sleep(UNLOAD_SECONDS)
            return round(memory(server.pid)['rss'])

        samples = [serve(names[:1])]
        for _ in range(ROUNDS):
            samples += [serve(names), serve(names[:1])]
        return samples


if __name__ == '__main__':
    main()
