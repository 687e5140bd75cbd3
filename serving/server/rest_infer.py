"""Predict, Classify and Regress over REST: from the body of a request to the body of its response."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from vaiven.serving.common.status import StatusError, invalid_argument
from vaiven.serving.server import garbage_collection, json_document, rest_examples, rest_predict
from vaiven.serving.server.api import Api, Call
from vaiven.serving.server.inference import DEFAULT_SIGNATURE
from vaiven.serving.server.json_document import NeedsWorkerError
from vaiven.serving.server.json_exact import ENCODING
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.rest_examples import examples_input
from vaiven.serving.wire import messages, tensors

LARGE_BYTES = 1 << 16  # parsing takes about a millisecond
# Threads for large bodies. All share Python's interpreter lock: with more, small requests would wait longer for it.
LARGE_THREADS = 2
# Characters between two pauses, in which other threads get the interpreter lock.
_PAUSE_EVERY = 1 << 16
_PAUSE_SECONDS = 0.0002
T = TypeVar('T')


class RestInference:
    """Parses JSON, calls the API and writes JSON, large bodies in worker threads."""

    def __init__(self, api: Api, workers: Executor, metrics: Metrics | None = None) -> None:
        """
        Args:
            api: answers the requests.
            workers: threads for bodies that need the slow parser.
            metrics: counts requests that fail before they reach the API: invalid bodies and unknown models.
        """
        self._api = api
        self._workers = workers
        self._metrics = metrics
        self._large = ThreadPoolExecutor(LARGE_THREADS, 'large-body')

    async def predict(self, spec: Any, body: bytes, deadline: float) -> list[bytes]:
        """The body of the response to a predict request, in parts.

        Args:
            spec: the ModelSpec from the path.
            body: the decompressed body of the request.
            deadline: on the clock `time.monotonic`.

        Raises:
            StatusError: the request is invalid or fails.
        """

        def read(values: dict[str, Any]) -> tuple[Any, bool]:
            inputs = self._api.signature_inputs(spec, spec.signature_name)
            if not inputs:
                name = spec.signature_name or 'DEFAULT'
                raise invalid_argument(f'Failed to get input map for signature: {name}')
            arrays, row_format = rest_predict.predict_inputs(values, inputs)
            request = messages.PredictRequest(model_spec=spec)
            for name, array in arrays.items():
                tensors.write_proto(request.inputs[name], array)
                json_document.release_items(array)
            return request, row_format

        request, row_format = await self._decode('predict', spec, body, deadline, read)
        large = len(body) >= LARGE_BYTES
        response = await self._api.predict(request, Call('REST', deadline, large))
        # As text, a number takes several times its bytes in the message.
        large = large or response.ByteSize() >= LARGE_BYTES // 8
        return await self._encode(large, lambda: rest_predict.predict_outputs(response, row_format))

    async def classify(self, spec: Any, body: bytes, deadline: float) -> list[bytes]:
        """The body of the response to a classify request, in parts.

        Args:
            spec: the ModelSpec from the path.
            body: the decompressed body of the request.
            deadline: on the clock `time.monotonic`.

        Raises:
            StatusError: the request is invalid or fails.
        """
        examples = await self._decode(
            'classify', spec, body, deadline, partial(examples_input, method='classify')
        )
        request = messages.ClassificationRequest(model_spec=spec, input=examples)
        large = len(body) >= LARGE_BYTES
        response = await self._api.classify(request, Call('REST', deadline, large))
        return await self._encode(large, lambda: [rest_examples.classification_outputs(response)])

    async def regress(self, spec: Any, body: bytes, deadline: float) -> list[bytes]:
        """The body of the response to a regress request, in parts.

        Args:
            spec: the ModelSpec from the path.
            body: the decompressed body of the request.
            deadline: on the clock `time.monotonic`.

        Raises:
            StatusError: the request is invalid or fails.
        """
        examples = await self._decode(
            'regress', spec, body, deadline, partial(examples_input, method='regress')
        )
        request = messages.RegressionRequest(model_spec=spec, input=examples)
        large = len(body) >= LARGE_BYTES
        response = await self._api.regress(request, Call('REST', deadline, large))
        return await self._encode(large, lambda: [rest_examples.regression_outputs(response)])

    def close(self) -> None:
        """Starts no more work."""
        self._large.shutdown(wait=False, cancel_futures=True)

    async def _decode(
        self, api: str, spec: Any, body: bytes, deadline: float, read: 'Callable[[dict[str, Any]], T]'
    ) -> 'T':
        """Parses `body`, writes the signature that it names to `spec`, and returns the result of `read`.

        Args:
            api: name of the method, for the metrics.
            spec: the ModelSpec from the path.
            body: the decompressed body of the request.
            deadline: on the clock `time.monotonic`.
            read: converts the JSON object.

        Raises:
            StatusError: the body is invalid.
        """
        start = time.perf_counter()
        loop = asyncio.get_running_loop()
        try:
            if len(body) >= LARGE_BYTES:
                return await loop.run_in_executor(self._large, _read_large, body, spec, deadline, read)
            try:
                values = json_document.parse(body, in_event_loop=True)
            except NeedsWorkerError:
                values = await loop.run_in_executor(self._workers, json_document.parse, body, deadline)
            _read_signature(values, spec)
            return read(values)
        except StatusError as error:
            if self._metrics is not None:
                seconds = time.perf_counter() - start
                name = spec.signature_name or DEFAULT_SIGNATURE
                self._metrics.request(spec.name, None, name, api, 'REST', error.code.name, seconds)
            raise

    async def _encode(self, large: bool, write: Callable[[], Iterable[str]]) -> list[bytes]:
        """The body whose parts `write` returns; a large one is written in a worker thread."""
        if not large:
            return [_to_bytes(''.join(write()))]
        return await asyncio.get_running_loop().run_in_executor(self._large, _write_large, write)


def _read_large(body: bytes, spec: Any, deadline: float, read: 'Callable[[dict[str, Any]], T]') -> 'T':
    with garbage_collection.postpone_full_collections():
        values = json_document.parse(body, deadline)
        try:
            _read_signature(values, spec)
            return read(values)
        finally:
            json_document.release(values)


def _write_large(write: Callable[[], Iterable[str]]) -> list[bytes]:
    parts = []
    size = 0
    for part in write():
        parts.append(_to_bytes(part))
        size += len(part)
        if size >= _PAUSE_EVERY:
            size = 0
            time.sleep(_PAUSE_SECONDS)
    return parts


def _to_bytes(text: str) -> bytes:
    return text.encode(*ENCODING)


def _read_signature(values: dict[str, Any], spec: Any) -> None:
    name = rest_predict.read_signature_name(values)
    # A proto string cannot hold half a surrogate pair. Replaced, it matches no name.
    spec.signature_name = name.encode('utf-8', 'replace').decode('utf-8')
