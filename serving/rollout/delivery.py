"""How a changed configuration gets to the server: by its ModelService, or in the file that it polls."""

import time
from pathlib import Path
from typing import Any, Protocol

from vaiven.serving.client import Client
from vaiven.serving.common import files
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration


class Delivery(Protocol):
    """Brings a whole ModelServerConfig to the server, which may take it up later."""

    def send(self, config: Any, timeout: float) -> None: ...

    def taken(self) -> None:
        """To be called when the server says what was sent last."""

    def settle(self) -> None:
        """Waits until all servers that take it have taken what the one that is asked has."""

    def not_taken(self, what: str, timeout: float) -> ServingError:
        """Why the server is as it was; undoes what else it might still take up."""


class ByReload:
    """Through the server's ModelService; where the server has a file, it is written after the server agreed."""

    def __init__(self, client: Client, path: Path | None = None) -> None:
        self._client = client
        self._path = path

    def send(self, config: Any, timeout: float) -> None:
        """Raises RequestError where the server refuses; nothing is changed then."""
        self._client.reload_config(config, timeout=timeout)
        if self._path is not None:
            files.replace_message(self._path, config)

    def taken(self) -> None:
        pass

    def settle(self) -> None:
        """There is one server, and it has been asked."""

    def not_taken(self, what: str, timeout: float) -> ServingError:
        return ServingError(f'the server took the change, but {what}: look at its log')


class ByFile:
    """In the file that servers read again by themselves (`--model_config_file_poll_wait_seconds`)."""

    def __init__(self, path: Path, settle_seconds: float = 0.0) -> None:
        """Writes `path`; after `settle_seconds` every server has read it. Raises ServingError if it is no good."""
        self._path = path
        self._settle_seconds = settle_seconds
        self._taken = configuration.read(path)
        self._sent = self._taken

    def send(self, config: Any, timeout: float) -> None:
        """Raises ServingError where the file cannot be written."""
        files.replace_message(self._path, config)
        self._sent = config

    def taken(self) -> None:
        self._taken = self._sent

    def settle(self) -> None:
        time.sleep(self._settle_seconds)

    def not_taken(self, what: str, timeout: float) -> ServingError:
        files.replace_message(self._path, self._taken)
        return ServingError(
            f'the server has not taken {self._path} within {timeout:g} s ({what}), and the file is as it was: '
            'it must be started with this --model_config_file and --model_config_file_poll_wait_seconds'
        )
