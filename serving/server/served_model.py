"""One configured model: which of its versions are in memory, being loaded or being unloaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vaiven.serving.common import log, version_folders
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.model_config import ModelConfig
from vaiven.serving.server.version import State, Version


@dataclass(frozen=True)
class ServingOptions:
    """How versions are found, loaded and chosen. The defaults are those of TensorFlow Serving.

    Attributes:
        poll_seconds: time between two looks at the disk; 0: one look; below 0: none.
        load_retries: attempts after a failed load.
        retry_seconds: time between them.
        load_threads: versions that load at the same time.
        allow_unavailable_labels: whether a new label may name a version that is not available yet.
        wait_for_labels: whether a model has settled only when its labelled versions have, too.
        follow_stable: whether requests without version and label get the version with the label `stable`.
    """

    poll_seconds: float = 1.0
    load_retries: int = 5
    retry_seconds: float = 60.0
    load_threads: int = 1
    allow_unavailable_labels: bool = False
    wait_for_labels: bool = False
    follow_stable: bool = False


class ServedModel:
    """A model between the configuration that adds it and the one that removes it. Added again, it is a new object.

    `reconcile` and its helpers run in the manager's thread only; the other methods are thread-safe.

    Attributes:
        model: its configuration, replaced whole when it changes.
        versions: the known versions, newest first, replaced whole. Two have the same number while a version from a
            new base path replaces one from the old path: the new one is first.
        was_available: whether a version has ever been AVAILABLE.
        removed: whether a configuration has removed the model.
    """

    def __init__(self, model: ModelConfig, serving_options: ServingOptions) -> None:
        self.model = model
        self.versions: tuple[Version, ...] = ()
        self.was_available = False
        self.removed = False
        self._serving_options = serving_options
        self._on_disk: tuple[Path, dict[int, Path]] | None = None
        self._logged_problem = ''
        # Why no version loads, with the configuration for which it was determined.
        self._load_error: tuple[ModelConfig, StatusError | None] = (model, None)

    @property
    def labels(self) -> Mapping[str, int]:
        """Version numbers by label."""
        return self.model.labels

    @property
    def available(self) -> bool:
        """Whether a version is AVAILABLE."""
        return any(version.state is State.AVAILABLE for version in self.versions)

    @property
    def unloaded(self) -> bool:
        """Whether the model is removed, and none of its versions is in memory any more."""
        return self.removed and not any(
            version.state in (State.AVAILABLE, State.UNLOADING) or version.is_loading
            for version in self.versions
        )

    def newest(self) -> list[Version]:
        """One version for each number, newest number first."""
        return list({version.number: version for version in reversed(self.versions)}.values())[::-1]

    def available_numbers(self) -> set[int]:
        """The numbers of its AVAILABLE versions."""
        return {version.number for version in self.versions if version.state is State.AVAILABLE}

    def unload_all(self) -> None:
        """Unloads all AVAILABLE versions; their memory is freed when their last request ends."""
        for version in self.versions:
            if version.state is State.AVAILABLE:
                version.unload()

    def settled(self) -> bool:
        """Whether a version is AVAILABLE and, with `wait_for_labels`, the labelled versions are loaded or failed.

        A labelled version that does not exist or does not load is not waited for, but logged.

        Raises:
            StatusError: UNKNOWN if none of the versions of the model loads.
        """
        configured, error = self._load_error
        if error is not None and configured is self.model:
            name = self.model.name
            raise StatusError(Code.UNKNOWN, f'no version of model {name} could be loaded: {error}')
        return self.available and self._labels_settled()

    def _labels_settled(self) -> bool:
        if not self._serving_options.wait_for_labels:
            return True
        labelled = [version for version in self.newest() if version.number in self.labels.values()]
        if any(version.state < State.AVAILABLE and version.error is None for version in labelled):
            return False
        loaded = {version.number for version in labelled if version.state is State.AVAILABLE}
        for label, number in self.labels.items():
            if number not in loaded:
                log.problem('label without its version', model=self.model.name, label=label, version=number)
        return True

    # -- the manager's thread ----------------------------------------------------------------------------

    def reconcile(self, load: Callable[['ServedModel', Version], None]) -> None:
        """Starts the loads and unloads that bring the versions in memory closer to the configuration.

        Args:
            load: starts the load of a version in another thread.
        """
        if self.removed:
            self.unload_all()
            return
        model = self.model
        on_disk = self._find_versions(model.base_path)
        if on_disk is None:
            # An unreadable folder must not stop the serving: a network file system may be back in a moment.
            return
        failed = {
            version.number
            for version in self.newest()
            if version.error is not None and version.path == on_disk.get(version.number)
        }
        wanted = model.policy.choose(on_disk, failed)
        self._start_loads(on_disk, wanted, load)
        known = {version.number: version for version in self.newest()}
        # Only versions that had failed at the choice count. One that fails after it makes room for an older version,
        # which the next round chooses.
        hopeless = bool(on_disk) and all(
            number in failed and known[number].state is State.END for number in (wanted or on_disk)
        )
        errors = [version.error for version in known.values() if version.state is State.END and version.error]
        self._load_error = (model, errors[0] if hopeless and errors else None)
        self._end_deleted(on_disk)
        self._unload_unwanted(on_disk, wanted, bool(model.policy.choose(on_disk, ())))
        self._drop_replaced()

    def _find_versions(self, base_path: Path) -> dict[int, Path] | None:
        """Folders of the versions on disk, by number; None where the base path cannot be read."""
        once = self._serving_options.poll_seconds <= 0
        if once and self._on_disk is not None and self._on_disk[0] == base_path:
            return self._on_disk[1]
        on_disk: dict[int, Path] | None
        try:
            on_disk = version_folders.versions(base_path)
            problem = '' if on_disk else 'no versions found'
        except OSError as error:
            on_disk, problem = None, error.strerror or str(error)
        # With the path: the same problem of another base path is logged again.
        described = f'{base_path}: {problem}' if problem else ''
        if described != self._logged_problem:
            self._logged_problem = described
            if problem:
                log.problem('base path', model=self.model.name, path=base_path, error=problem)
            else:
                log.event('base path', model=self.model.name, path=base_path, versions=len(on_disk or ()))
        if on_disk:
            self._on_disk = base_path, on_disk
        return on_disk

    def _start_loads(
        self, on_disk: Mapping[int, Path], wanted: set[int], load: Callable[['ServedModel', Version], None]
    ) -> None:
        """Loads new versions, newest first, and retries failed ones that may load now."""
        known = {version.number: version for version in self.newest()}
        retry = {
            number
            for number, path in on_disk.items()
            if number in known
            and known[number].path == path
            and known[number].should_retry(self._serving_options.load_retries)
        }
        started = []
        for number in sorted(wanted | retry, reverse=True):
            version = known.get(number)
            if (
                version is None
                # The same number under another base path is a new version.
                or version.path != on_disk[number]
                # It was unloaded before, and is wanted again.
                or (version.state is State.END and version.error is None)
            ):
                version = Version(self.model.name, number, on_disk[number])
                self._add(version)
            elif number not in retry:
                continue
            version.begin_load()
            started.append(version)
        for version in started:
            load(self, version)

    def _add(self, version: Version) -> None:
        """Adds a version before others of its number: a stable sort keeps that order."""
        versions = [version, *self.versions]
        self.versions = tuple(sorted(versions, key=lambda other: other.number, reverse=True))

    def _end_deleted(self, on_disk: Mapping[int, Path]) -> None:
        """Ends versions that wait for a retry, but are not on disk any more."""
        for version in self.versions:
            waits = version.error is not None and version.state < State.AVAILABLE and not version.is_loading
            if waits and on_disk.get(version.number) != version.path:
                version.cancel_load()

    def _unload_unwanted(self, on_disk: Mapping[int, Path], wanted: set[int], any_wanted: bool) -> None:
        """Unloads versions that are not wanted any more, but never the last one while its successor still loads.

        This is AvailabilityPreservingPolicy, the only policy of the stock binary: two versions are in memory during
        a switch.
        """
        loaded = [version for version in self.versions if version.state is State.AVAILABLE]
        unwanted = [
            version
            for version in loaded
            if version.number not in wanted or version.path != on_disk[version.number]
        ]
        if unwanted and any_wanted and len(unwanted) == len(loaded):
            unwanted = unwanted[1:]
        for version in reversed(unwanted):  # lowest number first, as upstream
            version.unload()

    def _drop_replaced(self) -> None:
        """Drops ended versions that another of the same number has replaced."""
        newest = self.newest()
        self.versions = tuple(
            version for version in self.versions if version in newest or version.state is not State.END
        )
