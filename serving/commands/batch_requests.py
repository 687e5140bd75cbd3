"""Asks about batches as they come: several at a time, answers in order, through a restart of the server."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

from vaiven.serving.client.errors import UnavailableError

PARALLEL = 4
RETRY_SECONDS = 0.5

T = TypeVar('T')
Batch = list[str]


def answers(
    batches: Iterable[Batch], ask: Callable[[Batch, int], list[T]], patience: float
) -> Generator[tuple[Batch, list[T]], None, None]:
    """Each batch with its answers. The next batches are taken and asked about meanwhile, `PARALLEL` at a time.

    Args:
        batches: taken in a thread of their own, so that answers are given out while the input pauses.
        ask: gets a batch and its number, from 0; called from several threads.
        patience: seconds to wait for a server that has answered before and does not any more; 0 for not at all.

    Raises:
        ServingError: what taking or asking raised, after the answers before it.
    """
    stop = threading.Event()
    patient = _Patience(ask, patience, stop)
    room = threading.Semaphore(PARALLEL)
    under_way: SimpleQueue[tuple[Batch, Future[list[T]]] | BaseException | None] = SimpleQueue()
    # Its threads end with the client, which ends the requests.
    pool = ThreadPoolExecutor(PARALLEL, 'ask')

    def take() -> None:
        try:
            for number, batch in enumerate(batches):
                room.acquire()
                if stop.is_set():
                    return
                under_way.put((batch, pool.submit(patient, batch, number)))
            under_way.put(None)
        except BaseException as error:
            under_way.put(error)

    # A daemon, for nothing can end its wait for more input.
    threading.Thread(target=take, name='take', daemon=True).start()
    try:
        while (taken := under_way.get()) is not None:
            if isinstance(taken, BaseException):
                raise taken
            batch, asked = taken
            yield batch, asked.result()
            room.release()
    finally:
        stop.set()
        room.release()
        pool.shutdown(wait=False, cancel_futures=True)


class _Patience(Generic[T]):
    """Asks again while the server is away, if it had been there."""

    def __init__(self, ask: Callable[[Batch, int], list[T]], seconds: float, stop: threading.Event) -> None:
        self._ask = ask
        self._seconds = seconds
        self._stop = stop
        self._answered = False
        self._lock = threading.Lock()
        self._away_since: float | None = None

    def __call__(self, batch: Batch, number: int) -> list[T]:
        while True:
            try:
                found = self._ask(batch, number)
            except UnavailableError as error:
                if not (self._answered and self._seconds and self._wait(error)):
                    raise
            else:
                self._answered = True
                self._away_since = None
                return found

    def _wait(self, error: UnavailableError) -> bool:
        """Whether to ask once more."""
        with self._lock:
            if self._away_since is None:
                self._away_since = time.monotonic()
                print(f'vaiven: {error}; waiting for it, {self._seconds:g} s at most', file=sys.stderr)
            over = time.monotonic() - self._away_since > self._seconds
        return not over and not self._stop.wait(RETRY_SECONDS)
