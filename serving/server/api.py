"""What the server answers, whichever port a request came by: request message in, response message out.

Every method raises StatusError where the request is to fail.
"""

from collections.abc import Callable
from typing import Any

from vaiven.serving.server import inference, modelconfig
from vaiven.serving.server.execution import Steps
from vaiven.serving.server.manager import Manager
from vaiven.serving.server.status import Code, StatusError, invalid_argument, not_found
from vaiven.serving.server.version import Version
from vaiven.serving.wire import messages

SIGNATURE_FIELD = 'signature_def'


class Api:
    """PredictionService and ModelService on the models of a manager. To be used from the event loop."""

    def __init__(
        self, manager: Manager, *, as_content: bool = False, check_methods: bool = False, most: int = 1024
    ) -> None:
        """The API.

        Args:
            manager: has the models.
            as_content: answer with `tensor_content`.
            check_methods: the method of a signature must fit the request.
            most: inference requests at the same time; one more is RESOURCE_EXHAUSTED.
        """
        self.manager = manager
        self.draining = False
        self._running = 0
        self._most = most
        self._as_content = as_content
        self._check = check_methods

    def ready(self) -> bool:
        """Whether traffic should come here: every model has an AVAILABLE version, and the server stays."""
        return not self.draining and self.manager.ready()

    async def predict(self, request: Any, deadline: float | None = None, large: bool = False) -> Any:
        """A PredictResponse.

        Args:
            request: a PredictRequest.
            deadline: on the clock `time.monotonic`, as everywhere below.
            large: see `Execution.answer`, as everywhere below.
        """
        as_content, check = self._as_content, self._check
        return await self._infer(
            _spec(request),
            lambda version: inference.predict(version, request, as_content=as_content, check_method=check),
            deadline,
            large,
        )

    async def classify(self, request: Any, deadline: float | None = None, large: bool = False) -> Any:
        check = self._check
        return await self._infer(
            _spec(request),
            lambda version: inference.classify(version, request, check_method=check),
            deadline,
            large,
        )

    async def regress(self, request: Any, deadline: float | None = None, large: bool = False) -> Any:
        check = self._check
        return await self._infer(
            _spec(request),
            lambda version: inference.regress(version, request, check_method=check),
            deadline,
            large,
        )

    async def multi_inference(self, request: Any, deadline: float | None = None, large: bool = False) -> Any:
        """The first task's ModelSpec picks the version for all, as upstream."""
        if not request.tasks:
            raise invalid_argument('Inference request tasks is empty')
        check = self._check
        return await self._infer(
            _spec(request.tasks[0]),
            lambda version: inference.multi_inference(version, request, check_method=check),
            deadline,
            large,
        )

    async def _infer(
        self, spec: Any, steps: 'Callable[[Version], Steps[Any]]', deadline: float | None, large: bool
    ) -> Any:
        if self._running >= self._most:
            raise StatusError(
                Code.RESOURCE_EXHAUSTED,
                f'the server is busy with {self._most} requests, the most it takes at a time: try again later',
            )
        self._running += 1
        try:
            with self.manager.use(spec) as version:
                return await version.execution.answer(steps(version), deadline, large=large)
        finally:
            self._running -= 1

    def metadata(self, request: Any) -> Any:
        spec = _spec(request)
        if not request.metadata_field:
            raise invalid_argument('GetModelMetadataRequest must specify at least one metadata_field')
        for field in request.metadata_field:
            if field != SIGNATURE_FIELD:
                raise invalid_argument(f'Metadata field {field} is not supported')
        with self.manager.use(spec) as version:
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

    def reload(self, request: Any) -> Any:
        """Blocks until models that are new have an AVAILABLE version; not so new versions of known ones.

        To be called in a thread of its own.
        """
        self.manager.configure(modelconfig.models(request.config))
        response = messages.ReloadConfigResponse()
        response.status.SetInParent()
        return response

    def signature_inputs(self, spec: Any, name: str) -> dict[str, Any]:
        """The TensorInfo of each input of a signature, for decoding JSON by it."""
        with self.manager.use(spec) as version:
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


def _write_state(status: Any, version: Version) -> None:
    status.version = version.number
    status.state = int(version.state)
    status.status.SetInParent()
    if version.error is not None:
        status.status.error_code = int(version.error.code)
        status.status.error_message = version.error.message
