"""The models and their versions: new ones are loaded before old ones go, and requests find theirs."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaiven.serving.server import log, source
from vaiven.serving.server.execution import Execution
from vaiven.serving.server.modelconfig import Model
from vaiven.serving.server.status import (
    Code,
    StatusError,
    failed_precondition,
    invalid_argument,
    not_found,
)
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


class Manager:
    """Serves the models it is told to. All public methods may be called from any thread."""

    def __init__(self, load: Callable[[Version], Execution], settings: Settings) -> None:
        """`load` brings a version into memory and warms it up, or raises StatusError."""
        self._load = load
        self._settings = settings
        self._models: dict[str, Model] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._on_disk: dict[str, dict[int, Path]] = {}
        self._unreadable: dict[str, str] = {}
        self._hopeless: dict[str, StatusError | None] = {}
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._stopping = False
        self._loaders = ThreadPoolExecutor(settings.load_threads, 'load')
        self._thread = threading.Thread(target=self._run, name='manager', daemon=True)
        self._thread.start()

    # -- what requests need ------------------------------------------------------------------------------

    def acquire(self, spec: Any) -> Version:
        """The version that a ModelSpec means; it stays in memory until `release`, or the end of a `with` block.

        Raises:
            StatusError: INVALID_ARGUMENT for no name or an unknown label, NOT_FOUND for what is not served.
        """
        name = spec.name
        if not name:
            raise invalid_argument('ModelSpec has no name specified.')
        choice = spec.WhichOneof('version_choice')
        known = self._versions.get(name, {})
        if choice is None:
            for number in sorted(known, reverse=True):
                version = known[number]
                if version.acquire():
                    return version
            raise not_found(f'Servable not found for request: Latest({name})')
        if choice == 'version_label':
            labels = self._labels.get(name, {})
            if spec.version_label not in labels:
                raise invalid_argument(f'Unrecognized servable version label: {spec.version_label}')
            number = labels[spec.version_label]
        else:
            number = spec.version.value
        if number in known and known[number].acquire():
            return known[number]
        raise not_found(f'Servable not found for request: Specific({name}, {number})')

    def versions(self, name: str) -> list[Version]:
        """Every version of `name` seen so far, newest first."""
        known = self._versions.get(name, {})
        return [known[number] for number in sorted(known, reverse=True)]

    def names(self) -> list[str]:
        """The models that the configuration lists, in the order of their names."""
        return sorted(self._models)

    def unready(self) -> list[str]:
        """Those of them that have no AVAILABLE version."""
        return [name for name in self.names() if not self._available(name)]

    def ready(self) -> bool:
        """Whether there are models, and each has an AVAILABLE version."""
        return bool(self._models) and not self.unready()

    # -- what the configuration says ---------------------------------------------------------------------

    def configure(self, models: Sequence[Model], *, wait: bool = True) -> None:
        """Serves exactly `models`: first the labels are checked against what is loaded now, then set.

        Returns when every model that is new has an AVAILABLE version, unless `wait` is false.

        Raises:
            StatusError: FAILED_PRECONDITION for a label to a version that is not AVAILABLE (nothing is
                changed then), or the error of a new model none of whose versions loads.
        """
        with self._changed:
            labels = self._checked_labels(models)
            new = [model.name for model in models if model.name not in self._models]
            self._labels = labels
            self._models = {model.name: model for model in models}
        self._wake.set()
        for name in new if wait else ():
            self.wait_for(name)

    def wait_for(self, name: str, stop: threading.Event | None = None) -> None:
        """Waits until `name` has an AVAILABLE version, and, where the settings say so, those with labels.

        A version with a label that is not there, or does not load, is not waited for: it is logged.

        Raises:
            StatusError: none of the versions of `name` loads.
        """
        with self._changed:
            while name in self._models and not self._stopping:
                if self._available(name) and self._labels_settled(name):
                    return
                if stop is not None and stop.is_set():
                    return
                error = self._hopeless.get(name)
                if error is not None:
                    raise StatusError(Code.UNKNOWN, f'no version of model {name} could be loaded: {error}')
                self._changed.wait(0.2)

    def _labels_settled(self, name: str) -> bool:
        """Whether no version with a label is being loaded, to be asked when one is AVAILABLE: then all are known."""
        if not self._settings.wait_for_labels:
            return True
        known, labels = self._versions.get(name, {}), self._labels.get(name, {})
        named = [known[number] for number in labels.values() if number in known]
        if any(version.state < State.AVAILABLE and version.error is None for version in named):
            return False
        loaded = {version.number for version in named if version.state is State.AVAILABLE}
        for label, number in labels.items():
            if number not in loaded:
                log.problem('label without its version', model=name, label=label, version=number)
        return True

    def _available(self, name: str) -> bool:
        return any(v.state is State.AVAILABLE for v in list(self._versions.get(name, {}).values()))

    def _checked_labels(self, models: Sequence[Model]) -> dict[str, dict[str, int]]:
        for model in models:
            known = self._versions.get(model.name, {})
            for label, number in model.labels.items():
                if number in known and known[number].state is State.AVAILABLE:
                    continue
                if self._settings.any_label and label not in self._labels.get(model.name, {}):
                    continue
                raise failed_precondition(
                    f'Request to assign label to version {number} of model {model.name}, '
                    'which is not currently available for inference'
                )
        return {model.name: dict(model.labels) for model in models}

    def stop(self) -> None:
        """Lets go of every version; requests that run keep theirs to the end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._loaders.shutdown(wait=True, cancel_futures=True)
        for known in self._versions.values():
            for version in known.values():
                if version.state is State.AVAILABLE:
                    version.unload()

    # -- the thread that looks and acts ------------------------------------------------------------------

    def _run(self) -> None:
        seconds = self._settings.poll_seconds
        while not self._stopping:
            for name in set(self._models) | set(self._versions):
                self._tend(name)
            self._wake.wait(seconds if seconds > 0 else 0.5)
            self._wake.clear()

    def _tend(self, name: str) -> None:
        """Brings what is loaded of one model nearer to what should be."""
        model = self._models.get(name)
        wanted: set[int] = set()
        if model is not None:
            found = self._found(model)
            if found is None:
                return
            known = self._versions.setdefault(name, {})
            failed = {number for number, version in known.items() if version.error is not None}
            wanted = model.policy.choose(found, failed)
            self._load_some(model, found, wanted)
            over = [version.error for version in known.values() if version.state is State.END]
            # Only what had failed when the choice was made counts: a version that fails meanwhile makes
            # room for an older one, which the next round chooses.
            hopeless = bool(found) and all(
                number in failed and known[number].state is State.END for number in (wanted or found)
            )
            with self._changed:
                self._hopeless[name] = over[-1] if hopeless else None
                self._changed.notify_all()
        self._let_go(name, wanted)

    def _load_some(self, model: Model, found: dict[int, Path], wanted: set[int]) -> None:
        """Starts loading what is new, newest first, and tries again what failed and may succeed now."""
        known = self._versions[model.name]
        retries = self._settings.load_retries
        begun: list[Version] = []
        retry = {number for number in found if number in known and known[number].may_retry(retries)}
        for number in sorted(wanted | retry, reverse=True):
            version = known.get(number)
            ended = version is None or version.state is State.END
            if version is None or (ended and (version.error is None or version.path != found[number])):
                version = known[number] = Version(model.name, number, found[number])
            elif number not in retry:
                continue
            version.loading()
            begun.append(version)
        for version in begun:
            self._loaders.submit(self._load_one, version)

    def _found(self, model: Model) -> dict[int, Path] | None:
        """The versions on disk; None where the folder cannot be read, so that what is loaded stays."""
        if self._settings.poll_seconds <= 0 and model.name in self._on_disk:
            return self._on_disk[model.name]
        try:
            found = source.versions(model.base_path)
            problem = '' if found else 'no versions found'
        except OSError as error:
            found, problem = None, error.strerror or str(error)
        if problem != self._unreadable.get(model.name, ''):
            self._unreadable[model.name] = problem
            if problem:
                log.problem('base path', model=model.name, path=model.base_path, error=problem)
        if found:
            self._on_disk[model.name] = found
        return found

    def _load_one(self, version: Version) -> None:
        settings = self._settings
        try:
            version.loaded(self._load(version))
        except StatusError as error:
            version.failed(error, settings.load_retries, settings.retry_seconds)
        except Exception as error:
            problem = StatusError(Code.INTERNAL, f'{type(error).__name__}: {error}')
            version.failed(problem, settings.load_retries, settings.retry_seconds)
        with self._changed:
            self._changed.notify_all()
        self._wake.set()

    def _let_go(self, name: str, wanted: set[int]) -> None:
        """Unloads what is not wanted any more, but never the last good version for one that is not ready."""
        known = self._versions.get(name, {})
        loaded = {number for number, version in known.items() if version.state is State.AVAILABLE}
        extra = loaded - wanted
        if extra and wanted and not loaded & wanted:
            extra.discard(max(extra))
        for number in sorted(extra):
            known[number].unload()
