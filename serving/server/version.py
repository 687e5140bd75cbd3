"""One version of one model: its state, what runs it while it is in memory, and who uses it now."""

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
    """As in ModelVersionStatus; a version goes from top to bottom."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


class Version:
    """A version and its life. The manager moves it; `acquire` and `release` are for requests."""

    def __init__(self, name: str, number: int, path: Path) -> None:
        self.name = name
        self.number = number
        self.path = path
        self.state = State.START
        self.error: StatusError | None = None
        self.attempts = 0
        self.retry_at = 0.0
        self._trying = False
        self._seen: frozenset[tuple[str, int, int]] = frozenset()
        self._execution: Execution | None = None
        self._users = 0
        self._lock = threading.Lock()
        self._began = time.monotonic()

    @property
    def model(self) -> LoadedModel:
        return self.execution.model

    @property
    def execution(self) -> Execution:
        """Runs the model; there between `acquire` and `release`."""
        assert self._execution is not None, f'{self.name} {self.number} is not in memory'
        return self._execution

    @property
    def trying(self) -> bool:
        """Whether a load is running, or waits for a thread."""
        return self._trying

    def acquire(self) -> bool:
        """Keeps the model in memory until `release`; False if it is not AVAILABLE (any more)."""
        with self._lock:
            if self.state is not State.AVAILABLE:
                return False
            self._users += 1
            return True

    def __enter__(self) -> 'Version':
        """Of a version that has been acquired; it is released at the end of the block."""
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def retain(self) -> None:
        """One use more, of somebody who has one: so the model is there, AVAILABLE or not."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Ends one use; the last one of a version that is being unloaded frees its memory."""
        with self._lock:
            self._users -= 1
            last = self._users == 0 and self.state is State.UNLOADING
        if last:
            # Not in the event loop, which may have called: closing a session takes its time.
            threading.Thread(target=self._end, name='unload').start()

    def loading(self) -> None:
        self._began = time.monotonic()
        self._seen = fingerprint(self.path)
        self.attempts += 1
        self._trying = True
        self._move(State.LOADING)

    def loaded(self, execution: Execution) -> None:
        with self._lock:
            self._execution = execution
        self.error = None
        self._trying = False
        self._move(State.AVAILABLE)

    def failed(self, error: StatusError, retries: int, retry_seconds: float) -> None:
        """Notes a load that failed: LOADING with its error while there are retries left, then END."""
        self.error = error
        self._trying = False
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
            self._move(State.END)

    def may_retry(self, retries: int) -> bool:
        """Whether a failed load should be tried again now: its time has come, or its files have changed."""
        if self._trying or self.error is None:
            return False
        if self.attempts <= retries and time.monotonic() >= self.retry_at:
            return True
        if fingerprint(self.path) != self._seen:
            self.attempts = 0
            return True
        return False

    def give_up(self) -> None:
        """Ends a version that is not in memory, and whose load will not be tried again."""
        self._trying = False
        self._move(State.END)

    def unload(self) -> None:
        """Takes no more requests; memory is freed when the last running one ends."""
        self._began = time.monotonic()
        with self._lock:
            idle = self._users == 0
            self.state = State.UNLOADING
        log.event('version', model=self.name, version=self.number, state=State.UNLOADING.name)
        if idle:
            self._end()

    def _end(self) -> None:
        with self._lock:
            execution, self._execution = self._execution, None
        if execution is not None:
            execution.close()
            del execution
            runtime.give_back_memory()
            self._move(State.END)

    def _move(self, state: State) -> None:
        with self._lock:
            self.state = state
        seconds = time.monotonic() - self._began
        log.event('version', model=self.name, version=self.number, state=state.name, seconds=seconds)
