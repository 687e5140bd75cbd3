"""Predict, Classify and Regress over REST: a body in, a body out."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from vaiven.serving.server import jsonvalues, rest_examples, rest_predict
from vaiven.serving.server.api import Api, Call
from vaiven.serving.server.inference import DEFAULT_SIGNATURE
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.status import StatusError, invalid_argument
from vaiven.serving.wire import messages, tensors

LARGE_BYTES = 1 << 16
T = TypeVar('T')


class RestInference:
    """Reads JSON, asks the API, writes JSON. Methods raise StatusError, and have the same arguments.

    Args (of each method):
        spec: the ModelSpec from the path.
        body: what came, unpacked.
        deadline: on the clock `time.monotonic`.
    """

    def __init__(self, api: Api, workers: Executor, metrics: Metrics | None = None) -> None:
        """`metrics` counts here what the API never hears of: bodies that cannot be read, models that are not there."""
        self._api = api
        self._workers = workers
        self._metrics = metrics

    async def predict(self, spec: Any, body: bytes, deadline: float) -> str:
        large = len(body) >= LARGE_BYTES

        def read() -> tuple[Any, bool]:
            values = _values(spec, body)
            inputs = self._api.signature_inputs(spec, spec.signature_name)
            if not inputs:
                name = spec.signature_name or 'DEFAULT'
                raise invalid_argument(f'Failed to get input map for signature: {name}')
            arrays, row_format = rest_predict.predict_inputs(values, inputs)
            request = messages.PredictRequest(model_spec=spec)
            for name, array in arrays.items():
                tensors.write_proto(request.inputs[name], array)
            return request, row_format

        request, row_format = await self._read('predict', spec, large, read)
        response = await self._api.predict(request, Call('REST', deadline, large))
        return await self._apart(large, lambda: rest_predict.predict_outputs(response, row_format))

    async def classify(self, spec: Any, body: bytes, deadline: float) -> str:
        large = len(body) >= LARGE_BYTES
        examples = await self._read('classify', spec, large, lambda: _examples(spec, body, 'classify'))
        request = messages.ClassificationRequest(model_spec=spec, input=examples)
        response = await self._api.classify(request, Call('REST', deadline, large))
        return await self._apart(large, lambda: rest_examples.classification_outputs(response))

    async def regress(self, spec: Any, body: bytes, deadline: float) -> str:
        large = len(body) >= LARGE_BYTES
        examples = await self._read('regress', spec, large, lambda: _examples(spec, body, 'regress'))
        request = messages.RegressionRequest(model_spec=spec, input=examples)
        response = await self._api.regress(request, Call('REST', deadline, large))
        return await self._apart(large, lambda: rest_examples.regression_outputs(response))

    async def _read(self, api: str, spec: Any, large: bool, read: 'Callable[[], T]') -> 'T':
        began = time.perf_counter()
        try:
            return await self._apart(large, read)
        except StatusError as error:
            if self._metrics is not None:
                seconds = time.perf_counter() - began
                name = spec.signature_name or DEFAULT_SIGNATURE
                self._metrics.request(spec.name, None, name, api, 'REST', error.code.name, seconds)
            raise

    async def _apart(self, large: bool, work: 'Callable[[], T]') -> 'T':
        """`work` done, in a worker thread where it would hold the event loop up."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, work) if large else work()


def _values(spec: Any, body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; the signature it names is written to `spec`."""
    values = jsonvalues.parse(body)
    name = rest_predict.read_signature_name(values)
    # Half surrogates fit in no proto string; replaced, they match no name.
    spec.signature_name = name.encode('utf-8', 'replace').decode('utf-8')
    return values


def _examples(spec: Any, body: bytes, method: str) -> Any:
    return rest_examples.examples_input(_values(spec, body), method)
