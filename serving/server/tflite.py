"""One TFLite model in memory, behind the same methods as a SavedModel."""

import queue
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.server import runtime
from vaiven.serving.server.status import Code, StatusError, invalid_argument
from vaiven.serving.wire import messages
from vaiven.serving.wire.dtypes import kind_of_array

DEFAULT = 'serving_default'


class TfliteModel:
    """A `model.tflite` with its signatures; one that has none gets `serving_default` of all inputs and outputs.

    An interpreter runs one request at a time, so there are several, and a request waits for one that is free.
    """

    FILE: ClassVar[str] = 'model.tflite'

    def __init__(self, path: Path, interpreters: int = 1) -> None:
        """Loads the model. Raises StatusError where TensorFlow Lite cannot."""
        tf = runtime.tensorflow()
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            for _ in range(interpreters):
                interpreter = tf.lite.Interpreter(model_path=str(path))
                interpreter.allocate_tensors()
                self._free.put(interpreter)
            self.signatures: Mapping[str, Any] = _signatures(interpreter)
        except (ValueError, RuntimeError) as error:
            raise invalid_argument(f'{path} is no TFLite model that can run here: {error}') from error

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        fetches: Sequence[str],
        timeout: float | None = None,
        *,
        alone: bool = False,
    ) -> list[NDArray[Any]]:
        """As `SavedModel.run`; a run cannot be broken off, but waits no longer than `timeout` seconds to begin."""
        try:
            interpreter = self._free.get(timeout=timeout)
        except queue.Empty:
            raise StatusError(Code.DEADLINE_EXCEEDED, 'Timed out waiting for a TFLite interpreter') from None
        try:
            inputs = {detail['name']: detail for detail in interpreter.get_input_details()}
            for name, value in feeds.items():
                detail = inputs[name]
                if value.dtype != detail['dtype'] and value.dtype != object:
                    expected = np.dtype(detail['dtype']).name
                    raise invalid_argument(f'tensor {name} takes {expected}. Received: {value.dtype.name}')
                if tuple(value.shape) != tuple(detail['shape']):
                    interpreter.resize_tensor_input(detail['index'], value.shape)
            interpreter.allocate_tensors()
            for name, value in feeds.items():
                interpreter.set_tensor(inputs[name]['index'], value)
            interpreter.invoke()
            outputs = {detail['name']: detail['index'] for detail in interpreter.get_output_details()}
            return [np.asarray(interpreter.get_tensor(outputs[name])) for name in fetches]
        except (ValueError, RuntimeError) as error:
            raise invalid_argument(str(error)) from error
        finally:
            self._free.put(interpreter)

    def close(self) -> None:
        """Frees the interpreters. No `run` may be under way."""
        while not self._free.empty():
            self._free.get()


def _signatures(interpreter: Any) -> dict[str, Any]:
    """SignatureDefs by name. Where the model has one signature, its names are used; else those of the tensors."""
    details = {'inputs': interpreter.get_input_details(), 'outputs': interpreter.get_output_details()}
    lists = interpreter.get_signature_list()
    found = {}
    for key in lists or {DEFAULT: None}:
        signature = messages.SignatureDef(method_name='tensorflow/serving/predict')
        runner = interpreter.get_signature_runner(key) if lists else None
        for side, tensors in details.items():
            named = getattr(runner, f'get_{side[:-1]}_details')() if runner is not None else None
            for alias, detail in (named or {detail['name']: detail for detail in tensors}).items():
                info = getattr(signature, side)[alias]
                info.name = detail['name']
                info.dtype = kind_of_array(np.empty(0, detail['dtype'])).number
                for size in detail.get('shape_signature', detail['shape']):
                    info.tensor_shape.dim.add(size=int(size))
        found[key] = signature
    return found
