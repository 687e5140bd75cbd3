"""One version of one model: its state, its model while it is in memory, and the count of its uses."""

import threading
import time
from enum import IntEnum
from pathlib import Path

from vaiven.serving.common import log
from vaiven.serving.common.status import StatusError
from vaiven.serving.common.version_folders import fingerprint
from vaiven.serving.server import runtime
from vaiven.serving.server.execution import Execution, LoadedModel


class State(IntEnum):
    """The states of ModelVersionStatus, in their order; the numbers are part of the API."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class Version:
    """A version from its first load to its end. The manager changes its state; requests use `acquire` and `release`.

    Attributes:
        name: name of the model.
        number: number of the version.
        path: folder of the version.
        state: as ModelVersionStatus reports it.
        error: why the last load failed; None where none did.
        attempts: loads so far, since its files last changed.
        retry_at: the earliest time of the next one, on the clock `time.monotonic`.
    """

    def __init__(self, name: str, number: int, path: Path) -> None:
        """
        Args:
            name: name of the model.
            number: number of the version.
            path: folder of the version.
        """
        self.name = name
        self.number = number
        self.path = path
        self.state = State.START
        self.error: StatusError | None = None
        self.attempts = 0
        self.retry_at = 0.0
        self._loading = False
        self._fingerprint: frozenset[tuple[str, int, int]] = frozenset()
        self._execution: Execution | None = None
        self._uses = 0
        self._lock = threading.Lock()
        self._started_at = time.monotonic()

    @property
    def model(self) -> LoadedModel:
        """The model in memory, between `acquire` and `release`."""
        return self.execution.model

    @property
    def execution(self) -> Execution:
        """Runs the model, between `acquire` and `release`."""
        assert self._execution is not None, f'{self.name} {self.number} is not in memory'
        return self._execution

    @property
    def is_loading(self) -> bool:
        """Whether a load is running or waits for a thread."""
        return self._loading

    def acquire(self) -> bool:
        """Keeps the model in memory until `release`. Returns False if the version is not AVAILABLE."""
        with self._lock:
            if self.state is not State.AVAILABLE:
                return False
            self._uses += 1
            return True

    def __enter__(self) -> 'Version':
        """For a version that is acquired already: the end of the block releases it."""
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def retain(self) -> None:
        """Adds a use. The caller must have one already, so the model is in memory even while it unloads."""
        with self._lock:
            self._uses += 1

    def release(self) -> None:
        """Ends a use. The last one of an UNLOADING version frees its memory."""
        with self._lock:
            self._uses -= 1
            last = self._uses == 0 and self.state is State.UNLOADING
        if last:
            # The caller may be the event loop, and closing a session takes up to seconds.
            threading.Thread(target=self._free, name='unload').start()

    def begin_load(self) -> None:
        """Enters LOADING, with one attempt more."""
        self._started_at = time.monotonic()
        # Before the load: files that change during it must lead to another attempt.
        self._fingerprint = fingerprint(self.path)
        self.attempts += 1
        self._loading = True
        self._set_state(State.LOADING)

    def finish_load(self, execution: Execution) -> None:
        """Enters AVAILABLE: `execution` answers requests from now on."""
        with self._lock:
            self._execution = execution
        self.error = None  # of earlier attempts
        self._loading = False
        self._set_state(State.AVAILABLE)

    def fail_load(self, error: StatusError, retries: int, retry_seconds: float) -> None:
        """Notes a failed load. The version stays LOADING with its error while retries are left, as upstream, then ENDs.

        Args:
            error: why it failed.
            retries: allowed attempts after the first.
            retry_seconds: time until the next one.
        """
        self.error = error
        self._loading = False
        self.retry_at = time.monotonic() + retry_seconds
        last = self.attempts > retries
        log.problem(
            'load failed',
            model=self.name,
            version=self.number,
            attempt=self.attempts,
            retry_in=None if last else retry_seconds,
            error=error,
        )
        if last:
            self._set_state(State.END)

    def should_retry(self, retries: int) -> bool:
        """Whether a failed load should be repeated now: its time has come, or its files have changed."""
        if self._loading or self.error is None:
            return False
        if self.attempts <= retries and time.monotonic() >= self.retry_at:
            return True
        if fingerprint(self.path) != self._fingerprint:
            # A model that is still being copied fails to load: the complete one has all its attempts.
            self.attempts = 0
            return True
        return False

    def cancel_load(self) -> None:
        """Ends a version that is not in memory and will not be loaded."""
        self._loading = False
        self._set_state(State.END)

    def unload(self) -> None:
        """Accepts no more requests. The memory is freed when the last running one ends."""
        self._started_at = time.monotonic()
        with self._lock:
            idle = self._uses == 0
            self.state = State.UNLOADING
        log.event('version', model=self.name, version=self.number, state=State.UNLOADING.name)
        if idle:
            self._free()

    def _free(self) -> None:
        # `unload` and the last `release` may both come here: only one gets the execution.
        with self._lock:
            execution, self._execution = self._execution, None
        if execution is not None:
            execution.close()
            del execution  # the last reference: the memory is trimmed after the model is gone
            runtime.trim_memory()
            self._set_state(State.END)

    def _set_state(self, state: State) -> None:
        with self._lock:
            self.state = state
        seconds = time.monotonic() - self._started_at
        log.event('version', model=self.name, version=self.number, state=state.name, seconds=seconds)
