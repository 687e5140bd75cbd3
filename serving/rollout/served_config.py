"""Changes the loaded versions and the labels of one model on its server, and waits until the server reports them."""

import contextlib
import time
from pathlib import Path
from typing import Any

from vaiven.serving.client import Client, RequestError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration
from vaiven.serving.rollout.delivery import Delivery
from vaiven.serving.rollout.server_state import LABELS, ModelState, model_state

POLL_SECONDS = 0.1


class ServedConfig:
    """The configuration of a server, with what it says about one model."""

    def __init__(self, client: Client, model: str, config: Any, delivery: Delivery) -> None:
        """
        Args:
            client: a client of the server.
            model: name of the model.
            config: the server's whole ModelServerConfig; its versions and labels are replaced.
            delivery: how a changed configuration reaches the server.

        Raises:
            ServingError: the configuration does not have the model.
        """
        self.base_path = Path(configuration.model_entry(config, model).base_path)
        self._client = client
        self._model = model
        self._config = config
        self._delivery = delivery

    @property
    def logs(self) -> bool:
        """Whether the configuration has a `logging_config` for the model."""
        return bool(configuration.model_entry(self._config, self._model).HasField('logging_config'))

    def labels(self, state: ModelState) -> dict[str, int]:
        """Returns the labels to keep: the server's, and others in the configuration that name a loaded version."""
        configured = dict(configuration.model_entry(self._config, self._model).version_labels)
        others = {label: version for label, version in configured.items() if label not in LABELS}
        labels = {**others, **state.labels}
        return {label: version for label, version in labels.items() if version in state.available}

    def load(self, version: int, state: ModelState, timeout: float) -> None:
        """Loads a version beside the others, on all servers, before it gets a label.

        A server rejects a configuration with a label whose version it has not loaded yet.

        Args:
            version: the version.
            state: what the server reports now.
            timeout: seconds for loading it.

        Raises:
            ServingError: the server did not apply the configuration.
            RequestError: the server rejected the change, or could not load the version.
        """
        if version not in state.available:
            self._load(version, state, timeout)
        if version not in state.labels.values():
            self._delivery.wait_until_applied()

    def _load(self, version: int, state: ModelState, timeout: float) -> None:
        labels = self.labels(state)
        try:
            self._send({version, *state.available}, labels, timeout)
            self._client.wait_until_available(self._model, version=version, timeout=timeout)
        except ServingError as error:
            if state.available:
                with contextlib.suppress(ServingError):  # the first error is the one to report
                    self._send(set(state.available), labels, timeout)
            if isinstance(error, RequestError) and error.code == 'DEADLINE_EXCEEDED':
                raise self._delivery.revert(f'version {version} is not loaded', timeout) from error
            raise

    def apply(self, versions: set[int], labels: dict[str, int], timeout: float) -> None:
        """Sends versions and labels, and waits until the server reports exactly these.

        Versions that are not kept are unloaded shortly after the labels change; the wait includes that.

        Args:
            versions: the versions to keep loaded.
            labels: the version of each label.
            timeout: seconds to wait.

        Raises:
            ServingError: the server did not apply the configuration in time.
            RequestError: the server rejected it.
        """
        self._send(versions, labels, timeout)
        deadline = time.monotonic() + timeout
        while difference := self._difference(versions, labels):
            if time.monotonic() > deadline:
                raise self._delivery.revert(difference, timeout)
            time.sleep(POLL_SECONDS)
        self._delivery.confirm()

    def wait_until_applied(self) -> None:
        """Waits until all servers have applied what the queried server has applied."""
        self._delivery.wait_until_applied()

    def _difference(self, versions: set[int], labels: dict[str, int]) -> str:
        """Describes the first difference between the server's and the wanted versions and labels; empty if none."""
        state = model_state(self._client, self._model)
        for label in LABELS:
            version = state.labels.get(label)
            if version != labels.get(label):
                return f'{label} names {version or "no version"}'
        unwanted = sorted(set(state.available) - versions)
        return f'version {unwanted[0]} is still loaded' if unwanted else ''

    def _send(self, versions: set[int], labels: dict[str, int], timeout: float) -> None:
        config = configuration.with_versions(self._config, self._model, versions, labels)
        self._delivery.send(config, timeout)
        self._config = config
