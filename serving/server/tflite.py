"""One TFLite model in memory, with the interface of a SavedModel."""

import queue
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.server import runtime
from vaiven.serving.server.endpoints import Endpoint, endpoints
from vaiven.serving.server.tflite_signatures import declared_signatures, match_tensor_names, plain_name
from vaiven.serving.wire import messages, tensors
from vaiven.serving.wire.dtypes import kind_of_array

DEFAULT = 'serving_default'
PREDICT = 'tensorflow/serving/predict'


class TfliteModel:
    """A `model.tflite` with its signatures: those of its metadata, else its own, else one of all its tensors.

    An interpreter runs one request at a time. The model has several, and a request waits for a free one.

    Attributes:
        signatures: SignatureDefs by name.
        endpoints: the same signatures, as requests need them.
    """

    FILE: ClassVar[str] = 'model.tflite'

    def __init__(self, path: Path, interpreters: int = 1) -> None:
        """Loads the model.

        Args:
            path: the file.
            interpreters: how many requests may run at the same time.

        Raises:
            StatusError: TensorFlow Lite cannot load it.
        """
        self._path = path
        try:
            self._data = path.read_bytes()
            runtime.tensorflow().lite.Interpreter(model_content=self._data)  # raises for other files
            self._declared = declared_signatures(self._data)
            self._free: queue.SimpleQueue[_Interpreter] = queue.SimpleQueue()
            for _ in range(interpreters):
                interpreter = self._new_interpreter()
                self._free.put(interpreter)
            self.signatures: Mapping[str, Any] = interpreter.signatures()
            self.endpoints: Mapping[str, Endpoint] = endpoints(self.signatures)
        except (OSError, ValueError, RuntimeError) as error:
            raise self._load_error(error) from error

    def _new_interpreter(self) -> '_Interpreter':
        interpreter = runtime.tensorflow().lite.Interpreter(model_content=self._data)
        if not self._declared and interpreter.get_signature_list():
            return _OwnSignatures(interpreter)
        return _AllTensors(interpreter, self._declared)

    def _load_error(self, error: Exception) -> StatusError:
        return invalid_argument(f'{self._path} is not a TFLite model that can run here: {one_line(error)}')

    def run_signatures(self) -> None:
        """Runs each signature once, on zeros and empty strings. Raises StatusError if one fails."""
        for signature in self.signatures.values():
            feeds = {info.name: _zeros(info) for info in signature.inputs.values()}
            try:
                self.run(feeds, [info.name for info in signature.outputs.values()])
            except StatusError as error:
                raise self._load_error(error) from error

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        fetches: Sequence[str],
        timeout: float | None = None,
        *,
        single_threaded: bool = False,
    ) -> list[NDArray[Any]]:
        """Values of the tensors `fetches`.

        Args:
            feeds: values of input tensors, by their names.
            fetches: names of the output tensors.
            timeout: seconds to wait for a free interpreter; None for any time. A started run cannot be cancelled.
            single_threaded: has no effect.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or INVALID_ARGUMENT with the text of TensorFlow Lite.
        """
        try:
            interpreter = self._free.get(timeout=timeout)
        except queue.Empty:
            raise StatusError(Code.DEADLINE_EXCEEDED, 'Timed out waiting for a TFLite interpreter') from None
        try:
            return interpreter.run(feeds, fetches)
        except (ValueError, RuntimeError) as error:
            # A failed interpreter keeps its error texts and would add them to the next error.
            interpreter = self._new_interpreter()
            raise invalid_argument(one_line(error)) from error
        finally:
            self._free.put(interpreter)

    def fixed_cost(self, fetches: Sequence[str]) -> bool:
        """Returns False: a run may wait for an interpreter, so it must not happen in the event loop."""
        return False

    def prepared(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> bool:
        """Returns False: TensorFlow Lite has no such runs."""
        return False

    def close(self) -> None:
        """Frees the interpreters. No `run` may be in progress."""
        while not self._free.empty():
            self._free.get()


def one_line(error: Exception) -> str:
    """The text of an error in one line; TensorFlow Lite uses several."""
    text = error.message if isinstance(error, StatusError) else str(error)
    return ' '.join(text.split())


def _zeros(info: Any) -> NDArray[Any]:
    proto = messages.TensorProto(dtype=info.dtype)
    for dim in info.tensor_shape.dim:
        proto.tensor_shape.dim.add(size=max(1, dim.size))  # −1 is an unknown size
    return tensors.to_array(proto)


class _Interpreter(Protocol):
    """An interpreter with its signatures."""

    def signatures(self) -> dict[str, Any]:
        """SignatureDefs by name."""

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """The values of `fetches`. Raises ValueError and RuntimeError."""


class _OwnSignatures:
    """An interpreter with the signatures of the model itself.

    Feeds and fetches name a tensor `SIGNATURE/ALIAS`: every signature has its own subgraph, and the names of tensors
    are unique only within a subgraph.
    """

    def __init__(self, interpreter: Any) -> None:
        self._runners = {
            key: interpreter.get_signature_runner(key) for key in interpreter.get_signature_list()
        }

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        # All tensors of a request belong to one signature, so the first fetch names it.
        key = next(key for key in self._runners if fetches[0].startswith(key + '/'))
        start = len(key) + 1
        values = self._runners[key](**{name[start:]: value for name, value in feeds.items()})
        return [np.asarray(values[name[start:]]) for name in fetches]

    def signatures(self) -> dict[str, Any]:
        signatures = {}
        for key, runner in self._runners.items():
            signature = signatures[key] = messages.SignatureDef(method_name=PREDICT)
            for infos, details in (
                (signature.inputs, runner.get_input_details()),
                (signature.outputs, runner.get_output_details()),
            ):
                for alias, detail in details.items():
                    _describe(infos[alias], f'{key}/{alias}', detail)
        return signatures


class _AllTensors:
    """The tensors of the model's main subgraph, in the declared signatures, or else all in one signature."""

    def __init__(self, interpreter: Any, declared: Mapping[str, Any]) -> None:
        self._interpreter = interpreter
        self._declared = declared
        self._inputs = _by_name(interpreter.get_input_details(), 'Input')
        self._outputs = _by_name(interpreter.get_output_details(), 'Output')
        match_tensor_names(declared, set(self._inputs), set(self._outputs))

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        for name, value in feeds.items():
            # The converter fixes the batch dimension at 1; requests have any number of rows.
            self._interpreter.resize_tensor_input(self._inputs[name]['index'], value.shape)
        self._interpreter.allocate_tensors()
        for name, detail in self._inputs.items():
            tensor = feeds.get(name)
            if tensor is None:
                # An input of another signature: without this it would keep the values of an earlier request.
                tensor = np.zeros_like(self._interpreter.get_tensor(detail['index']))
            self._interpreter.set_tensor(detail['index'], tensor)
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(self._outputs[name]['index'])) for name in fetches]

    def signatures(self) -> dict[str, Any]:
        if self._declared:
            return dict(self._declared)
        signature = messages.SignatureDef(method_name=PREDICT)
        for infos, details in ((signature.inputs, self._inputs), (signature.outputs, self._outputs)):
            for name, detail in details.items():
                _describe(infos[plain_name(name)], name, detail)
        return {DEFAULT: signature}


def _by_name(details: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    names = [detail['name'] for detail in details]
    for name in names:
        if names.count(name) > 1:
            raise invalid_argument(f'{kind} tensor name: {name} has multiple indices')
    return dict(zip(names, details, strict=True))


def _describe(info: Any, name: str, detail: Mapping[str, Any]) -> None:
    info.name = name
    info.dtype = kind_of_array(np.empty(0, detail['dtype'])).number
    for size in detail.get('shape_signature', detail['shape']):
        info.tensor_shape.dim.add(size=int(size))
