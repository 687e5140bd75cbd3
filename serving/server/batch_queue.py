"""The queues of batching, and the threads that run their batches.

Queues are used in the event loop only; a run alone leaves it for a batch thread. With a timeout of 0, a request that
finds a free thread runs at once: batching costs nothing without concurrent requests.
"""

import asyncio
import itertools
import math
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError, failed_precondition
from vaiven.serving.server.batch_arrays import (
    BatchDimensionError,
    Feeds,
    ShapeMismatchError,
    batch_size,
    concatenate,
    have_batch_dimension,
    merge_outputs,
    split_rows,
)
from vaiven.serving.server.batching_parameters import BatchingParameters
from vaiven.serving.server.metrics import Metrics


class Lease(Protocol):
    """Keeps a model in memory while it is in use. `Version` implements it."""

    def retain(self) -> None:
        """Adds a use. The caller must have one already, so the model is in memory."""

    def release(self) -> None:
        """Ends a use."""


# Values of tensors, by a deadline on the clock `time.monotonic`.
Run = Callable[[Feeds, Sequence[str], float | None], list[NDArray[Any]]]


class BatchThreads:
    """The threads that all queues of a server share, as upstream. The queue that was served longest ago is next."""

    def __init__(self, count: int = 0) -> None:
        """`count` threads; 0: one per CPU."""
        self.free = count or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self.free, 'batch')
        self._waiting: dict[Queue, None] = {}  # a dict keeps the order in which queues are served

    def offer(self, queue: 'Queue') -> None:
        """Starts the batches of `queue` that can start now; others start when a thread is free or the time is up."""
        self._waiting.setdefault(queue)
        self._dispatch()

    def close(self) -> None:
        """Starts no more batches; running ones end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self) -> None:
        for queue in list(self._waiting):
            while self.free and (batch := queue.next_batch()):
                self.free -= 1
                queue.lease.retain()
                future = asyncio.get_running_loop().run_in_executor(self._pool, queue.run, batch)
                future.add_done_callback(partial(self._finished, queue, batch))
                # To the end of the order, or one busy queue would starve the others.
                self._waiting[queue] = self._waiting.pop(queue)
            if queue.empty:
                self._waiting.pop(queue, None)

    def _finished(self, queue: 'Queue', batch: list['Task'], done: 'asyncio.Future[Any]') -> None:
        self.free += 1
        queue.lease.release()
        queue.deliver(batch, done)
        self._dispatch()


def batch_dimension_status() -> StatusError:
    """The error of a request whose outputs cannot be merged again."""
    return failed_precondition(
        "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
        'tensors: the chunks of a request of more rows than max_execution_batch_size cannot be merged'
    )


def _new_future() -> 'asyncio.Future[list[NDArray[Any]]]':
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Task:
    """A waiting request, or one chunk of it.

    Attributes:
        feeds: inputs by the names of tensors.
        rows: rows of the inputs.
        deadline: on the clock `time.monotonic`; None for none.
        is_chunk: whether the request was split, so that its outputs must be merged.
        enqueued_at: on the clock `time.monotonic`.
        outputs: the result, set in the event loop.
    """

    feeds: Feeds
    rows: int
    deadline: float | None
    is_chunk: bool = False
    enqueued_at: float = field(default_factory=time.monotonic)
    outputs: 'asyncio.Future[list[NDArray[Any]]]' = field(default_factory=_new_future)


class Queue:
    """Tasks with the same inputs and outputs."""

    def __init__(
        self,
        parameters: BatchingParameters,
        threads: BatchThreads,
        run: Run,
        lease: Lease,
        metrics: Metrics | None,
        fetches: tuple[str, ...],
    ) -> None:
        """An empty queue.

        Args:
            parameters: sizes and times of its batches.
            threads: run the batches.
            run: runs one batch; called in a batch thread.
            lease: held while a batch runs.
            metrics: counts batches and waiting times.
            fetches: names of the output tensors.
        """
        self.lease = lease
        self._parameters = parameters
        self._threads = threads
        self._run = run
        self._metrics = metrics
        self._fetches = fetches
        self._tasks: deque[Task] = deque()
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        # False once an output had no batch dimension: from then on each request of this queue runs alone.
        self._batchable = True

    @property
    def empty(self) -> bool:
        """Whether no task waits."""
        return not self._tasks

    async def add(self, tasks: list[Task]) -> list[NDArray[Any]]:
        """Waits for the outputs of all `tasks`, and merges them.

        Raises:
            StatusError: UNAVAILABLE if the queue is full, or the error of the run.
        """
        rows = self._rows + sum(task.rows for task in tasks)
        batches = math.ceil(rows / max(1, self._parameters.max_execution_batch_size))
        max_batches = self._parameters.max_enqueued_batches
        if batches > max_batches and (self._tasks or not self._threads.free):
            raise StatusError(
                Code.UNAVAILABLE,
                'The batch scheduling queue to which this task was submitted is full; '
                f'max_enqueued_batches is {max_batches}',
            )
        self._tasks.extend(tasks)
        self._rows = rows
        self._threads.offer(self)
        # All of them, or a chunk that fails later would be reported as an exception never retrieved.
        results = await asyncio.gather(*(task.outputs for task in tasks), return_exceptions=True)
        chunks = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            chunks.append(result)
        return merge_outputs(chunks)

    def next_batch(self) -> list[Task]:
        """The tasks of the next batch, if it is full or has waited long enough; else none."""
        self._drop_expired()
        if not self._tasks or not self._is_due():
            return []
        batch: list[Task] = []
        room = self._parameters.max_execution_batch_size if self._batchable else 0
        while self._tasks and (not batch or self._tasks[0].rows <= room):
            task = self._tasks.popleft()
            room -= task.rows
            self._rows -= task.rows
            batch.append(task)
            if self._metrics is not None:
                self._metrics.queued(time.monotonic() - task.enqueued_at)
        return batch

    def _is_due(self) -> bool:
        if self._rows >= self._parameters.max_execution_batch_size:
            return True
        left = self._tasks[0].enqueued_at + self._parameters.timeout_seconds - time.monotonic()
        if left <= 0:
            return True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._on_timer)
        return False

    def _on_timer(self) -> None:
        self._timer = None
        self._threads.offer(self)

    def _drop_expired(self) -> None:
        now = time.monotonic()
        kept: deque[Task] = deque()
        for task in self._tasks:
            if task.outputs.done():  # its caller was cancelled
                self._rows -= task.rows
            elif task.deadline is not None and now > task.deadline:
                self._rows -= task.rows
                # Upstream's code and text; DEADLINE_EXCEEDED is for a run that was started.
                task.outputs.set_exception(
                    StatusError(
                        Code.RESOURCE_EXHAUSTED, 'Run() timeout exceeded while waiting in batching queue'
                    )
                )
            else:
                kept.append(task)
        self._tasks = kept

    def run(self, batch: list[Task]) -> list[list[NDArray[Any]] | StatusError]:
        """The outputs or the error of each task. Called in a batch thread."""
        if len(batch) == 1 and not self._parameters.allowed_batch_sizes:
            return [self._run_alone(batch[0])]
        try:
            sizes = [task.rows for task in batch]
            feeds = concatenate(
                [task.feeds for task in batch],
                self._parameters.allowed_size(sum(sizes)) - sum(sizes),
                pad=self._parameters.pad_variable_length_inputs,
            )
            rows = batch_size(feeds)
            if self._metrics is not None:
                self._metrics.batch_run(rows, rows - sum(sizes))
            return list(split_rows(self._run(feeds, self._fetches, _latest_deadline(batch)), sizes, rows))
        except BatchDimensionError:
            self._batchable = False
        except (StatusError, ShapeMismatchError):
            # Upstream fails the whole batch. Here an invalid request does not fail the others of its batch.
            pass
        return [self._run_alone(task) for task in batch]

    def _run_alone(self, task: Task) -> list[NDArray[Any]] | StatusError:
        if self._metrics is not None:
            self._metrics.batch_run(task.rows, 0)
        try:
            values = self._run(task.feeds, self._fetches, task.deadline)
        except StatusError as error:
            return error
        if task.is_chunk and not have_batch_dimension(values, task.rows):
            return batch_dimension_status()
        return values

    def deliver(self, batch: list[Task], done: 'asyncio.Future[Any]') -> None:
        """Hands the results of `run` to the tasks. Called in the event loop."""
        error = done.exception() if not done.cancelled() else StatusError(Code.CANCELLED, 'the server stops')
        results = itertools.repeat(error) if error else done.result()
        for task, result in zip(batch, results):  # noqa: B905 (`repeat` is endless)
            if task.outputs.done():
                continue
            if isinstance(result, BaseException):
                task.outputs.set_exception(result)
            else:
                task.outputs.set_result(result)


def _latest_deadline(batch: Sequence[Task]) -> float | None:
    """The time from which no caller waits for the batch; None for never."""
    deadlines = [task.deadline for task in batch]
    return None if None in deadlines else max(filter(None, deadlines))
