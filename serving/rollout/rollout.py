"""The moves of a rollout on one server: canary, promotion, rollback, pin.

Every move is an order of writes after each of which it may be killed: the label `stable` always names a loaded
version, and the split never names a label that is not there.
"""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaiven.serving.client import Client, RequestError
from vaiven.serving.common import files
from vaiven.serving.common import split as splits
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import STABLE, Split
from vaiven.serving.rollout import configuration, serving_folder, version_choice
from vaiven.serving.rollout.change import Change, newest
from vaiven.serving.rollout.delivery import ByReload, Delivery
from vaiven.serving.rollout.server_state import CANARY, LABELS, Status, label_version, status

POLL_SECONDS = 0.1
# Who watches the split looks so often; whoever has not yet, still asks for the label that goes.
SETTLE_SECONDS = 2 * splits.WATCH_SECONDS


class Rollout:
    """Moves the labels and the split of `model` on the server that `client` asks."""

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
            client: asks the server.
            model: name of the model.
            config: the whole ModelServerConfig that the server should have, labels and policy aside.
            delivery: how a changed one gets there; None for a reload through `client`.
            split_path: the file with the split; None for `split.json` beside the versions.

        Raises:
            ServingError: the configuration has no such model.
        """
        self.client = client
        self.model = model
        self.base_path = Path(configuration.entry(config, model).base_path)
        self.split_path = split_path or self.base_path / splits.FILE
        self._config = config
        self._delivery = delivery or ByReload(client)

    def status(self) -> Status:
        """Raises RequestError."""
        return status(self.client, self.model)

    def settled(self, timeout: float = 120.0) -> Status:
        """The status, where no version is stable only when none is being loaded any more: one of them may become so.

        Raises:
            RequestError: as `status`.
        """
        deadline = time.monotonic() + timeout
        while (now := self.status()).stable is None and now.loading and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return now

    def split(self) -> Split:
        """How the traffic is split now. Raises ServingError where the file is no split, or cannot be read."""
        return splits.find(self.split_path) or Split(self.model)

    def plain_version(self) -> int:
        """The version that requests get which name no version and no label. Raises RequestError."""
        return self.client.metadata(self.model).version

    @property
    def logs(self) -> bool:
        """Whether the configuration that every change sends has the server log the model's requests."""
        return bool(configuration.entry(self._config, self.model).HasField('logging_config'))

    def canary(self, version: int, percent: float, timeout: float = 120.0) -> Change:
        """Gives `version` the label `canary` and a share of the traffic; again, with another share, changes that.

        Where no version has the label `stable`, the version that plain requests got until now gets it: the newest
        loaded one beside `version`.

        Raises:
            ServingError: no other version is loaded, another is the canary, there is no such version on disk, the
                folder is not the one that is served, or the split cannot be written.
            RequestError: the server refused, or could not load the version; all is then as it was.
        """
        share = Split(self.model, {CANARY: percent, STABLE: 100 - percent}, f'{self.model}/{version}')
        with serving_folder.alone(self.base_path):
            now = self.settled(timeout)
            self._check(now, version)
            stable = (
                now.stable
                if now.stable is not None
                else version_choice.unnamed_stable(self.model, now, version)
            )
            if version == stable:
                raise ServingError(
                    f'version {version} of {self.model!r} is {STABLE}: a canary is another one'
                )
            if now.canary not in (None, version, stable):
                raise ServingError(
                    f'version {now.canary} of {self.model!r} is the {CANARY}: promote it or roll it back first'
                )
            # Before anything else is changed: a folder that cannot be written is no folder for a canary.
            if now.stable is None:
                files.check(
                    self.split_path
                )  # gateways would take a split at its word, and there is no label yet
            elif now.canary != version or not os.path.exists(self.split_path):
                self._write_split(Split(self.model))
            self._load(version, now, timeout)
            loaded = {version, *now.available}
            self._tell(loaded, {**self._labels(now), STABLE: stable, CANARY: version}, timeout)
            if not self._divided():  # nobody has asked for the label so far
                self._delivery.settle()
            self._write_split(share)
            return Change(
                now.stable,
                stable,
                newest(loaded),
                version,
                percent=percent,
                named_stable=stable if now.stable is None else None,
            )

    def name_stable(self, version: int, timeout: float = 120.0) -> None:
        """Gives a loaded version the label `stable`, and changes nothing else. Raises as `promote`."""
        with serving_folder.alone(self.base_path):
            now = self.status()
            self._check(now, version)
            self._tell(set(now.available), {**self._labels(now), STABLE: version}, timeout)

    def promote(self, version: int | None = None, timeout: float = 120.0) -> Change:
        """Gives `version` (None: the canary) the label `stable` and all traffic, loading it first where it is not.

        Raises:
            ServingError: there is no such version on disk, or no canary, or the folder is not the served one.
            RequestError: the server refused, or could not load the version; `stable` is then where it was.
        """
        with serving_folder.alone(self.base_path):
            now = self.status()
            if version is None and now.canary is None:
                raise ServingError(f'{self.model!r} has no {CANARY}: name the version to promote')
            chosen = version if version is not None else now.canary
            assert chosen is not None
            return self._promote(chosen, now, timeout)

    def rollback(self, timeout: float = 120.0) -> Change:
        """Takes the canary back; without one, gives `stable` to the next lower version, loaded or pushed.

        Raises:
            ServingError: no version is stable, or there is no canary and no lower version.
            RequestError: as `promote`.
        """
        with serving_folder.alone(self.base_path):
            now = self.status()
            if now.canary is not None and now.stable is not None:
                return self._withdraw(now, timeout)
            return self._promote(
                version_choice.previous(self.model, now, serving_folder.versions(self.base_path)),
                now,
                timeout,
            )

    def pin(self, version: int, timeout: float = 120.0) -> Change:
        """Promotes `version` and unloads all others: no newer one is loaded until it is promoted. Raises as that."""
        with serving_folder.alone(self.base_path):
            now = self.status()
            change = self._promote(version, now, timeout)
            if change.loaded != [version]:
                if now.canary is None:
                    time.sleep(SETTLE_SECONDS)  # requests that had the old label find its version still
                self._tell({version}, {STABLE: version}, timeout)
            return Change(change.before, version, [version], None, change.withdrawn)

    def restore(self, labels: Mapping[str, int], timeout: float = 120.0) -> None:
        """Gives a server that has lost them these labels again, one after the other; the split stays. Raises as pin."""
        with serving_folder.alone(self.base_path):
            for label, version in labels.items():
                now = self.status()
                self._check(now, version)
                self._load(version, now, timeout)
                self._tell({version, *now.available}, {**self._labels(now), label: version}, timeout)

    def _promote(self, version: int, now: Status, timeout: float) -> Change:
        self._check(now, version)
        self._load(version, now, timeout)
        labels = {**self._labels(now), STABLE: version}
        keep = version_choice.keep(version, now, labels)
        if now.canary is not None or self._divided():
            # Whoever has the old split asks for the canary: that is the same version now.
            self._tell({version, *now.available}, {**labels, CANARY: version}, timeout)
            self._retire_split()
            labels.pop(CANARY, None)
            keep = version_choice.keep(version, now, labels)
        withdrawn = now.canary if now.canary not in (version, now.stable) else None
        keep -= {withdrawn} - set(labels.values())
        self._tell(keep, labels, timeout)
        return Change(now.stable, version, newest(keep), None, withdrawn)

    def _withdraw(self, now: Status, timeout: float) -> Change:
        """All traffic to `stable` at once; the label and its version go when nobody can be asking for them."""
        assert now.stable is not None
        if self._divided():
            self._write_split(Split(self.model))
        labels = self._labels(now)
        # For whoever has not seen the new split yet.
        self._tell(set(now.available), {**labels, CANARY: now.stable}, timeout)
        self._retire_split()
        del labels[CANARY]
        withdrawn = now.canary if now.canary != now.stable else None
        keep = {number for number in now.available if number != withdrawn} | set(labels.values())
        self._tell(keep, labels, timeout)
        return Change(now.stable, now.stable, newest(keep), None, withdrawn)

    def _load(self, version: int, now: Status, timeout: float) -> None:
        """Has `version` loaded beside the others, everywhere: servers check labels against what is loaded."""
        if version not in now.available:
            self._load_there(version, now, timeout)
        if version not in now.labels.values():
            self._delivery.settle()

    def _load_there(self, version: int, now: Status, timeout: float) -> None:
        labels = self._labels(now)
        try:
            self._send({version, *now.available}, labels, timeout)
            self.client.wait_until_available(self.model, version=version, timeout=timeout)
        except ServingError as error:
            if now.available:
                with contextlib.suppress(ServingError):  # what was wrong at first is what is told
                    self._send(set(now.available), labels, timeout)
            if isinstance(error, RequestError) and error.code == 'DEADLINE_EXCEEDED':
                raise self._delivery.not_taken(f'version {version} is not loaded', timeout) from error
            raise

    def _tell(self, versions: set[int], labels: dict[str, int], timeout: float) -> None:
        """Has the server take versions and labels, and waits until it says that it has.

        That includes the versions that are not kept: they are unloaded a moment after the labels are set.
        """
        self._send(versions, labels, timeout)
        deadline = time.monotonic() + timeout
        while fault := self._difference(versions, labels):
            if time.monotonic() > deadline:
                raise self._delivery.not_taken(fault, timeout)
            time.sleep(POLL_SECONDS)
        self._delivery.taken()

    def _difference(self, versions: set[int], labels: dict[str, int]) -> str:
        """What the server has other than these versions and labels; empty where all is as it should be."""
        for label in LABELS:
            named = self._named(label)
            if named != labels.get(label):
                return f'{label} names {named or "nothing"}'
        kept = sorted(set(self.status().available) - versions)
        return f'version {kept[0]} is still loaded' if kept else ''

    def _named(self, label: str) -> int | None:
        return label_version(self.client, self.model, label)

    def _send(self, versions: set[int], labels: dict[str, int], timeout: float) -> None:
        config = configuration.with_versions(self._config, self.model, versions, labels)
        self._delivery.send(config, timeout)
        self._config = config

    def _labels(self, now: Status) -> dict[str, int]:
        """The labels to keep: what the server says, and what the configuration says where it still holds."""
        written = dict(configuration.entry(self._config, self.model).version_labels)
        kept = {label: number for label, number in written.items() if label not in LABELS}
        return {label: number for label, number in {**kept, **now.labels}.items() if number in now.available}

    def _divided(self) -> bool:
        """Whether the split may send somebody elsewhere than to `stable`."""
        try:
            return any(share for label, share in self.split().weights.items() if label != STABLE)
        except ServingError:
            return True

    def _retire_split(self) -> None:
        if self._divided():
            self._write_split(Split(self.model))
        time.sleep(SETTLE_SECONDS)

    def _write_split(self, split: Split) -> None:
        splits.write(self.split_path, split)

    def _check(self, now: Status, version: int) -> None:
        """Raises ServingError if `version` was not pushed, or the folder is another model's."""
        pushed = serving_folder.versions(self.base_path)
        missing = [number for number in now.available if number not in pushed]
        if pushed and missing:
            raise ServingError(
                f'the server has version {missing[0]} of {self.model!r} and {self.base_path} has not: '
                'name the folder that it serves with --base-path'
            )
        if version not in now.available and pushed and version not in pushed:
            raise ServingError(
                f'{self.base_path} has no version {version}; it has: {", ".join(map(str, pushed))}'
            )
