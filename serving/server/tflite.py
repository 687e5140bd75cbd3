"""One TFLite model in memory, behind the same methods as a SavedModel."""

import queue
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.server import runtime
from vaiven.serving.server.endpoints import Endpoint, endpoints
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
        self.steady = False  # a run may have to wait for an interpreter
        self._free: queue.SimpleQueue[_Interpreter] = queue.SimpleQueue()
        try:
            for _ in range(interpreters):
                interpreter = _Interpreter(tf.lite.Interpreter(model_path=str(path)))
                self._free.put(interpreter)
            self.signatures: Mapping[str, Any] = interpreter.signatures()
            self.endpoints: Mapping[str, Endpoint] = endpoints(self.signatures)
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
            return interpreter.run(feeds, fetches)
        except (ValueError, RuntimeError) as error:
            raise invalid_argument(str(error)) from error
        finally:
            self._free.put(interpreter)

    def close(self) -> None:
        """Frees the interpreters. No `run` may be under way."""
        while not self._free.empty():
            self._free.get()


class _Interpreter:
    """An interpreter and what runs its signatures.

    A tensor is named `SIGNATURE/ALIAS` in feeds and fetches: the names in the model are unique only within one of
    its graphs, of which every signature has its own.
    """

    def __init__(self, interpreter: Any) -> None:
        self._runners = {
            key: interpreter.get_signature_runner(key) for key in interpreter.get_signature_list()
        }
        if not self._runners:
            self._runners[DEFAULT] = _WholeModel(interpreter)

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        key = next(key for key in self._runners if fetches[0].startswith(key + '/'))
        start = len(key) + 1
        values = self._runners[key](**{name[start:]: value for name, value in feeds.items()})
        return [np.asarray(values[name[start:]]) for name in fetches]

    def signatures(self) -> dict[str, Any]:
        """SignatureDefs by name."""
        found = {}
        for key, runner in self._runners.items():
            signature = found[key] = messages.SignatureDef(method_name='tensorflow/serving/predict')
            for infos, details in (
                (signature.inputs, runner.get_input_details()),
                (signature.outputs, runner.get_output_details()),
            ):
                for alias, detail in details.items():
                    infos[alias].name = f'{key}/{alias}'
                    infos[alias].dtype = kind_of_array(np.empty(0, detail['dtype'])).number
                    for size in detail.get('shape_signature', detail['shape']):
                        infos[alias].tensor_shape.dim.add(size=int(size))
        return found


class _WholeModel:
    """Runs a model without signatures, as a signature of all its tensors."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter

    def get_input_details(self) -> dict[str, Any]:
        return {detail['name']: detail for detail in self._interpreter.get_input_details()}

    def get_output_details(self) -> dict[str, Any]:
        return {detail['name']: detail for detail in self._interpreter.get_output_details()}

    def __call__(self, **feeds: NDArray[Any]) -> dict[str, NDArray[Any]]:
        inputs = self.get_input_details()
        for name, value in feeds.items():
            self._interpreter.resize_tensor_input(inputs[name]['index'], value.shape)
        self._interpreter.allocate_tensors()
        for name, value in feeds.items():
            self._interpreter.set_tensor(inputs[name]['index'], value)
        self._interpreter.invoke()
        return {
            name: self._interpreter.get_tensor(detail['index'])
            for name, detail in self.get_output_details().items()
        }
