"""One configured model: which of its versions are in memory, and which are on their way in or out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vaiven.serving.common import log, version_folders
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.model_config import Model
from vaiven.serving.server.version import State, Version


@dataclass(frozen=True)
class Settings:
    """How versions are looked for and loaded."""

    poll_seconds: float = 1.0  # 0: look once; below 0: never
    load_retries: int = 5
    retry_seconds: float = 60.0
    load_threads: int = 1
    any_label: bool = False  # a new label may name a version that is not there yet
    wait_for_labels: bool = False  # a model is ready when its versions with labels are, too
    # Requests that name no version and no label get the version with the label `stable`, where it is AVAILABLE.
    follow_stable: bool = False


class ServedModel:
    """A model from the configuration that adds it to the one that removes it; added again, it is another one.

    `tend` and what it calls belong to the manager's thread; the rest may be called from any.

    Attributes:
        model: what the configuration says of it now; replaced whole when that changes.
        versions: those seen so far, newest first, replaced whole. A number is there twice while a version from a new
            path takes over from the one of the same number from the old path: the new one stands first.
        was_available: whether a version has ever been AVAILABLE.
        leaving: whether the configuration has removed it.
    """

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.versions: tuple[Version, ...] = ()
        self.was_available = False
        self.leaving = False
        self._settings = settings
        self._on_disk: tuple[Path, dict[int, Path]] | None = None
        self._problem = ''
        # Why none of its versions loads, and of which configuration that was found out.
        self._hopeless: tuple[Model, StatusError | None] = (model, None)

    @property
    def labels(self) -> Mapping[str, int]:
        return self.model.labels

    @property
    def available(self) -> bool:
        return any(version.state is State.AVAILABLE for version in self.versions)

    @property
    def gone(self) -> bool:
        """Whether it is leaving and nothing of it is in memory any more."""
        return self.leaving and not any(
            version.state in (State.AVAILABLE, State.UNLOADING) or version.trying for version in self.versions
        )

    def newest(self) -> list[Version]:
        """One version for each number, newest number first."""
        return list({version.number: version for version in reversed(self.versions)}.values())[::-1]

    def available_numbers(self) -> set[int]:
        """The numbers of its AVAILABLE versions."""
        return {version.number for version in self.versions if version.state is State.AVAILABLE}

    def unload_all(self) -> None:
        """Unloads what is AVAILABLE; memory is freed when the last running request ends."""
        for version in self.versions:
            if version.state is State.AVAILABLE:
                version.unload()

    def settled(self) -> bool:
        """Whether it has an AVAILABLE version, and, where the settings say so, those with labels are known.

        A version with a label that is not there, or does not load, is not waited for: it is logged.

        Raises:
            StatusError: none of the versions of the model loads.
        """
        configured, error = self._hopeless
        if error is not None and configured is self.model:
            name = self.model.name
            raise StatusError(Code.UNKNOWN, f'no version of model {name} could be loaded: {error}')
        return self.available and self._labels_settled()

    def _labels_settled(self) -> bool:
        if not self._settings.wait_for_labels:
            return True
        named = [version for version in self.newest() if version.number in self.labels.values()]
        if any(version.state < State.AVAILABLE and version.error is None for version in named):
            return False
        loaded = {version.number for version in named if version.state is State.AVAILABLE}
        for label, number in self.labels.items():
            if number not in loaded:
                log.problem('label without its version', model=self.model.name, label=label, version=number)
        return True

    # -- the manager's thread ----------------------------------------------------------------------------

    def tend(self, load: Callable[['ServedModel', Version], None]) -> None:
        """Brings what is loaded nearer to what should be; `load` starts a load."""
        if self.leaving:
            self.unload_all()
            return
        model = self.model
        found = self._find(model.base_path)
        if found is None:
            return  # what is loaded stays
        failed = {v.number for v in self.newest() if v.error is not None and v.path == found.get(v.number)}
        wanted = model.policy.choose(found, failed)
        self._load_some(found, wanted, load)
        known = {version.number: version for version in self.newest()}
        # Only what had failed when the choice was made counts: a version that fails meanwhile makes
        # room for an older one, which the next round chooses.
        hopeless = bool(found) and all(
            number in failed and known[number].state is State.END for number in (wanted or found)
        )
        errors = [version.error for version in known.values() if version.state is State.END and version.error]
        self._hopeless = (model, errors[0] if hopeless and errors else None)
        self._give_up_vanished(found)
        self._let_go(found, wanted, bool(model.policy.choose(found, ())))
        self._forget_replaced()

    def _find(self, base_path: Path) -> dict[int, Path] | None:
        """The versions on disk; None where the folder cannot be read."""
        once = self._settings.poll_seconds <= 0
        if once and self._on_disk is not None and self._on_disk[0] == base_path:
            return self._on_disk[1]
        found: dict[int, Path] | None
        try:
            found = version_folders.versions(base_path)
            problem = '' if found else 'no versions found'
        except OSError as error:
            found, problem = None, error.strerror or str(error)
        # The path belongs to it: another one that is not there either is another problem.
        told = f'{base_path}: {problem}' if problem else ''
        if told != self._problem:
            self._problem = told
            if problem:
                log.problem('base path', model=self.model.name, path=base_path, error=problem)
            else:
                log.event('base path', model=self.model.name, path=base_path, versions=len(found or ()))
        if found:
            self._on_disk = base_path, found
        return found

    def _load_some(
        self, found: Mapping[int, Path], wanted: set[int], load: Callable[['ServedModel', Version], None]
    ) -> None:
        """Starts loading what is new, newest first, and tries again what failed and may succeed now."""
        known = {version.number: version for version in self.newest()}
        retry = {
            number
            for number, path in found.items()
            if number in known
            and known[number].path == path
            and known[number].may_retry(self._settings.load_retries)
        }
        begun = []
        for number in sorted(wanted | retry, reverse=True):
            version = known.get(number)
            if (
                version is None
                or version.path != found[number]
                or (version.state is State.END and version.error is None)
            ):
                version = Version(self.model.name, number, found[number])
                self._add(version)
            elif number not in retry:
                continue
            version.loading()
            begun.append(version)
        for version in begun:
            load(self, version)

    def _add(self, version: Version) -> None:
        """Puts a version before others of its number, which a stable sort keeps in this order."""
        self.versions = tuple(sorted([version, *self.versions], key=lambda v: v.number, reverse=True))

    def _give_up_vanished(self, found: Mapping[int, Path]) -> None:
        """Ends versions that failed to load, would be tried again, and are not on disk any more."""
        for version in self.versions:
            waits = version.error is not None and version.state < State.AVAILABLE and not version.trying
            if waits and found.get(version.number) != version.path:
                version.give_up()

    def _let_go(self, found: Mapping[int, Path], wanted: set[int], any_wanted: bool) -> None:
        """Unloads what is not wanted any more, but never the last good version for one that is not ready."""
        loaded = [version for version in self.versions if version.state is State.AVAILABLE]
        extra = [v for v in loaded if v.number not in wanted or v.path != found[v.number]]
        if extra and any_wanted and len(extra) == len(loaded):
            extra = extra[1:]
        for version in reversed(extra):
            version.unload()

    def _forget_replaced(self) -> None:
        """Drops versions that have ended, where another of the same number has come."""
        newest = self.newest()
        self.versions = tuple(v for v in self.versions if v in newest or v.state is not State.END)
