"""The threads that run the batches of all queues.

With a timeout of 0, a request that finds a free place runs at once, in the thread of its own caller where it has one:
batching costs nothing without concurrent requests.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vaiven.serving.common.call_threads import blocking
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.batch_tasks import Arrays, Task, ThreadCaller, wake

if TYPE_CHECKING:
    from vaiven.serving.server.batch_queue import Queue


class BatchThreads:
    """The places in which all queues of a server run batches, as upstream. The queue served longest ago is next.

    A batch runs in the thread of its first caller that has one, else in a thread of this pool. It is thread-safe.

    Attributes:
        lock: held for every change of a queue.
        free: batches that could start now.
    """

    def __init__(self, count: int = 0) -> None:
        """`count` places; 0: one per CPU."""
        self.lock = threading.Lock()
        self.free = count or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self.free, 'batch')
        self._waiting: dict[Queue, None] = {}  # a dict keeps the order in which queues are served

    def offer(self, queue: 'Queue | None' = None, tasks: Sequence[Task] = ()) -> None:
        """Adds tasks to a queue, and starts the batches that can start now.

        The others start when a place is free or their time is up.

        Args:
            queue: gets the tasks; None to start batches only.
            tasks: of one request.

        Raises:
            StatusError: UNAVAILABLE if the queue is full.
        """
        pooled: list[tuple[Queue, list[Task]]] = []
        expired: list[Task] = []
        with self.lock:
            if queue is not None:
                queue.extend(tasks)
                self._waiting.setdefault(queue)
            led = self._next_batches(pooled, expired)
        for caller in led:
            caller.wake()
        for waiting, batch in pooled:
            try:
                self._pool.submit(self.run, waiting, batch)
            except RuntimeError:  # `close`
                self._end(waiting, batch, [StatusError(Code.CANCELLED, 'the server stops')] * len(batch))
        wake(expired)

    def _next_batches(
        self, pooled: list[tuple['Queue', list[Task]]], expired: list[Task]
    ) -> list[ThreadCaller]:
        """Hands the batches that can start now to their first callers, which are returned, or adds them to `pooled`."""
        led = []
        for queue in list(self._waiting):
            while self.free and (batch := queue.next_batch(expired)):
                self.free -= 1
                queue.lease.retain()
                caller = next(
                    (
                        task.caller
                        for task in batch
                        if isinstance(task.caller, ThreadCaller) and not task.caller.leads
                    ),
                    None,
                )
                # Decided under the lock: a caller whose call ends now must know that others depend on it.
                if caller is not None:
                    caller.leads = True
                    caller.batch = batch
                    led.append(caller)
                else:
                    pooled.append((queue, batch))
                # To the end of the order, or one busy queue would starve the others.
                self._waiting[queue] = self._waiting.pop(queue)
            if queue.is_empty:
                self._waiting.pop(queue, None)
        return led

    def run(self, queue: 'Queue', batch: list[Task], leader: ThreadCaller | None = None) -> None:
        """Runs a batch in this thread, which is that of `leader` if there is one; hands the results to its callers."""
        results: Sequence[Arrays | BaseException]
        try:
            with blocking:
                results = queue.run(batch)
        except BaseException as error:  # in every case the place becomes free, and no caller waits for ever
            results = [error] * len(batch)
        self._end(queue, batch, results, leader)
        self.offer()

    def _end(
        self,
        queue: 'Queue',
        batch: list[Task],
        results: Sequence[Arrays | BaseException],
        leader: ThreadCaller | None = None,
    ) -> None:
        for task, result in zip(batch, results, strict=True):
            task.outputs = result
        with self.lock:
            self.free += 1
            if leader is not None:
                leader.leads = False
        queue.lease.release()
        wake(batch)

    def close(self) -> None:
        """Starts no more batches in this pool; running ones end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
