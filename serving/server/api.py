"""The services of the server, independent of gRPC and REST: request message in, response message out.

Every method raises StatusError for a request that fails.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple

from vaiven.serving.common.status import Code, StatusError, invalid_argument, not_found
from vaiven.serving.server import inference
from vaiven.serving.server.batch_tasks import OnEnd
from vaiven.serving.server.configuration import Configuration
from vaiven.serving.server.manager import Manager
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.request_sizes import count_rows, has_large_inputs
from vaiven.serving.server.steps import Steps, with_timing
from vaiven.serving.server.version import Version
from vaiven.serving.wire import messages, tensors

SIGNATURE_FIELD = 'signature_def'
# The label `API` of the stock metrics.
_GRPC_NAMES = {
    'predict': 'Predict',
    'classify': 'Classify',
    'regress': 'Regress',
    'multi_inference': 'MultiInference',
}


class Call(NamedTuple):
    """How a request arrived.

    Attributes:
        entrypoint: `GRPC`, `REST` or `LOCAL`, as the metrics label it.
        deadline: on the clock `time.monotonic`; None for none.
        large: whether to parse and build messages would block the event loop, so that a worker thread does it.
        peer: returns the caller's address, as gRPC names it; '' where it is unknown.
        on_end: of a call in a thread of its own: registers a function for the end of the call. None for a call in the
            event loop, whose end cancels its task.
    """

    entrypoint: str
    deadline: float | None = None
    large: bool = False
    peer: Callable[[], str] = str
    on_end: OnEnd | None = None


class Api:
    """PredictionService and ModelService on the models of a manager. It is thread-safe.

    The coroutines of inference never suspend for a call with `on_end`: their waiting blocks its thread. `complete` runs
    them there.

    Attributes:
        manager: serves the models.
        configuration: changes the served models.
        draining: whether the server is shutting down.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        as_tensor_content: bool = False,
        check_method_names: bool = False,
        max_concurrent_requests: int = 1024,
        max_batch_rows: int = 0,
        max_repeated_bytes: int = tensors.MAX_REPEATED_BYTES,
        metrics: Metrics | None = None,
        configuration: Configuration | None = None,
    ) -> None:
        """The API.

        Args:
            manager: serves the models.
            as_tensor_content: whether responses have `tensor_content`; upstream writes typed lists by default.
            check_method_names: whether the `method_name` of a signature must match the request.
            max_concurrent_requests: one more inference request fails with RESOURCE_EXHAUSTED.
            max_batch_rows: maximum rows or examples of a request; 0 for any number.
            max_repeated_bytes: maximum memory of a tensor whose last value the request repeats.
            metrics: counts requests; None for no metrics.
            configuration: changes the served models and owns the request logs; None for one without a file.
        """
        self.manager = manager
        self.draining = False
        self._running = 0
        self._lock = threading.Lock()
        self._max_concurrent_requests = max_concurrent_requests
        self._max_batch_rows = max_batch_rows
        self._as_tensor_content = as_tensor_content
        self._max_repeated_bytes = max_repeated_bytes
        self._check_method_names = check_method_names
        self._metrics = metrics
        self.configuration = configuration or Configuration(manager, metrics=metrics)

    def ready(self) -> bool:
        """Whether requests should be sent here: the models are available, and the server is not shutting down."""
        return not self.draining and self.manager.ready()

    async def predict(self, request: Any, call: Call) -> Any:
        """A PredictResponse to a PredictRequest."""
        steps = partial(
            inference.predict,
            # JSON is written from arrays: the typed lists of a gRPC response would only take time on the way.
            as_tensor_content=self._as_tensor_content or call.entrypoint == 'REST',
            max_repeated_bytes=self._max_repeated_bytes,
        )
        if call.on_end is None and not call.large and has_large_inputs(request):
            call = call._replace(large=True)
        return await self._infer('predict', request, _model_spec(request), steps, call)

    async def classify(self, request: Any, call: Call) -> Any:
        """A ClassificationResponse to a ClassificationRequest."""
        return await self._infer('classify', request, _model_spec(request), inference.classify, call)

    async def regress(self, request: Any, call: Call) -> Any:
        """A RegressionResponse to a RegressionRequest."""
        return await self._infer('regress', request, _model_spec(request), inference.regress, call)

    async def multi_inference(self, request: Any, call: Call) -> Any:
        """A MultiInferenceResponse. As upstream, the ModelSpec of the first task picks the version for all."""
        if not request.tasks:
            raise invalid_argument('Inference request tasks is empty')
        spec = _model_spec(request.tasks[0])
        return await self._infer('multi_inference', request, spec, inference.multi_inference, call)

    async def _infer(
        self, kind: str, request: Any, spec: Any, steps: 'Callable[..., Steps[Any]]', call: Call
    ) -> Any:
        start = time.perf_counter()
        code, number = Code.OK, None
        with self._lock:
            self._running += 1
        if self._metrics is not None:
            self._metrics.in_flight(call.entrypoint, 1)
        try:
            self._check_limits(request)
            with self.manager.acquire(spec) as version:
                number = version.number
                request_steps = steps(version, request, check_method=self._check_method_names)
                if self._metrics is not None:
                    report = partial(self._metrics.runtime, spec.name, _GRPC_NAMES[kind])
                    request_steps = with_timing(request_steps, report)
                if call.on_end is not None:
                    response = version.execution.respond(request_steps, call.deadline, call.on_end)
                else:
                    response = await version.execution.respond_async(
                        request_steps, call.deadline, large=call.large
                    )
            # After the release of the version: a copy of large messages must not delay an unload.
            request_log = self.configuration.logs.get(spec.name)
            if request_log is not None and request_log.sampled():
                request_log.write(kind, request, response, number)
            return response
        except StatusError as error:
            code = error.code
            raise
        except asyncio.CancelledError:  # the client has hung up
            code = Code.CANCELLED
            raise
        except Exception:
            code = Code.INTERNAL
            raise
        finally:
            with self._lock:
                self._running -= 1
            if self._metrics is not None:
                self._metrics.in_flight(call.entrypoint, -1)
                # Several signatures have no common label.
                signature = (
                    '' if kind == 'multi_inference' else spec.signature_name or inference.DEFAULT_SIGNATURE
                )
                # Upstream's labels: `predict` over REST, `Predict` over gRPC.
                api_name = kind if call.entrypoint == 'REST' else _GRPC_NAMES[kind]
                seconds = time.perf_counter() - start
                examples = 0 if kind == 'predict' else count_rows(request)
                self._metrics.request(
                    spec.name, number, signature, api_name, call.entrypoint, code.name, seconds, examples
                )

    def _check_limits(self, request: Any) -> None:
        if self._running > self._max_concurrent_requests:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f'the server is busy with {self._max_concurrent_requests} requests, the most that '
                '--max_concurrent_requests allows: try again later',
            )
        rows = count_rows(request) if self._max_batch_rows else 0
        if rows > self._max_batch_rows:
            raise invalid_argument(
                f'a request may have {self._max_batch_rows} rows. Received: {rows}; send them in several requests'
            )

    def metadata(self, request: Any) -> Any:
        """A GetModelMetadataResponse with all signatures, as upstream including `__saved_model_init_op`."""
        spec = _model_spec(request)
        if not request.metadata_field:
            raise invalid_argument('GetModelMetadataRequest must specify at least one metadata_field')
        for field in request.metadata_field:
            if field != SIGNATURE_FIELD:
                raise invalid_argument(f'Metadata field {field} is not supported')
        with self.manager.acquire(spec) as version:
            response = messages.GetModelMetadataResponse()
            response.model_spec.name = version.name
            response.model_spec.version.value = version.number
            signatures = messages.SignatureDefMap(signature_def=version.model.signatures)
            response.metadata[SIGNATURE_FIELD].Pack(signatures)
            return response

    def status(self, request: Any) -> Any:
        """A GetModelStatusResponse with the states of all versions, or of the one that the ModelSpec names.

        As upstream, a label is ignored: the states of all versions are returned.
        """
        spec = _model_spec(request)
        versions = self.manager.versions(spec.name)
        if spec.HasField('version'):
            number = spec.version.value
            versions = [version for version in versions if version.number == number]
            if not versions:
                raise not_found(f'Could not find version {number} of model {spec.name}')
        if not versions:
            raise not_found(f'Could not find any versions of model {spec.name}')
        response = messages.GetModelStatusResponse()
        for version in versions:
            _write_state(response.model_version_status.add(), version)
        return response

    async def reload(self, request: Any, call: Call) -> Any:
        """A ReloadConfigResponse. It returns when all new models have an AVAILABLE version."""
        await self.configuration.reload(request.config)
        response = messages.ReloadConfigResponse()
        response.status.SetInParent()
        for name in request.metric_names:
            if self._metrics is not None:
                response.metric.add(name=name, int64_value_increase=self._metrics.value(name))
        return response

    def close(self) -> None:
        """Completes the request logs. It waits for the disk, so it must not be called in the event loop."""
        self.configuration.close()

    def signature_inputs(self, spec: Any, name: str) -> Mapping[str, Any]:
        """The TensorInfo of each input of a signature: JSON is decoded by their dtypes.

        Args:
            spec: ModelSpec of the request.
            name: name of the signature; '' for `serving_default`.

        Raises:
            StatusError: the model, version or signature does not exist.
        """
        name = name or inference.DEFAULT_SIGNATURE
        with self.manager.acquire(spec) as version:
            endpoint = version.model.endpoints.get(name)
            if endpoint is None:
                raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
            return endpoint.infos


def complete(inference_call: Coroutine[Any, Any, Any]) -> Any:
    """The response of a coroutine of inference for a call with `on_end`, which blocks this thread."""
    try:
        inference_call.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError('a call with on_end never suspends')


def _model_spec(request: Any) -> Any:
    if not request.HasField('model_spec'):
        raise invalid_argument('Missing ModelSpec')
    return request.model_spec


def _write_state(status: Any, version: Version) -> None:
    status.version = version.number
    status.state = int(version.state)
    status.status.SetInParent()
    if version.error is not None:
        status.status.error_code = int(version.error.code)
        status.status.error_message = version.error.message
