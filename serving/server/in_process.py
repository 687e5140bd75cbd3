"""The server's services in the process of the caller, without ports: for clients of `saved-model:` addresses."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from vaiven.serving.common.version_folders import VersionPolicy
from vaiven.serving.server import availability
from vaiven.serving.server.api import Api, Call
from vaiven.serving.server.flags import Options
from vaiven.serving.server.loader import Loader
from vaiven.serving.server.manager import Manager
from vaiven.serving.server.model_config import ModelConfig
from vaiven.serving.server.served_model import ServingOptions
from vaiven.serving.wire import messages

ENTRYPOINT = 'LOCAL'

# A request message and its deadline on the clock `time.monotonic`, to the response message.
Method = Callable[[Any, float], Awaitable[Any]]


class InProcessServer:
    """One model, served to callers in this process. New versions are loaded as they appear.

    Attributes:
        methods: the coroutine functions that answer requests, by the names of the RPCs. They are called in one event
            loop and raise StatusError.
    """

    def __init__(
        self, name: str, base_path: Path, workers: Executor, policy: VersionPolicy | None = None
    ) -> None:
        """Loads the model, and returns when it has an AVAILABLE version.

        Args:
            name: name of the model.
            base_path: folder with its numbered versions.
            workers: threads for runs of the model.
            policy: which versions are loaded; None for the newest.

        Raises:
            ModuleNotFoundError: TensorFlow or tensorflow-text is not installed.
            StatusError: no version can be loaded.
        """
        loader = Loader(Options(), workers)
        # A caller waits for this load: an error now is better than retries for minutes.
        self._manager = Manager(loader.load, ServingOptions(load_retries=0))
        self._api = Api(self._manager)
        model = ModelConfig(name, base_path, policy or VersionPolicy())
        try:
            availability.wait(self._manager, self._api.configuration.apply([model], from_file=True))
        except BaseException:
            self._manager.stop()
            raise
        api = self._api
        self.methods: dict[str, Method] = {
            'Predict': lambda request, deadline: api.predict(request, Call(ENTRYPOINT, deadline)),
            'Classify': lambda request, deadline: api.classify(request, Call(ENTRYPOINT, deadline)),
            'Regress': lambda request, deadline: api.regress(request, Call(ENTRYPOINT, deadline)),
            'MultiInference': lambda request, deadline: api.multi_inference(
                request, Call(ENTRYPOINT, deadline)
            ),
            'GetModelMetadata': self._metadata,
            'GetModelStatus': self._status,
            'HandleReloadConfigRequest': lambda request, deadline: api.reload(
                request, Call(ENTRYPOINT, deadline)
            ),
            'Check': self._check,
        }

    def stop(self) -> None:
        """Unloads the model; running requests keep their version to the end."""
        self._manager.stop()

    async def _status(self, request: Any, deadline: float) -> Any:
        return self._api.status(request)

    async def _metadata(self, request: Any, deadline: float) -> Any:
        return self._api.metadata(request)

    async def _check(self, request: Any, deadline: float) -> Any:
        response = messages.HealthCheckResponse
        return response(status=response.SERVING if self._api.ready() else response.NOT_SERVING)
