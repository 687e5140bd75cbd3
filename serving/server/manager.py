"""The models and their versions: new ones are loaded before old ones go, and requests find theirs."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from vaiven.serving.common import log
from vaiven.serving.common.split import STABLE
from vaiven.serving.common.status import (
    Code,
    StatusError,
    failed_precondition,
    invalid_argument,
    not_found,
)
from vaiven.serving.server.execution import Execution
from vaiven.serving.server.model_config import Model
from vaiven.serving.server.served_model import ServedModel, Settings
from vaiven.serving.server.version import Version

# After a configuration, before the disk is looked at; the stock server looks every 100 ms.
CALM_SECONDS = 0.04
MAX_CALM_SECONDS = 1.0


class Manager:
    """Serves the models it is told to. All public methods may be called from any thread."""

    def __init__(
        self,
        load: Callable[[Version], Execution],
        settings: Settings,
        forget: Callable[[str], None] = lambda name: None,
    ) -> None:
        """
        Args:
            load: brings a version into memory and warms it up, or raises StatusError.
            settings: how versions are looked for and loaded.
            forget: called with the name of a model that was removed, once by `configure` and once when nothing of it is
                in memory any more.
        """
        self._load = load
        self._settings = settings
        self._forget = forget
        self._served: dict[str, ServedModel] = {}  # replaced whole
        self._leaving: list[ServedModel] = []
        self._lock = threading.Lock()  # for changes of these two; never held while something is waited for
        self._listeners: frozenset[Callable[[], object]] = frozenset()
        self._wake = threading.Event()
        self._stopping = False
        self._configured_at = 0.0
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
        served = self._served.get(name)
        versions = served.versions if served is not None else ()
        if choice is None:
            if self._settings.follow_stable and served is not None:
                stable = served.labels.get(STABLE)
                versions = tuple(sorted(versions, key=lambda version: version.number != stable))
            for version in versions:
                if version.acquire():
                    return version
            raise not_found(f'Servable not found for request: Latest({name})')
        if choice == 'version_label':
            labels = served.labels if served is not None else {}
            if spec.version_label not in labels:
                raise invalid_argument(f'Unrecognized servable version label: {spec.version_label}')
            number = labels[spec.version_label]
        else:
            number = spec.version.value
        for version in versions:
            if version.number == number and version.acquire():
                return version
        raise not_found(f'Servable not found for request: Specific({name}, {number})')

    def versions(self, name: str) -> list[Version]:
        """Every version of `name` seen so far, newest first; of a model that was removed until it is unloaded."""
        served = self._served.get(name)
        if served is None:
            served = next((each for each in self._leaving if each.model.name == name), None)
        return served.newest() if served is not None else []

    def names(self) -> list[str]:
        """The models that the configuration lists, in the order of their names."""
        return sorted(self._served)

    def unready(self) -> list[str]:
        """Those of them that have no AVAILABLE version."""
        return [name for name, served in sorted(self._served.items()) if not served.available]

    def ready(self) -> bool:
        """Whether a model has an AVAILABLE version, and every model that ever had one still has.

        So a model that is added later and cannot load takes no traffic from the others.
        """
        models = list(self._served.values())
        lost = any(served.was_available and not served.available for served in models)
        return not lost and any(served.available for served in models)

    # -- what the configuration says ---------------------------------------------------------------------

    def configure(self, models: Sequence[Model]) -> list[Model]:
        """Serves exactly `models`: first the labels are checked against what is loaded now, then all is set.

        Returns at once.

        Returns:
            those of them that have never been AVAILABLE, for `settled`.

        Raises:
            StatusError: FAILED_PRECONDITION for a label to a version that is not AVAILABLE; nothing is changed then.
        """
        with self._lock:
            self._check_labels(models)
            served = {}
            for model in models:
                served[model.name] = self._served.get(model.name) or ServedModel(model, self._settings)
                served[model.name].model = model
            removed = [self._served[name] for name in self._served if name not in served]
            for each in removed:
                each.leaving = True
            self._leaving += removed
            self._served = served
            self._configured_at = time.monotonic()
            waited_for = [model for model in models if not served[model.name].was_available]
        for each in removed:
            self._forget(each.model.name)
        self._wake.set()
        self._tell()
        return waited_for

    def _check_labels(self, models: Sequence[Model]) -> None:
        for model in models:
            served = self._served.get(model.name)
            available = served.available_numbers() if served is not None else set()
            for label, number in model.labels.items():
                if number in available:
                    continue
                if self._settings.any_label and (served is None or label not in served.labels):
                    continue
                raise failed_precondition(
                    f'Request to assign label to version {number} of model {model.name}, '
                    'which is not currently available for inference'
                )

    def settled(self, model: Model) -> bool:
        """Whether `model`, as it was configured, needs no more waiting for; see `ServedModel.settled`.

        Raises:
            StatusError: ABORTED if a newer configuration has removed it, or looks for its versions elsewhere; UNKNOWN
                if none of its versions loads; UNAVAILABLE if the server stops.
        """
        if self._stopping:
            raise StatusError(Code.UNAVAILABLE, 'the server is stopping')
        served = self._served.get(model.name)
        if served is None or served.model.base_path != model.base_path:
            raise StatusError(
                Code.ABORTED,
                f'a newer configuration came before model {model.name} had an available version at {model.base_path}',
            )
        return served.settled()

    @contextmanager
    def listening(self, listener: Callable[[], object]) -> Iterator[None]:
        """Calls `listener`, from any thread, whenever what `settled` says may have changed. It must not wait."""
        with self._lock:
            self._listeners |= {listener}
        try:
            yield
        finally:
            with self._lock:
                self._listeners -= {listener}

    def _tell(self) -> None:
        for listener in self._listeners:
            with suppress(RuntimeError):  # its event loop has ended
                listener()

    def end_waits(self) -> None:
        """Loads nothing more, and ends what waits for models: a server that drains must not wait for them."""
        self._stopping = True
        self._tell()
        self._wake.set()

    def stop(self) -> None:
        """Lets go of every version; requests that run keep theirs to the end."""
        self.end_waits()
        self._thread.join()
        self._loaders.shutdown(wait=True, cancel_futures=True)
        for served in (*self._served.values(), *self._leaving):
            served.unload_all()

    # -- the thread that looks and acts ------------------------------------------------------------------

    def _run(self) -> None:
        seconds = self._settings.poll_seconds
        while not self._stopping:
            for served in (*self._served.values(), *self._leaving):
                try:
                    served.tend(self._start_loading)
                except Exception as error:  # one model must not stop the others
                    log.problem('model', model=served.model.name, error=f'{type(error).__name__}: {error}')
            self._forget_gone()
            self._tell()
            self._wake.wait(seconds if seconds > 0 else 0.5)
            self._await_calm()
            self._wake.clear()

    def _await_calm(self) -> None:
        """Waits until configurations have stopped coming: in a storm of reloads one look is for many of them.

        A model that comes and goes with each would else be loaded each time, with Python's lock held.
        """
        latest = time.monotonic() + MAX_CALM_SECONDS
        while not self._stopping and time.monotonic() < min(latest, self._configured_at + CALM_SECONDS):
            time.sleep(CALM_SECONDS / 2)

    def _forget_gone(self) -> None:
        gone = [served for served in self._leaving if served.gone]
        with self._lock:
            self._leaving = [served for served in self._leaving if served not in gone]
        for served in gone:
            if served.model.name not in self._served:
                self._forget(served.model.name)

    def _start_loading(self, served: ServedModel, version: Version) -> None:
        self._loaders.submit(self._load_one, served, version)

    def _load_one(self, served: ServedModel, version: Version) -> None:
        settings = self._settings
        if served.leaving:
            version.give_up()
        else:
            try:
                version.loaded(self._load(version))
                served.was_available = True
            except StatusError as error:
                version.failed(error, settings.load_retries, settings.retry_seconds)
            except Exception as error:
                problem = StatusError(Code.INTERNAL, f'{type(error).__name__}: {error}')
                version.failed(problem, settings.load_retries, settings.retry_seconds)
        self._tell()
        self._wake.set()
