"""A SavedModel in this process: no server, no ports, the same responses. It needs TensorFlow.

with Client('saved-model:vaiven-runs/reviews/serving/reviews') as client:
    client.predict('reviews', {'text': ['What a film!']})
"""

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaiven.serving.client import grpc_flows
from vaiven.serving.client.errors import request_error
from vaiven.serving.client.results import Target
from vaiven.serving.client.transport import SAVED_MODEL, Call, RequestFlows
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.version_folders import VersionPolicy, is_saved_model

if TYPE_CHECKING:
    from vaiven.serving.server.in_process import InProcessServer

THREADS = 8


class LocalTransport:
    """A `Transport` to the code of the embedded server. The first request loads the model, outside its timeout."""

    flows: RequestFlows = grpc_flows

    def __init__(self, address: str) -> None:
        """Opens `saved-model:` and a folder: a SavedModel, or numbered versions, of which the newest is loaded.

        The model is called like the folder of versions, and new versions are loaded as they appear.

        Raises:
            ServingError: there is no such folder, or it holds neither.
        """
        self.address = address
        self._folder = Path(address.removeprefix(SAVED_MODEL)).absolute()
        _check(self._folder)
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._threads = ThreadPoolExecutor(THREADS, 'request')
        self._links: tempfile.TemporaryDirectory[str] | None = None
        self._server: InProcessServer | None = None
        self._answers: dict[str, Callable[[Any, float], Awaitable[Any]]] = {}
        self._closed = False

    def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        from vaiven.serving.common.status import StatusError

        try:
            with self._lock:
                if self._closed:
                    raise request_error('CANCELLED', 'the client is closed', self.address, timeout, target)
                if not self._answers:
                    self._load()
                answering = self._answers[call.method](call.request, time.monotonic() + timeout)
                answered = asyncio.run_coroutine_threadsafe(_awaited(answering), self._loop)
            return answered.result()
        except StatusError as error:
            raise request_error(error.code.name, error.message, self.address, timeout, target) from error
        except CancelledError as error:
            raise request_error('CANCELLED', 'the client is closed', self.address, timeout, target) from error

    def close(self) -> None:
        """Unloads the model. Requests in flight end with CANCELLED."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._server is not None:
                self._server.stop()
                self._loop.call_soon_threadsafe(self._loop.stop)
            else:
                self._loop.close()
            self._threads.shutdown(wait=False, cancel_futures=True)
            if self._links is not None:
                self._links.cleanup()

    def _load(self) -> None:
        """Loads the model. Raises ServingError without TensorFlow, and StatusError if no version can be loaded."""
        try:
            from vaiven.serving.server.in_process import InProcessServer
        except ModuleNotFoundError as error:
            raise _missing_library(error) from error
        tensorflow = logging.getLogger('tensorflow')
        level = tensorflow.level
        # TensorFlow warns once that its loader of SavedModels is deprecated, which no user of a client can change.
        tensorflow.setLevel(logging.ERROR)
        try:
            name, base_path, policy = self._model()
            self._server = server = InProcessServer(name, base_path, self._threads, policy)
        except ModuleNotFoundError as error:
            raise _missing_library(error) from error
        finally:
            tensorflow.setLevel(level)
        threading.Thread(target=self._run, name='saved-model', daemon=True).start()
        self._answers = server.methods

    def _run(self) -> None:
        self._loop.run_forever()  # until `close`
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))
        self._loop.close()

    def _model(self) -> tuple[str, Path, VersionPolicy]:
        """Returns the name of the model, the folder of its versions, and the versions to load."""
        if not is_saved_model(self._folder):
            return self._folder.name, self._folder, VersionPolicy()
        if self._folder.name.isdecimal():
            policy = VersionPolicy(specific=(int(self._folder.name),))
            return self._folder.parent.name, self._folder.parent, policy
        # The server reads numbered versions only: a link named `1` makes the folder one.
        self._links = tempfile.TemporaryDirectory(prefix='vaiven-')
        (Path(self._links.name) / '1').symlink_to(self._folder)
        return self._folder.name, Path(self._links.name), VersionPolicy()


def _missing_library(error: ModuleNotFoundError) -> ServingError:
    return ServingError(
        f"a model in this process needs {error.name}: pip install 'vaiven[pipeline]', or ask a server"
    )


async def _awaited(answering: Awaitable[Any]) -> Any:
    return await answering


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise ServingError(
            f'there is no folder {folder}: name a SavedModel, or a folder of numbered versions'
        )
    if not is_saved_model(folder) and not any(each.name.isdecimal() for each in folder.iterdir()):
        raise ServingError(
            f'{folder} is not a SavedModel and has no numbered version of one: name another folder'
        )
