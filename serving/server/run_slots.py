"""The limit of runs outside of batches, for all versions of a server: more at once would only slow each other down."""

import threading
import time
from collections import deque

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.batch_tasks import OnEnd, Waiter


class _SlotWaiter(Waiter):
    granted = False


class RunSlots:
    """A number of slots, which threads take in the order of their arrival. It is thread-safe."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[_SlotWaiter] = deque()

    def acquire(self, deadline: float | None = None, on_end: OnEnd | None = None) -> None:
        """Takes a slot, until `release`. Waits for one where all are taken.

        Args:
            deadline: on the clock `time.monotonic`; None for none.
            on_end: registers a function for the end of the call; None for a call that does not tell.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or CANCELLED if the call has ended.
        """
        with self._lock:
            if self._free:
                self._free -= 1
                return
            waiter = _SlotWaiter()
            self._waiting.append(waiter)
        if on_end is None or on_end(waiter.end):
            waiter.sleep(None if deadline is None else deadline - time.monotonic())
        with self._lock:
            if waiter.granted:
                return
            self._waiting.remove(waiter)
        if deadline is not None and time.monotonic() >= deadline:
            raise StatusError(Code.DEADLINE_EXCEEDED, 'Timed out waiting for notification')
        raise StatusError(Code.CANCELLED, 'the caller has hung up')

    def release(self) -> None:
        """Ends a use. The slot goes to the thread that has waited longest."""
        with self._lock:
            if self._waiting:
                waiter = self._waiting.popleft()
                waiter.granted = True
                waiter.wake()
            else:
                self._free += 1
