"""The models and their versions: loads new ones before it unloads old ones, and finds the version for a request."""

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
from vaiven.serving.server.model_config import ModelConfig
from vaiven.serving.server.served_model import ServedModel, ServingOptions
from vaiven.serving.server.version import Version

# Time without a new configuration before the versions are reconciled. The stock server does so every 100 ms.
DEBOUNCE_SECONDS = 0.04
MAX_DEBOUNCE_SECONDS = 1.0


class Manager:
    """Serves the configured models. All public methods are thread-safe."""

    def __init__(
        self,
        load: Callable[[Version], Execution],
        serving_options: ServingOptions,
        on_removed: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Starts the manager's thread, without models.

        Args:
            load: loads a version into memory and warms it up, or raises StatusError.
            serving_options: how versions are found, loaded and chosen.
            on_removed: called with the name of a removed model: by `configure`, and again when none of its versions is
                in memory any more.
        """
        self._load = load
        self._serving_options = serving_options
        self._on_removed = on_removed
        self._served: dict[str, ServedModel] = {}  # replaced whole, so that requests need no lock
        self._removed: list[ServedModel] = []  # until they are unloaded
        # For changes of these two. It is never held during a wait: a reload of a missing path would block all others.
        self._lock = threading.Lock()
        self._listeners: frozenset[Callable[[], object]] = frozenset()
        self._wake = threading.Event()
        self._stopping = False
        self._configured_at = 0.0
        self._loaders = ThreadPoolExecutor(serving_options.load_threads, 'load')
        self._thread = threading.Thread(target=self._run, name='manager', daemon=True)
        self._thread.start()

    # -- for requests ------------------------------------------------------------------------------------

    def acquire(self, spec: Any) -> Version:
        """The version for a ModelSpec. It stays in memory until `release`, or the end of a `with` block.

        Args:
            spec: a ModelSpec. Without version and label it means the newest AVAILABLE version.

        Raises:
            StatusError: INVALID_ARGUMENT for no name or an unknown label, NOT_FOUND for an unknown model or version.
        """
        name = spec.name
        if not name:
            raise invalid_argument('ModelSpec has no name specified.')
        choice = spec.WhichOneof('version_choice')
        served = self._served.get(name)
        versions = served.versions if served is not None else ()
        if choice is None:
            if self._serving_options.follow_stable and served is not None:
                stable = served.labels.get(STABLE)
                # `False` sorts first; without such a version the newest remains the first.
                versions = tuple(sorted(versions, key=lambda version: version.number != stable))
            for version in versions:  # newest first; the first may have been unloaded since
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
        """Every known version of `name`, newest first. A removed model keeps its versions until they are unloaded."""
        served = self._served.get(name)
        if served is None:
            served = next((removed for removed in self._removed if removed.model.name == name), None)
        return served.newest() if served is not None else []

    def names(self) -> list[str]:
        """The names of the configured models, sorted."""
        return sorted(self._served)

    def unready(self) -> list[str]:
        """The names of the configured models without AVAILABLE version, sorted."""
        return [name for name, served in sorted(self._served.items()) if not served.available]

    def ready(self) -> bool:
        """Whether a model has an AVAILABLE version, and every model that ever had one still has one.

        A model that is added later and cannot load does not take traffic away from the others.
        """
        models = list(self._served.values())
        lost = any(served.was_available and not served.available for served in models)
        return not lost and any(served.available for served in models)

    # -- for configurations ------------------------------------------------------------------------------

    def configure(self, models: Sequence[ModelConfig]) -> list[ModelConfig]:
        """Serves exactly `models`, without waiting for their versions.

        As upstream, labels are checked first and against the versions that are loaded now. A configuration that adds
        a version and labels it in one step therefore fails.

        Args:
            models: all models to serve.

        Returns:
            Those that have never been AVAILABLE, for `settled`.

        Raises:
            StatusError: FAILED_PRECONDITION for a label of a version that is not AVAILABLE; nothing changes then.
        """
        with self._lock:
            self._check_labels(models)
            served = {}
            for model in models:
                served[model.name] = self._served.get(model.name) or ServedModel(model, self._serving_options)
                served[model.name].model = model
            removed = [self._served[name] for name in self._served if name not in served]
            for served_model in removed:
                served_model.removed = True
            self._removed += removed
            self._served = served
            self._configured_at = time.monotonic()
            pending = [model for model in models if not served[model.name].was_available]
        for served_model in removed:
            self._on_removed(served_model.model.name)
        self._wake.set()
        self._notify_listeners()
        return pending

    def _check_labels(self, models: Sequence[ModelConfig]) -> None:
        for model in models:
            served = self._served.get(model.name)
            available = served.available_numbers() if served is not None else set()
            for label, number in model.labels.items():
                if number in available:
                    continue
                # As upstream, the flag allows this only for labels that are not in use yet.
                if self._serving_options.allow_unavailable_labels and (
                    served is None or label not in served.labels
                ):
                    continue
                raise failed_precondition(
                    f'Request to assign label to version {number} of model {model.name}, '
                    'which is not currently available for inference'
                )

    def settled(self, model: ModelConfig) -> bool:
        """Whether the wait for `model` is over: a version is AVAILABLE, and the labelled ones are where that is asked.

        Args:
            model: as it was configured.

        Raises:
            StatusError: ABORTED if a newer configuration has removed the model or changed its base path, UNKNOWN if
                none of its versions loads, UNAVAILABLE if the server stops.
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
        """Calls `listener`, from any thread, when the result of `settled` may have changed. It must not block."""
        with self._lock:
            self._listeners |= {listener}
        try:
            yield
        finally:
            with self._lock:
                self._listeners -= {listener}

    def _notify_listeners(self) -> None:
        for listener in self._listeners:
            with suppress(RuntimeError):  # its event loop is closed
                listener()

    def stop_loading(self) -> None:
        """Starts no more loads and ends the waits for models, so that they do not delay a shutdown."""
        self._stopping = True
        self._notify_listeners()
        self._wake.set()

    def stop(self) -> None:
        """Unloads every version. Running requests keep theirs to the end."""
        self.stop_loading()
        self._thread.join()
        self._loaders.shutdown(wait=True, cancel_futures=True)
        for served in (*self._served.values(), *self._removed):
            served.unload_all()

    # -- the manager's thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        seconds = self._serving_options.poll_seconds
        while not self._stopping:
            for served in (*self._served.values(), *self._removed):
                try:
                    served.reconcile(self._start_load)
                except Exception as error:  # one model must not stop the others
                    log.problem('model', model=served.model.name, error=f'{type(error).__name__}: {error}')
            self._drop_unloaded()
            self._notify_listeners()
            # Without polling, retries of failed loads still need a look.
            self._wake.wait(seconds if seconds > 0 else 0.5)
            self._debounce()
            self._wake.clear()

    def _debounce(self) -> None:
        """Waits until no configuration has come for `DEBOUNCE_SECONDS`, but at most `MAX_DEBOUNCE_SECONDS`.

        In a storm of reloads, a model that is added and removed in turn would otherwise be loaded each time. A load
        holds Python's interpreter lock and would delay all requests.
        """
        end = time.monotonic() + MAX_DEBOUNCE_SECONDS
        while not self._stopping and time.monotonic() < min(end, self._configured_at + DEBOUNCE_SECONDS):
            time.sleep(DEBOUNCE_SECONDS / 2)

    def _drop_unloaded(self) -> None:
        unloaded = [served for served in self._removed if served.unloaded]
        with self._lock:
            self._removed = [served for served in self._removed if served not in unloaded]
        for served in unloaded:
            if served.model.name not in self._served:  # else it was added again
                self._on_removed(served.model.name)

    def _start_load(self, served: ServedModel, version: Version) -> None:
        self._loaders.submit(self._load_one, served, version)

    def _load_one(self, served: ServedModel, version: Version) -> None:
        serving_options = self._serving_options
        if served.removed:
            version.cancel_load()
        else:
            try:
                version.finish_load(self._load(version))
                served.was_available = True
            except StatusError as error:
                version.fail_load(error, serving_options.load_retries, serving_options.retry_seconds)
            except Exception as error:
                internal = StatusError(Code.INTERNAL, f'{type(error).__name__}: {error}')
                version.fail_load(internal, serving_options.load_retries, serving_options.retry_seconds)
        self._notify_listeners()
        self._wake.set()
