"""Batches made of the requests that wait at the same moment, as TensorFlow Serving's BatchingSession makes them.

All of it happens in the event loop, one queue for each set of inputs and outputs of a version; only the runs
themselves leave it, for the batch threads. A request that finds a thread free and a timeout of 0 goes at once, alone:
batching costs nothing where there is nothing to batch.

Kinder than upstream in one thing: where requests cannot be joined (rows of unlike shapes, an output that has not a row
for each row of the inputs, a batch that fails), each is run alone, and one that is wrong fails alone.
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

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.server.batching_parameters import BatchingParameters
from vaiven.serving.server.joining import Feeds, NotRowsError, UnlikeShapesError, join, part, rows_of
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.status import Code, StatusError, invalid_argument


class Hold(Protocol):
    """Keeps a model in memory; see `Version`."""

    def retain(self) -> None:
        """One use more, of somebody who has one already."""

    def release(self) -> None:
        """One use less."""


# Values of some tensors, by a time on the clock `time.monotonic`.
Run = Callable[[Feeds, Sequence[str], float | None], list[NDArray[Any]]]


class BatchThreads:
    """The threads that all batches of a server share; the queue that has waited longest is served first."""

    def __init__(self, count: int = 0) -> None:
        """`count` threads; 0: one per CPU."""
        self.free = count or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self.free, 'batch')
        self._waiting: dict[_Queue, None] = {}  # in the order of their coming

    def offer(self, queue: '_Queue') -> None:
        """Starts what batches of `queue` can start now; it is looked at again when a thread is free or time is up."""
        self._waiting.setdefault(queue)
        self._go_on()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _go_on(self) -> None:
        for queue in list(self._waiting):
            while self.free and (batch := queue.take()):
                self.free -= 1
                queue.hold.retain()
                future = asyncio.get_running_loop().run_in_executor(self._pool, queue.run, batch)
                future.add_done_callback(partial(self._ended, queue, batch))
                self._waiting[queue] = self._waiting.pop(queue)
            if queue.empty:
                self._waiting.pop(queue, None)

    def _ended(self, queue: '_Queue', batch: list['_Task'], done: 'asyncio.Future[Any]') -> None:
        self.free += 1
        queue.hold.release()
        queue.answer(batch, done)
        self._go_on()


class Batcher:
    """The queues of one version. To be used from the event loop alone."""

    def __init__(
        self,
        parameters: BatchingParameters,
        threads: BatchThreads,
        run: Run,
        hold: Hold,
        metrics: Metrics | None = None,
    ) -> None:
        """`run` runs one batch; it is called in the batch threads. `hold` is kept as long as one is running."""
        self.parameters = parameters
        self.threads = threads
        self.run_batch = run
        self.hold = hold
        self.metrics = metrics
        self._queues: dict[tuple[tuple[str, ...], tuple[str, ...]], _Queue] = {}

    def takes(self, feeds: Feeds) -> bool:
        """Whether there are rows to join; a request with a scalar input has none, and is to be run alone."""
        return bool(feeds) and all(value.ndim for value in feeds.values())

    async def run(
        self, feeds: Feeds, fetches: Sequence[str], deadline: float | None = None
    ) -> list[NDArray[Any]]:
        """Values of `fetches` for one request, which shares its run with others.

        Args:
            feeds: by the names of tensors; the first dimension of all is the same, the rows of the request.
            fetches: names of tensors, each with a row for each row of the inputs.
            deadline: on the clock `time.monotonic`.

        Raises:
            StatusError: INVALID_ARGUMENT for more rows than a batch may have, UNAVAILABLE where the queue is full,
                RESOURCE_EXHAUSTED where the deadline passed in the queue, or what the run ended with.
        """
        rows = rows_of(feeds)
        if self.metrics is not None:
            self.metrics.batch_input(rows)
        largest = self.parameters.max_batch_size
        if rows > largest:
            raise invalid_argument(f'Task size {rows} is larger than maximum input batch size {largest}')
        key = tuple(sorted(feeds)), tuple(fetches)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue(self, tuple(fetches))
        size = self.parameters.max_execution_batch_size
        if rows <= size:
            return await queue.add([_Task(feeds, rows, deadline)])
        parts = [
            _Task(
                {name: value[start : start + size] for name, value in feeds.items()},
                min(size, rows - start),
                deadline,
            )
            for start in range(0, rows, size)
        ]
        return await queue.add(parts)


def _future() -> 'asyncio.Future[list[NDArray[Any]]]':
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class _Task:
    feeds: Feeds
    rows: int
    deadline: float | None
    since: float = field(default_factory=time.monotonic)
    answer: 'asyncio.Future[list[NDArray[Any]]]' = field(default_factory=_future)


class _Queue:
    """Tasks with the same inputs and outputs."""

    def __init__(self, batcher: Batcher, fetches: tuple[str, ...]) -> None:
        self.hold = batcher.hold
        self._parameters = batcher.parameters
        self._threads = batcher.threads
        self._run = batcher.run_batch
        self._metrics = batcher.metrics
        self._fetches = fetches
        self._tasks: deque[_Task] = deque()
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        # False once an output was seen that has not a row for each row: those are run one by one.
        self._joins = True

    @property
    def empty(self) -> bool:
        return not self._tasks

    async def add(self, tasks: list[_Task]) -> list[NDArray[Any]]:
        """Waits for the answers of all `tasks`, and joins them."""
        rows = self._rows + sum(task.rows for task in tasks)
        batches = math.ceil(rows / max(1, self._parameters.max_execution_batch_size))
        most = self._parameters.max_enqueued_batches
        if batches > most and (self._tasks or not self._threads.free):
            raise StatusError(
                Code.UNAVAILABLE,
                f'The batch scheduling queue to which this task was submitted is full; max_enqueued_batches is {most}',
            )
        self._tasks.extend(tasks)
        self._rows = rows
        self._threads.offer(self)
        answers = await asyncio.gather(*(task.answer for task in tasks))
        return (
            answers[0]
            if len(answers) == 1
            else [np.concatenate(parts) for parts in zip(*answers, strict=True)]
        )

    def take(self) -> list[_Task]:
        """The tasks of the next batch, if it is full or has waited long enough."""
        self._drop_what_is_late()
        if not self._tasks or not self._due():
            return []
        batch: list[_Task] = []
        room = self._parameters.max_execution_batch_size if self._joins else 0
        while self._tasks and (not batch or self._tasks[0].rows <= room):
            task = self._tasks.popleft()
            room -= task.rows
            self._rows -= task.rows
            batch.append(task)
            if self._metrics is not None:
                self._metrics.queued(time.monotonic() - task.since)
        return batch

    def _due(self) -> bool:
        if self._rows >= self._parameters.max_execution_batch_size:
            return True
        left = self._tasks[0].since + self._parameters.timeout_seconds - time.monotonic()
        if left <= 0:
            return True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(left, self._time_is_up)
        return False

    def _time_is_up(self) -> None:
        self._timer = None
        self._threads.offer(self)

    def _drop_what_is_late(self) -> None:
        now = time.monotonic()
        kept: deque[_Task] = deque()
        for task in self._tasks:
            if task.answer.done():
                self._rows -= task.rows
            elif task.deadline is not None and now > task.deadline:
                self._rows -= task.rows
                task.answer.set_exception(
                    StatusError(
                        Code.RESOURCE_EXHAUSTED, 'Run() timeout exceeded while waiting in batching queue'
                    )
                )
            else:
                kept.append(task)
        self._tasks = kept

    def run(self, batch: list[_Task]) -> list[list[NDArray[Any]] | StatusError]:
        """The answer of each task. Called in a batch thread."""
        if len(batch) == 1 and not self._parameters.allowed_batch_sizes:
            return [self._run_alone(batch[0])]
        try:
            sizes = [task.rows for task in batch]
            joined = join(
                [task.feeds for task in batch],
                self._parameters.allowed_size(sum(sizes)) - sum(sizes),
                pad=self._parameters.pad_variable_length_inputs,
            )
            rows = rows_of(joined)
            if self._metrics is not None:
                self._metrics.batch_run(rows, rows - sum(sizes))
            return list(part(self._run(joined, self._fetches, _latest(batch)), sizes, rows))
        except NotRowsError:
            self._joins = False
        except (StatusError, UnlikeShapesError):
            # What is wrong with one request must not fail those that happened to come with it.
            pass
        return [self._run_alone(task) for task in batch]

    def _run_alone(self, task: _Task) -> list[NDArray[Any]] | StatusError:
        if self._metrics is not None:
            self._metrics.batch_run(task.rows, 0)
        try:
            return self._run(task.feeds, self._fetches, task.deadline)
        except StatusError as error:
            return error

    def answer(self, batch: list[_Task], done: 'asyncio.Future[Any]') -> None:
        """Hands out what `run` gave, in the event loop."""
        error = done.exception() if not done.cancelled() else StatusError(Code.CANCELLED, 'the server stops')
        answers = itertools.repeat(error) if error else done.result()
        for task, answer in zip(batch, answers):  # noqa: B905 (one of them may be endless)
            if task.answer.done():
                continue
            if isinstance(answer, BaseException):
                task.answer.set_exception(answer)
            else:
                task.answer.set_result(answer)


def _latest(batch: Sequence[_Task]) -> float | None:
    """When nobody waits for the batch any more; None for never."""
    deadlines = [task.deadline for task in batch]
    return None if None in deadlines else max(filter(None, deadlines))
