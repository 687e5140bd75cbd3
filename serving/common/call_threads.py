"""The threads of a gRPC server: one for each call in progress, of which only a few are at work at a time."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from vaiven.serving.common import log

# Idle threads end after this time.
IDLE_SECONDS = 10.0
# A thread that is at work for longer, while calls wait, does not count: its client may be slow to send the request.
STUCK_SECONDS = 0.02

_Work = tuple[Callable[..., Any], tuple[Any, ...]]


class _Uncounted:
    """The future of a call, as far as gRPC uses it: to count calls, which it does only for a limit of its own."""

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Does nothing."""


_UNCOUNTED = _Uncounted()


class _Worker:
    """A thread. It counts as being at work unless it is `blocked` or `stuck`."""

    def __init__(self, threads: 'CallThreads', work: _Work, turn: int) -> None:
        self.threads = threads
        self.work: _Work | None = work
        self.turn = turn
        self.blocked = 0  # depth of `blocking`
        self.stuck = False
        self.parked = threading.Lock()
        self.parked.acquire()


class _Current(threading.local):
    worker: _Worker | None = None


_current = _Current()


class CallThreads:
    """The executor of a `grpc.server`.

    A thread that has nothing to do takes the next call without a change of threads. All share Python's interpreter
    lock, so no more of them than there are processors, and one, are at work: more would only pass the lock around.
    Waits are marked by `blocking`; meanwhile other threads work.
    """

    def __init__(self, max_threads: int) -> None:
        """`max_threads` calls are in progress at the same time; the others wait."""
        self._max_threads = max_threads
        self._max_active = (os.cpu_count() or 1) + 1
        self._lock = threading.Lock()
        self._waiting: deque[_Work] = deque()
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []  # the last one was at work last, and is the first to work again
        self._active = 0
        self._turn = 0  # calls that were begun
        self._backlog = threading.Event()
        threading.Thread(target=self._watch, name='grpc-watch', daemon=True).start()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> _Uncounted:
        """Calls `work` in a thread."""
        with self._lock:
            self._waiting.append((work, arguments))
            self._fill()
            if self._waiting and not self._backlog.is_set():
                self._backlog.set()
        return _UNCOUNTED

    def _fill(self) -> None:
        """Begins calls while threads may work. The lock is held."""
        while self._waiting and self._active < self._max_active:
            if self._idle:
                worker = self._idle.pop()
                self._give(worker)
                worker.parked.release()
            elif len(self._workers) < self._max_threads:
                self._turn += 1
                worker = _Worker(self, self._waiting[0], self._turn)
                # A daemon: a run that no deadline ends must not keep the process alive.
                thread = threading.Thread(target=self._run, args=(worker,), name='grpc', daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system has no more threads: the watcher tries again
                    return
                self._waiting.popleft()
                self._workers.add(worker)
            else:
                return
            self._active += 1

    def _give(self, worker: _Worker) -> None:
        self._turn += 1
        worker.turn = self._turn
        worker.work = self._waiting.popleft()

    def _run(self, worker: _Worker) -> None:
        _current.worker = worker
        while worker.work is not None:
            work, arguments = worker.work
            worker.work = None
            try:
                work(*arguments)
            except BaseException as error:  # gRPC reports those of a call itself
                log.problem('gRPC', error=f'{type(error).__name__}: {error}')
            finally:
                del work, arguments  # the wait for the next call must not keep this one in memory
                is_given = self._end(worker)
            # A call that another thread gives this one comes with a release of `parked`, which must be taken in every
            # case: whether `worker.work` is set already does not matter.
            if not is_given and not worker.parked.acquire(timeout=IDLE_SECONDS):
                with self._lock:
                    if worker.work is None:
                        self._idle.remove(worker)
                        self._workers.remove(worker)
                    else:  # it was given a call just now
                        worker.parked.acquire()

    def _end(self, worker: _Worker) -> bool:
        """Ends a call. Returns whether the thread was given the next one."""
        with self._lock:
            if worker.stuck:
                worker.stuck = False
                self._active += 1
            if self._waiting and self._active <= self._max_active:
                self._give(worker)
                return True
            self._active -= 1
            self._idle.append(worker)
            return False

    def block(self, worker: _Worker) -> None:
        """Notes that a thread is going to wait."""
        with self._lock:
            worker.blocked += 1
            if worker.blocked == 1 and not worker.stuck:
                self._active -= 1
                self._fill()

    def unblock(self, worker: _Worker) -> None:
        """Notes the end of the wait."""
        with self._lock:
            worker.blocked -= 1
            if not worker.blocked and not worker.stuck:
                self._active += 1

    def _watch(self) -> None:
        """Lets others work where threads are stuck, while calls wait."""
        while True:
            self._backlog.wait()
            turn = self._turn
            time.sleep(STUCK_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._backlog.clear()
                    continue
                idle = set(self._idle)
                for worker in self._workers:
                    if worker.turn <= turn and worker not in idle and not worker.blocked and not worker.stuck:
                        worker.stuck = True
                        self._active -= 1
                self._fill()


class _Blocking:
    """A context in which the current thread waits, or runs for long without the interpreter lock."""

    def __enter__(self) -> None:
        worker = _current.worker
        if worker is not None:
            worker.threads.block(worker)

    def __exit__(self, *error: object) -> None:
        worker = _current.worker
        if worker is not None:
            worker.threads.unblock(worker)


blocking = _Blocking()
