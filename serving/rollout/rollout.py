"""The actions of a rollout on one server: canary, promotion, rollback, pin.

Every action is a sequence of writes, and a kill may follow any of them. After each write, the label `stable` names a
loaded version, and the split gives no traffic to a label that does not exist.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaiven.serving.client import Client
from vaiven.serving.common import files
from vaiven.serving.common import split as splits
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE, Split
from vaiven.serving.rollout import serving_folder, version_choice
from vaiven.serving.rollout.change import Change, newest
from vaiven.serving.rollout.delivery import ByReload, Delivery
from vaiven.serving.rollout.served_config import POLL_SECONDS, ServedConfig
from vaiven.serving.rollout.server_state import CANARY, ModelState, model_state

# Clients and gateways look at the split file every WATCH_SECONDS, and until then send requests to the old label. Twice
# that time also covers a request that is on its way.
SETTLE_SECONDS = 2 * splits.WATCH_SECONDS


class Rollout:
    """Changes the labels and the split of one model on one server."""

    def __init__(
        self,
        client: Client,
        model: str,
        config: Any,
        *,
        delivery: Delivery | None = None,
        split_path: Path | None = None,
    ) -> None:
        """
        Args:
            client: a client of the server.
            model: name of the model.
            config: the server's whole ModelServerConfig; its versions and labels are replaced.
            delivery: how a changed configuration reaches the server; None for a reload through `client`.
            split_path: the split file; None for `split.json` beside the versions.

        Raises:
            ServingError: the configuration does not have the model.
        """
        self.client = client
        self.model = model
        self._server = ServedConfig(client, model, config, delivery or ByReload(client))
        self.base_path = self._server.base_path
        self.split_path = split_path or self.base_path / splits.FILE

    def state(self) -> ModelState:
        """Returns the versions and labels on the server. Raises RequestError if it does not answer."""
        return model_state(self.client, self.model)

    def wait_until_loaded(self, timeout: float = 120.0) -> ModelState:
        """Waits, if no version is stable, until no version is being loaded: each may become the stable one.

        Args:
            timeout: seconds to wait.

        Returns:
            The state at the end.

        Raises:
            RequestError: the server does not answer.
        """
        deadline = time.monotonic() + timeout
        while (state := self.state()).stable is None and state.loading and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return state

    def split(self) -> Split:
        """Returns the current split. Raises ServingError if the file cannot be read, or is not a split."""
        return splits.find(self.split_path) or Split(self.model)

    def plain_version(self) -> int:
        """Returns the version that answers requests without version and label. Raises RequestError."""
        return self.client.metadata(self.model).version

    @property
    def logs(self) -> bool:
        """Whether the configuration that every action sends has a `logging_config` for the model."""
        return self._server.logs

    def canary(self, version: int, percent: float, timeout: float = 120.0) -> Change:
        """Gives a version the label `canary` and a share of the traffic; another call changes the share.

        If no version has the label `stable`, the newest other loaded version gets it: it answered requests without a
        label so far.

        Args:
            version: the version; it is loaded if necessary.
            percent: its share of the traffic.
            timeout: seconds for loading the version, and for each change of labels.

        Raises:
            ServingError: no other version is loaded, another version is the canary, the version is not on disk, the
                folder is not the one that the server serves, or the split cannot be written.
            RequestError: the server rejected the change, or could not load the version; nothing was changed.
        """
        share = Split(self.model, {CANARY: percent, STABLE: 100 - percent}, f'{self.model}/{version}')
        with serving_folder.locked(self.base_path):
            state = self.wait_until_loaded(timeout)
            self._check(state, version)
            stable = state.stable
            if stable is None:
                stable = version_choice.default_stable(self.model, state, version)
            if version == stable:
                raise ServingError(
                    f'version {version} of {self.model!r} is {STABLE}, and the {CANARY} must be another version'
                )
            if state.canary not in (None, version, stable):
                raise ServingError(
                    f'version {state.canary} of {self.model!r} is the {CANARY}: promote it or roll it back first'
                )
            # The split is tested before anything changes: without a writable folder there can be no canary. If no
            # version is stable yet, it is not written: gateways would send requests to a label that does not exist.
            if state.stable is None:
                files.check(self.split_path)
            elif state.canary != version or not os.path.exists(self.split_path):
                self._write_split(Split(self.model))
            self._server.load(version, state, timeout)
            loaded = {version, *state.available}
            self._server.apply(
                loaded, {**self._server.labels(state), STABLE: stable, CANARY: version}, timeout
            )
            if (
                not self._has_canary_share()
            ):  # the label is new: no server may get requests before it has the label
                self._server.wait_until_applied()
            self._write_split(share)
            named_stable = stable if state.stable is None else None
            return Change(
                state.stable, stable, newest(loaded), version, percent=percent, named_stable=named_stable
            )

    def name_stable(self, version: int, timeout: float = 120.0) -> None:
        """Gives a loaded version the label `stable`, and changes nothing else. Raises the errors of `promote`."""
        with serving_folder.locked(self.base_path):
            state = self.state()
            self._check(state, version)
            self._server.apply(set(state.available), {**self._server.labels(state), STABLE: version}, timeout)

    def promote(self, version: int | None = None, timeout: float = 120.0) -> Change:
        """Gives a version the label `stable` and all traffic; it is loaded first if necessary.

        Args:
            version: the version; None for the canary.
            timeout: seconds for loading the version, and for each change of labels.

        Raises:
            ServingError: the version is not on disk, there is no canary, or the folder is not the one that the server
                serves.
            RequestError: the server rejected the change, or could not load the version; `stable` was not changed.
        """
        with serving_folder.locked(self.base_path):
            state = self.state()
            promoted = state.canary if version is None else version
            if promoted is None:
                raise ServingError(f'{self.model!r} has no {CANARY}: name the version to promote')
            return self._promote(promoted, state, timeout)

    def rollback(self, timeout: float = 120.0) -> Change:
        """Withdraws the canary; without one, gives `stable` to the next lower version, loaded or on disk.

        Args:
            timeout: seconds for loading the version, and for each change of labels.

        Raises:
            ServingError: no version is stable, or there is neither a canary nor a lower version.
            RequestError: the server rejected the change, or could not load the version.
        """
        with serving_folder.locked(self.base_path):
            state = self.state()
            if state.canary is not None and state.stable is not None:
                return self._withdraw(state, timeout)
            pushed = serving_folder.versions(self.base_path)
            version = version_choice.previous_version(self.model, state, pushed)
            return self._promote(version, state, timeout)

    def pin(self, version: int, timeout: float = 120.0) -> Change:
        """Promotes a version and unloads all others: no newer one is loaded until it is promoted.

        Args:
            version: the version.
            timeout: seconds for loading the version, and for each change of labels.

        Raises:
            ServingError: as `promote`.
            RequestError: as `promote`.
        """
        with serving_folder.locked(self.base_path):
            state = self.state()
            change = self._promote(version, state, timeout)
            if change.loaded != [version]:
                # Requests that resolved the old label must still find its version. After a canary, `_promote` waited.
                if state.canary is None:
                    time.sleep(SETTLE_SECONDS)
                self._server.apply({version}, {STABLE: version}, timeout)
            return Change(change.previous_stable, version, [version], None, change.withdrawn)

    def restore(self, labels: Mapping[str, int], timeout: float = 120.0) -> None:
        """Gives a restarted server its labels again; the split is not changed.

        Args:
            labels: the version of each label.
            timeout: seconds for loading each version, and for each change of labels.

        Raises:
            ServingError: a version is not on disk.
            RequestError: the server rejected the change, or could not load a version.
        """
        with serving_folder.locked(self.base_path):
            # One at a time, each with a fresh state: after a kill, the labels so far are kept.
            for label, version in labels.items():
                state = self.state()
                self._check(state, version)
                self._server.load(version, state, timeout)
                self._server.apply(
                    {version, *state.available}, {**self._server.labels(state), label: version}, timeout
                )

    def _promote(self, version: int, state: ModelState, timeout: float) -> Change:
        self._check(state, version)
        self._server.load(version, state, timeout)
        labels = {**self._server.labels(state), STABLE: version}
        if state.canary is not None or self._has_canary_share():
            # Clients that still have the old split ask for the canary, which now names the same version.
            self._server.apply({version, *state.available}, {**labels, CANARY: version}, timeout)
            self._retire_split()
            labels.pop(CANARY, None)
        keep = version_choice.versions_to_keep(version, state, labels)
        withdrawn = state.canary if state.canary not in (version, state.stable) else None
        keep -= {withdrawn} - set(labels.values())
        self._server.apply(keep, labels, timeout)
        return Change(state.stable, version, newest(keep), None, withdrawn)

    def _withdraw(self, state: ModelState, timeout: float) -> Change:
        """Sends all traffic to `stable` at once; the label `canary` is removed when no client can ask for it."""
        assert state.stable is not None
        if self._has_canary_share():
            self._write_split(Split(self.model))
        labels = self._server.labels(state)
        # Clients that still have the old split get the stable version under both labels.
        self._server.apply(set(state.available), {**labels, CANARY: state.stable}, timeout)
        self._retire_split()
        del labels[CANARY]
        withdrawn = state.canary if state.canary != state.stable else None
        keep = {version for version in state.available if version != withdrawn} | set(labels.values())
        self._server.apply(keep, labels, timeout)
        return Change(state.stable, state.stable, newest(keep), None, withdrawn)

    def _has_canary_share(self) -> bool:
        """Whether the split may send traffic to another label than `stable`; true if it cannot be read."""
        try:
            return any(share for label, share in self.split().weights.items() if label != STABLE)
        except ServingError:
            return True

    def _retire_split(self) -> None:
        """Sends all traffic to `stable`, and waits until no client has the old split any more."""
        if self._has_canary_share():
            self._write_split(Split(self.model))
        time.sleep(SETTLE_SECONDS)

    def _write_split(self, split: Split) -> None:
        splits.write(self.split_path, split)

    def _check(self, state: ModelState, version: int) -> None:
        """Raises ServingError if the version is not on disk, or the server does not serve this folder."""
        pushed = serving_folder.versions(self.base_path)
        missing = [loaded for loaded in state.available if loaded not in pushed]
        if pushed and missing:
            raise ServingError(
                f'the server has version {missing[0]} of {self.model!r}, which is not in {self.base_path}: '
                'name the folder that it serves with --base-path'
            )
        if version not in state.available and pushed and version not in pushed:
            raise ServingError(
                f'{self.base_path} has no version {version}; it has: {", ".join(map(str, pushed))}'
            )
