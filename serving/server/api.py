"""What the server answers, whichever port a request came by: request message in, response message out.

Every method raises StatusError where the request is to fail.
"""

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from vaiven.serving.common.status import Code, StatusError, invalid_argument, not_found
from vaiven.serving.server import inference
from vaiven.serving.server.configuration import Configuration
from vaiven.serving.server.execution import Steps, clocked
from vaiven.serving.server.manager import Manager
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.version import Version
from vaiven.serving.wire import messages, tensors

SIGNATURE_FIELD = 'signature_def'
# Of a tensor whose conversion would hold the event loop up.
MANY_VALUES = 1 << 13


_GRPC_NAMES = {
    'predict': 'Predict',
    'classify': 'Classify',
    'regress': 'Regress',
    'multi_inference': 'MultiInference',
}


class Call(NamedTuple):
    """How a request came.

    Attributes:
        entrypoint: `GRPC` or `REST`.
        deadline: on the clock `time.monotonic`; None for none.
        large: see `Execution.answer`.
        peer: says who calls, as gRPC names it; '' where nobody knows.
    """

    entrypoint: str
    deadline: float | None = None
    large: bool = False
    peer: Callable[[], str] = str


class Api:
    """PredictionService and ModelService on the models of a manager. To be used from the event loop."""

    def __init__(
        self,
        manager: Manager,
        *,
        as_content: bool = False,
        check_methods: bool = False,
        most: int = 1024,
        most_rows: int = 0,
        max_repeated_bytes: int = tensors.MAX_REPEATED_BYTES,
        metrics: Metrics | None = None,
        configuration: Configuration | None = None,
    ) -> None:
        """The API.

        Args:
            manager: has the models.
            as_content: answer with `tensor_content`.
            check_methods: the method of a signature must fit the request.
            most: inference requests at the same time; one more is RESOURCE_EXHAUSTED.
            most_rows: rows or examples of a request; 0 for any number.
            max_repeated_bytes: memory of a tensor that a request gives in short.
            metrics: counts requests; None for nobody.
            configuration: changes what is served, and has the request logs; None for one without a file.
        """
        self.manager = manager
        self.draining = False
        self._running = 0
        self._most = most
        self._most_rows = most_rows
        self._as_content = as_content
        self._max_repeated_bytes = max_repeated_bytes
        self._check = check_methods
        self._metrics = metrics
        self.configuration = configuration or Configuration(manager, metrics=metrics)

    def ready(self) -> bool:
        """Whether traffic should come here, see `Manager.ready`, and the server stays."""
        return not self.draining and self.manager.ready()

    async def predict(self, request: Any, call: Call) -> Any:
        """A PredictResponse to a PredictRequest."""
        steps = partial(
            inference.predict,
            # JSON is made of arrays: typed lists between would only take time, and hold others up.
            as_content=self._as_content or call.entrypoint == 'REST',
            max_repeated_bytes=self._max_repeated_bytes,
        )
        call = call._replace(large=call.large or _declares_much(request))
        return await self._infer('predict', request, _spec(request), steps, call)

    async def classify(self, request: Any, call: Call) -> Any:
        """A ClassificationResponse to a ClassificationRequest."""
        return await self._infer('classify', request, _spec(request), inference.classify, call)

    async def regress(self, request: Any, call: Call) -> Any:
        """A RegressionResponse to a RegressionRequest."""
        return await self._infer('regress', request, _spec(request), inference.regress, call)

    async def multi_inference(self, request: Any, call: Call) -> Any:
        """A MultiInferenceResponse. The first task's ModelSpec picks the version for all, as upstream."""
        if not request.tasks:
            raise invalid_argument('Inference request tasks is empty')
        spec = _spec(request.tasks[0])
        return await self._infer('multi_inference', request, spec, inference.multi_inference, call)

    async def _infer(
        self, kind: str, request: Any, spec: Any, steps: 'Callable[..., Steps[Any]]', call: Call
    ) -> Any:
        began = time.perf_counter()
        code, number = Code.OK, None
        self._running += 1
        if self._metrics is not None:
            self._metrics.in_flight(call.entrypoint, 1)
        try:
            self._check_limits(request)
            with self.manager.acquire(spec) as version:
                number = version.number
                answering = steps(version, request, check_method=self._check)
                if self._metrics is not None:
                    runtime = partial(self._metrics.runtime, spec.name, _GRPC_NAMES[kind])
                    answering = clocked(answering, runtime)
                response = await version.execution.answer(answering, call.deadline, large=call.large)
            kept = self.configuration.logs.get(spec.name)
            if kept is not None and kept.wants():
                kept.write(kind, request, response, number)
            return response
        except StatusError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        except Exception:
            code = Code.INTERNAL
            raise
        finally:
            self._running -= 1
            if self._metrics is not None:
                self._metrics.in_flight(call.entrypoint, -1)
                signature = (
                    '' if kind == 'multi_inference' else spec.signature_name or inference.DEFAULT_SIGNATURE
                )
                name = kind if call.entrypoint == 'REST' else _GRPC_NAMES[kind]
                seconds = time.perf_counter() - began
                examples = 0 if kind == 'predict' else _rows(request)
                self._metrics.request(
                    spec.name, number, signature, name, call.entrypoint, code.name, seconds, examples
                )

    def _check_limits(self, request: Any) -> None:
        if self._running > self._most:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f'the server is busy with {self._most} requests, the most it takes at a time: try again later',
            )
        if self._most_rows and _rows(request) > self._most_rows:
            raise invalid_argument(
                f'a request may have {self._most_rows} rows. Received: {_rows(request)}; send them in parts'
            )

    def metadata(self, request: Any) -> Any:
        spec = _spec(request)
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
        """Only the version of the ModelSpec is looked at; a label is ignored, as upstream."""
        spec = _spec(request)
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
        """A ReloadConfigResponse, when models that are new have an AVAILABLE version; see `Configuration.reload`."""
        await self.configuration.reload(request.config)
        response = messages.ReloadConfigResponse()
        response.status.SetInParent()
        for name in request.metric_names:
            if self._metrics is not None:
                response.metric.add(name=name, int64_value_increase=self._metrics.value(name))
        return response

    def close(self) -> None:
        """Completes the request logs. Not to be called in the event loop."""
        self.configuration.close()

    def signature_inputs(self, spec: Any, name: str) -> dict[str, Any]:
        """The TensorInfo of each input of a signature, for decoding JSON by it."""
        with self.manager.acquire(spec) as version:
            signature = version.model.signatures.get(name or inference.DEFAULT_SIGNATURE)
            if signature is None:
                raise invalid_argument(
                    f'Serving signature name: "{name or inference.DEFAULT_SIGNATURE}" '
                    'not found in signature def'
                )
            return dict(signature.inputs)


def _spec(request: Any) -> Any:
    if not request.HasField('model_spec'):
        raise invalid_argument('Missing ModelSpec')
    return request.model_spec


def _declares_much(request: Any) -> bool:
    """Whether a PredictRequest has inputs that are large, however short the message: a value can be repeated."""
    return any(
        math.prod(dim.size for dim in value.tensor_shape.dim) >= MANY_VALUES
        for value in request.inputs.values()
    )


def _rows(request: Any) -> int:
    """Rows or examples of an inference request; of tensors without a dimension: 1."""
    if request.DESCRIPTOR.name != 'PredictRequest':
        kind = request.input.WhichOneof('kind')
        return len(getattr(request.input, kind).examples) if kind else 0
    return max(
        (
            value.tensor_shape.dim[0].size if value.tensor_shape.dim else 1
            for value in request.inputs.values()
        ),
        default=0,
    )


def _write_state(status: Any, version: Version) -> None:
    status.version = version.number
    status.state = int(version.state)
    status.status.SetInParent()
    if version.error is not None:
        status.status.error_code = int(version.error.code)
        status.status.error_message = version.error.message
