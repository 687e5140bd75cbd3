"""Status, promotion and rollback of one model on one server."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaiven.serving.client import Client
from vaiven.serving.client.results import VersionStatus
from vaiven.serving.errors import ServingError
from vaiven.serving.rollout import configuration, folder

STABLE = 'stable'
CANARY = 'canary'
LABELS = (STABLE, CANARY)  # the API resolves a label but lists none: these two are asked for


@dataclass(frozen=True)
class Status:
    """What the server says of a model."""

    versions: list[VersionStatus]  # newest first
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def available(self) -> list[int]:
        return [each.version for each in self.versions if each.available]

    @property
    def stable(self) -> int | None:
        return self.labels.get(STABLE)


@dataclass(frozen=True)
class Change:
    """A move of the label `stable`."""

    before: int | None
    after: int
    loaded: list[int]  # versions in memory afterwards


class Rollout:
    """Moves the label `stable` of `model` on the server that `client` asks."""

    def __init__(self, client: Client, model: str, config: Any) -> None:
        """`config` is the whole ModelServerConfig that the server should have, labels and policy aside."""
        self._client = client
        self._model = model
        self._config = config
        self.sent = config  # what the server was told last
        self._base_path = Path(configuration.entry(config, model).base_path)

    def promote(self, version: int, timeout: float = 120.0) -> Change:
        """Gives `version` the label, loading it first where it is not; the label never names one that is not.

        Raises:
            ServingError: there is no such version on disk, or the folder is not the one that is served.
            RequestError: the server refused, or could not load the version; `stable` is then where it was.
        """
        before = status(self._client, self._model)
        self._check_folder(before)
        pushed = folder.versions(self._base_path)
        if version not in before.available and pushed and version not in pushed:
            raise ServingError(
                f'{self._base_path} has no version {version}; it has: {", ".join(map(str, pushed))}'
            )
        labels = {**self._labels(before), STABLE: version}
        keep = self._keep(version, before, labels)
        if version not in before.available:
            # The server checks labels against what is loaded: first load, then label.
            self._reload(keep | set(before.available), self._labels(before), timeout)
            self._client.wait_until_available(self._model, version=version, timeout=timeout)
        self._reload(keep, labels, timeout)
        named = self._client.label_version(self._model, STABLE)
        if named != version:
            raise ServingError(f'the server took the change, but {STABLE} names {named}: look at its log')
        return Change(before.stable, version, sorted(keep, reverse=True))

    def rollback(self, timeout: float = 120.0) -> Change:
        """Gives the label to the next lower version: one that is loaded, or else one that was pushed.

        Raises:
            ServingError: no version is stable, or none is lower.
            RequestError: as `promote`.
        """
        return self.promote(self.previous(), timeout)

    def previous(self) -> int:
        """The version that a rollback would take. Raises ServingError where there is none."""
        now = status(self._client, self._model)
        if now.stable is None:
            raise ServingError(f'no version of {self._model!r} has the label {STABLE}: promote one first')
        for numbers in (now.available, folder.versions(self._base_path)):
            lower = [number for number in numbers if number < now.stable]
            if lower:
                return max(lower)
        raise ServingError(
            f'version {now.stable} of {self._model!r} is {STABLE}, and there is no lower one to go back to'
        )

    def _reload(self, versions: set[int], labels: dict[str, int], timeout: float) -> None:
        config = configuration.with_versions(self._config, self._model, versions, labels)
        self._client.reload(config, timeout=timeout)
        self.sent = config

    def _labels(self, now: Status) -> dict[str, int]:
        """The labels to keep: what the server says, and what the configuration says where it still holds."""
        written = dict(configuration.entry(self._config, self._model).version_labels)
        kept = {label: number for label, number in written.items() if label not in LABELS}
        return {label: number for label, number in {**kept, **now.labels}.items() if number in now.available}

    def _keep(self, version: int, now: Status, labels: dict[str, int]) -> set[int]:
        """What stays in memory: what has a label, what is newest, and what a rollback would take."""
        lower = [number for number in now.available if number < version]
        return {version, *labels.values(), *now.available[:1], *lower[:1]}

    def _check_folder(self, now: Status) -> None:
        """Raises ServingError if versions are served that the folder lacks: it is another model's then."""
        pushed = folder.versions(self._base_path)
        missing = [number for number in now.available if number not in pushed]
        if pushed and missing:
            raise ServingError(
                f'the server has version {missing[0]} of {self._model!r} and {self._base_path} has not: '
                'name the folder that it serves with --base-path'
            )


def status(client: Client, model: str) -> Status:
    """Versions and labels of a model. Raises RequestError."""
    versions = client.status(model)
    found = {label: client.label_version(model, label) for label in LABELS}
    return Status(versions, {label: number for label, number in found.items() if number is not None})
