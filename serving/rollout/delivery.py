"""How a changed configuration reaches the server: through its ModelService, or in the file that it polls."""

import time
from pathlib import Path
from typing import Any, Protocol

from vaiven.serving.client import Client
from vaiven.serving.common import files
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration


class Delivery(Protocol):
    """Delivers a whole ModelServerConfig to the server, which may apply it later."""

    def send(self, config: Any, timeout: float) -> None:
        """Sends a configuration; the server has `timeout` seconds to answer."""

    def confirm(self) -> None:
        """Records that the server has applied the configuration that was sent last."""

    def wait_until_applied(self) -> None:
        """Waits until all servers have applied what the queried server has applied."""

    def revert(self, difference: str, timeout: float) -> ServingError:
        """Withdraws a configuration that the server did not apply in time.

        Args:
            difference: what the server still has otherwise.
            timeout: seconds that the server had.

        Returns:
            The error to raise.
        """


class ByReload:
    """Through the server's ModelService; if the server has a configuration file, that is written after it agreed."""

    def __init__(self, client: Client, path: Path | None = None) -> None:
        """
        Args:
            client: a client of the server.
            path: the server's configuration file; None if it has none.
        """
        self._client = client
        self._path = path

    def send(self, config: Any, timeout: float) -> None:
        """Reloads the server's configuration.

        Raises:
            RequestError: the server rejected it; nothing was changed.
            ServingError: the file cannot be written.
        """
        self._client.reload_config(config, timeout=timeout)
        # Only after the server agreed: a restart must not find a configuration that it rejects.
        if self._path is not None:
            files.replace_message(self._path, config)

    def confirm(self) -> None:
        """Does nothing: a reload that the server rejects changes nothing, so there is nothing to revert."""

    def wait_until_applied(self) -> None:
        """Returns at once: a reload reaches one server, and that was queried."""

    def revert(self, difference: str, timeout: float) -> ServingError:
        """Returns the error to raise; the server has accepted the change, so it is not withdrawn."""
        return ServingError(f'the server accepted the change, but {difference}: look at its log')


class ByFile:
    """In the file that servers poll (`--model_config_file_poll_wait_seconds`)."""

    def __init__(self, path: Path, settle_seconds: float = 0.0) -> None:
        """
        Args:
            path: the file.
            settle_seconds: time after which every server has read the file and loaded the versions in it.

        Raises:
            ServingError: the file cannot be read, or is not a ModelServerConfig.
        """
        self._path = path
        self._settle_seconds = settle_seconds
        self._applied = configuration.read(path)
        self._sent = self._applied

    def send(self, config: Any, timeout: float) -> None:
        """Writes the file. Raises ServingError if it cannot be written."""
        files.replace_message(self._path, config)
        self._sent = config

    def confirm(self) -> None:
        """Makes the last configuration the one that `revert` restores."""
        self._applied = self._sent

    def wait_until_applied(self) -> None:
        """Sleeps for `settle_seconds`: only one of the servers can be queried, and each polls at its own time."""
        time.sleep(self._settle_seconds)

    def revert(self, difference: str, timeout: float) -> ServingError:
        """Restores the file, so that no server applies the change later, and returns the error to raise."""
        files.replace_message(self._path, self._applied)
        return ServingError(
            f'the server has not applied {self._path} within {timeout:g} s ({difference}), and the file was restored: '
            'start it with this --model_config_file and --model_config_file_poll_wait_seconds'
        )
