"""Batches of the requests that wait at the same time, as the BatchingSession of TensorFlow Serving makes them.

Each combination of inputs and outputs of a version has its own queue: another `output_filter` is another queue.

It differs from upstream in one point. Requests that cannot share a run (rows of different shapes, an output without
batch dimension, a batch that fails) run alone, so that only the invalid one fails.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from vaiven.serving.common.status import invalid_argument
from vaiven.serving.server.batch_arrays import (
    BatchDimensionError,
    Feeds,
    batch_dimension_status,
    batch_size,
    concatenate,
    merge_outputs,
    split_rows,
)
from vaiven.serving.server.batch_queue import Queue
from vaiven.serving.server.batch_tasks import Lease, LoopCaller, OnEnd, Run, Task, ThreadCaller
from vaiven.serving.server.batch_threads import BatchThreads
from vaiven.serving.server.batching_parameters import BatchingParameters
from vaiven.serving.server.metrics import Metrics

# A model has a few signatures. Only a client that varies its output filter needs more; empty queues are then dropped.
MAX_QUEUES = 256


class Batcher:
    """The queues of one version. It is thread-safe."""

    def __init__(
        self,
        parameters: BatchingParameters,
        threads: BatchThreads,
        run: Run,
        lease: Lease,
        metrics: Metrics | None = None,
        row_outputs: frozenset[str] = frozenset(),
    ) -> None:
        """A batcher without queues.

        Args:
            parameters: sizes and times of the batches.
            threads: run the batches; shared by all models.
            run: runs one batch.
            lease: held while a batch runs.
            metrics: counts requests and batches.
            row_outputs: names of the output tensors whose length the signatures leave open. Parameters that are
                `or_alone` batch no others.
        """
        self._row_outputs = row_outputs
        self.parameters = parameters
        self.threads = threads
        self.run_batch = run
        self.lease = lease
        self.metrics = metrics
        self._queues: dict[tuple[tuple[str, ...], tuple[str, ...]], Queue] = {}

    def waiting(self) -> int:
        """The rows that wait in its queues."""
        with self.threads.lock:
            return sum(queue.rows for queue in self._queues.values())

    def can_batch(self, feeds: Feeds, fetches: Sequence[str]) -> bool:
        """Whether the inputs have rows. A request with a scalar input has none, and runs alone.

        Batching that nobody asked for is certain about the outputs, too: one of constant length has no rows, and would
        be divided between the callers if the batch happened to be as long.
        """
        if not feeds or not all(value.ndim for value in feeds.values()):
            return False
        if not self.parameters.or_alone:
            return True
        if not self._row_outputs.issuperset(fetches):
            return False
        sizes = {len(value) for value in feeds.values()}
        return len(sizes) == 1 and max(sizes) <= self.parameters.max_batch_size

    def check_batch_size(self, feeds: Feeds) -> int:
        """The rows of a request. Raises StatusError, INVALID_ARGUMENT, for more than `max_batch_size`."""
        rows = batch_size(feeds)
        max_rows = self.parameters.max_batch_size
        # Upstream compares with max_batch_size even with splitting, which concerns runs and not requests.
        if rows > max_rows:
            raise invalid_argument(f'Task size {rows} is larger than maximum input batch size {max_rows}')
        return rows

    def is_unpadded(self, feeds: Feeds) -> bool:
        """Whether a batch of this request alone is one run, without padding rows."""
        rows = batch_size(feeds)
        return rows <= self.parameters.max_execution_batch_size and rows == self.parameters.allowed_size(rows)

    def run(
        self, feeds: Feeds, fetches: Sequence[str], deadline: float | None, on_end: OnEnd
    ) -> list[NDArray[Any]]:
        """Values of `fetches` for one request, in a run that other requests may share. It blocks this thread.

        Args:
            feeds: arrays of shape (rows, ...) by the names of tensors.
            fetches: names of tensors of shape (rows, ...).
            deadline: on the clock `time.monotonic`; None for none.
            on_end: registers a function for the end of the call.

        Raises:
            StatusError: INVALID_ARGUMENT for more rows than `max_batch_size`, UNAVAILABLE if the queue is full,
                RESOURCE_EXHAUSTED if the deadline passed in the queue, CANCELLED if the call has ended, or the error
                of the run.
        """
        caller = ThreadCaller()
        queue, tasks = self._tasks(feeds, fetches, deadline, caller)
        queue.wait(tasks, caller, on_end)
        return _merged(tasks)

    async def run_async(
        self, feeds: Feeds, fetches: Sequence[str], deadline: float | None = None
    ) -> list[NDArray[Any]]:
        """The same for a caller in the event loop; the end of its call cancels it.

        Args:
            feeds: arrays of shape (rows, ...) by the names of tensors.
            fetches: names of tensors of shape (rows, ...).
            deadline: on the clock `time.monotonic`; None for none.

        Raises:
            StatusError: as `run`.
        """
        caller = LoopCaller()
        queue, tasks = self._tasks(feeds, fetches, deadline, caller)
        await queue.wait_async(tasks, caller)
        return _merged(tasks)

    def _tasks(
        self,
        feeds: Feeds,
        fetches: Sequence[str],
        deadline: float | None,
        caller: ThreadCaller | LoopCaller,
    ) -> tuple[Queue, list[Task]]:
        """The queue for a request, and its tasks, which are not in the queue yet."""
        rows = self.check_batch_size(feeds)
        if self.metrics is not None:
            self.metrics.batch_input(rows)
        # Names in the order of the alphabet: a client may send the same inputs in any order.
        key = tuple(sorted(feeds)), tuple(fetches)
        queue = self._queues.get(key) or self._new_queue(key)
        is_chunk = rows > self.parameters.max_execution_batch_size
        return queue, [Task(*chunk, deadline, is_chunk, caller) for chunk in self._chunks(feeds, rows)]

    def _new_queue(self, key: tuple[tuple[str, ...], tuple[str, ...]]) -> Queue:
        queue = Queue(self.parameters, self.threads, self.run_batch, self.lease, self.metrics, key[1])
        with self.threads.lock:
            if len(self._queues) >= MAX_QUEUES:
                self._queues = {name: other for name, other in self._queues.items() if not other.is_empty}
            return self._queues.setdefault(key, queue)

    def run_synchronously(self, feeds: Feeds, fetches: Sequence[str], run: Run) -> list[NDArray[Any]]:
        """Runs one request in the caller's thread, in the batches it would have without other requests.

        Warm-up uses it before the version takes traffic.

        Args:
            feeds: arrays of shape (rows, ...) by the names of tensors.
            fetches: names of tensors of shape (rows, ...).
            run: runs one batch.

        Raises:
            StatusError: as `run`, but for those of the queue.
        """
        chunks = self._chunks(feeds, self.check_batch_size(feeds))
        return merge_outputs([self._run_chunk(*chunk, fetches, run, len(chunks) > 1) for chunk in chunks])

    def _run_chunk(
        self, feeds: Feeds, rows: int, fetches: Sequence[str], run: Run, is_chunk: bool
    ) -> list[NDArray[Any]]:
        padded = concatenate([feeds], self.parameters.allowed_size(rows) - rows, pad=False)
        try:
            return next(split_rows(run(padded, fetches, None), [rows], batch_size(padded)))
        except BatchDimensionError:
            if is_chunk:
                raise batch_dimension_status() from None
            return run(feeds, fetches, None)

    def _chunks(self, feeds: Feeds, rows: int) -> list[tuple[Feeds, int]]:
        """The request and its rows, in chunks of `max_execution_batch_size` where it has more rows."""
        size = self.parameters.max_execution_batch_size
        if rows <= size:
            return [(feeds, rows)]
        return [
            ({name: value[start : start + size] for name, value in feeds.items()}, min(size, rows - start))
            for start in range(0, rows, size)
        ]


def _merged(tasks: Sequence[Task]) -> list[NDArray[Any]]:
    """The outputs of one request. Raises the error of the first task that failed."""
    chunks = []
    for task in tasks:
        if isinstance(task.outputs, BaseException):
            raise task.outputs
        assert task.outputs is not None
        chunks.append(task.outputs)
    return merge_outputs(chunks)
