"""The steps of the serving benchmark that need TensorFlow; the benchmark itself does not import it.

    python -m benchmarks.serving_models import
    python -m benchmarks.serving_models trivial DIR            # writes DIR/1: y = x / 2 + 2
    python -m benchmarks.serving_models bare VERSION INPUTS    # loads VERSION, answers {"alias": [values]} once

Each writes one JSON line when it is done, and waits for the end of standard input so that it can be measured.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def trivial(folder: str) -> None:
    """Writes the SavedModel of y = x / 2 + 2 (float, any number of rows) as version 1 of `folder`."""
    import tensorflow as tf

    class HalfPlusTwo(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.half = tf.Variable(0.5)
            self.two = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, 'x')])
        def serve(self, x: Any) -> dict[str, Any]:
            return {'y': x * self.half + self.two}

    module = HalfPlusTwo()
    tf.saved_model.save(module, os.path.join(folder, '1'), signatures={'serving_default': module.serve})


def bare(version: str, inputs: str) -> Any:
    """Loads a version with a session, like the server, and runs `serving_default` once; returns the objects to keep."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph)
    with graph.as_default():
        loaded = tf.compat.v1.saved_model.loader.load(session, ['serve'], version)
    signature = loaded.signature_def['serving_default']
    feeds = {signature.inputs[alias].name: values for alias, values in json.loads(inputs).items()}
    session.run([info.name for info in signature.outputs.values()], feeds)
    return session


def import_libraries() -> None:
    import tensorflow  # noqa: F401
    import tensorflow_text  # noqa: F401


if __name__ == '__main__':
    steps: dict[str, Callable[..., Any]] = {'trivial': trivial, 'bare': bare, 'import': import_libraries}
    kept = steps[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({'done': True}), flush=True)
    sys.stdin.read()
    os._exit(0)  # TensorFlow's libraries may crash when they are taken down
