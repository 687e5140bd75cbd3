"""The threads of the gRPC server."""

import queue
import threading
from collections.abc import Callable
from typing import Any

# Idle threads end after this time.
IDLE_SECONDS = 10.0


class _Uncounted:
    """The future of a call, as far as gRPC uses it: to count calls, which it does only for a limit of its own."""

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Does nothing."""


_UNCOUNTED = _Uncounted()


class RequestThreads:
    """The executor of a `grpc.server`: starts a thread where none is idle, up to a limit.

    A thread waits with its request, for a batch or for a slot, so there must be one for each request in progress.
    Python's ThreadPoolExecutor costs half as much again as the whole call: it makes a future for each.
    """

    def __init__(self, max_threads: int) -> None:
        """`max_threads` calls are answered at the same time; the others wait."""
        self._max_threads = max_threads
        self._work: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0  # less the calls that wait for a thread

    def submit(self, work: Callable[..., Any], *arguments: Any) -> _Uncounted:
        """Calls `work` in a thread."""
        with self._lock:
            start = self._idle <= 0 and self._threads < self._max_threads
            if start:
                self._threads += 1
            else:
                self._idle -= 1
        self._work.put((work, arguments))
        if start:
            # A daemon: a run that no deadline ends must not keep the process alive.
            threading.Thread(target=self._run, name='grpc', daemon=True).start()
        return _UNCOUNTED

    def _run(self) -> None:
        while True:
            try:
                work, arguments = self._work.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._idle > 0:  # else a call was just given to this thread
                        self._idle -= 1
                        self._threads -= 1
                        return
                continue
            try:
                work(*arguments)
            finally:
                del work, arguments  # the wait for the next call must not keep this one in memory
                with self._lock:
                    self._idle += 1
