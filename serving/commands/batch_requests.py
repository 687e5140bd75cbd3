"""Sends batches to a server: several at a time, results in order, with retries while the server restarts."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

from vaiven.serving.client.errors import UnavailableError

MAX_PARALLEL_REQUESTS = 4
RETRY_SECONDS = 0.5

T = TypeVar('T')
Batch = list[str]


def batch_results(
    batches: Iterable[Batch], send: Callable[[Batch, int], list[T]], patience: float
) -> Generator[tuple[Batch, list[T]], None, None]:
    """Each batch with its results, in order. Up to `MAX_PARALLEL_REQUESTS` batches are in flight.

    Args:
        batches: read in a separate thread, so that results are yielded while the input pauses.
        send: gets a batch and its number, from 0; called from several threads.
        patience: seconds to wait for a server that has answered before and has become unavailable; 0 to fail at
            once.

    Raises:
        ServingError: raised by `batches` or `send`, after the results before it.
    """
    stop = threading.Event()
    sender = _RetryingSender(send, patience, stop)
    slots = threading.Semaphore(MAX_PARALLEL_REQUESTS)
    in_flight: SimpleQueue[tuple[Batch, Future[list[T]]] | BaseException | None] = SimpleQueue()
    # Its threads end with the client, which cancels their requests.
    pool = ThreadPoolExecutor(MAX_PARALLEL_REQUESTS, 'send')

    def read_batches() -> None:
        try:
            for number, batch in enumerate(batches):
                slots.acquire()
                if stop.is_set():
                    return
                in_flight.put((batch, pool.submit(sender, batch, number)))
            in_flight.put(None)
        except BaseException as error:
            in_flight.put(error)

    # A daemon thread, because nothing can interrupt its wait for more input.
    threading.Thread(target=read_batches, name='read-batches', daemon=True).start()
    try:
        while (item := in_flight.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            batch, future = item
            yield batch, future.result()
            slots.release()
    finally:
        stop.set()
        slots.release()
        pool.shutdown(wait=False, cancel_futures=True)


class _RetryingSender(Generic[T]):
    """Sends a batch again while the server is unavailable, if it has answered before."""

    def __init__(self, send: Callable[[Batch, int], list[T]], seconds: float, stop: threading.Event) -> None:
        self._send = send
        self._seconds = seconds
        self._stop = stop
        self._has_answered = False
        self._lock = threading.Lock()
        self._unavailable_since: float | None = None

    def __call__(self, batch: Batch, number: int) -> list[T]:
        while True:
            try:
                results = self._send(batch, number)
            except UnavailableError as error:
                if not (self._has_answered and self._seconds and self._wait(error)):
                    raise
            else:
                self._has_answered = True
                self._unavailable_since = None
                return results

    def _wait(self, error: UnavailableError) -> bool:
        """Waits for the next attempt; returns whether there is one."""
        with self._lock:
            if self._unavailable_since is None:
                self._unavailable_since = time.monotonic()
                print(f'vaiven: {error}; waiting up to {self._seconds:g} s for it', file=sys.stderr)
            expired = time.monotonic() - self._unavailable_since > self._seconds
        return not expired and not self._stop.wait(RETRY_SECONDS)
