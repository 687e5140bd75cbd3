"""The queues of batching and the threads that run what waits in them.

All of it happens in the event loop; only the runs themselves leave it, for the batch threads. A request that finds a
thread free and a timeout of 0 goes at once, alone: batching costs nothing where there is nothing to batch.
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

from vaiven.serving.common.status import Code, StatusError, failed_precondition
from vaiven.serving.server.batch_arrays import (
    Feeds,
    NotRowsError,
    UnlikeShapesError,
    are_rows,
    join,
    part,
    rows_of,
)
from vaiven.serving.server.batching_parameters import BatchingParameters
from vaiven.serving.server.metrics import Metrics


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
        self._waiting: dict[Queue, None] = {}  # in the order of their coming

    def offer(self, queue: 'Queue') -> None:
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

    def _ended(self, queue: 'Queue', batch: list['Task'], done: 'asyncio.Future[Any]') -> None:
        self.free += 1
        queue.hold.release()
        queue.answer(batch, done)
        self._go_on()


def joined(answers: Sequence[list[NDArray[Any]]]) -> list[NDArray[Any]]:
    """The answer to a request from those to its parts."""
    if len(answers) == 1:
        return answers[0]
    return [np.concatenate(parts) for parts in zip(*answers, strict=True)]


def not_rows() -> StatusError:
    """What a request fails with whose parts cannot be put together."""
    return failed_precondition(
        "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
        'tensors: a request of more rows than max_execution_batch_size cannot be put together again'
    )


def _future() -> 'asyncio.Future[list[NDArray[Any]]]':
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Task:
    """A request, or a part of one, that waits."""

    feeds: Feeds
    rows: int
    deadline: float | None
    split: bool = False  # one part of a request
    since: float = field(default_factory=time.monotonic)
    answer: 'asyncio.Future[list[NDArray[Any]]]' = field(default_factory=_future)


class Queue:
    """Tasks with the same inputs and outputs."""

    def __init__(
        self,
        parameters: BatchingParameters,
        threads: BatchThreads,
        run: Run,
        hold: Hold,
        metrics: Metrics | None,
        fetches: tuple[str, ...],
    ) -> None:
        """See `Batcher`; `fetches` are the outputs."""
        self.hold = hold
        self._parameters = parameters
        self._threads = threads
        self._run = run
        self._metrics = metrics
        self._fetches = fetches
        self._tasks: deque[Task] = deque()
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        # False once an output was seen that has not a row for each row: those are run one by one.
        self._joins = True

    @property
    def empty(self) -> bool:
        return not self._tasks

    async def add(self, tasks: list[Task]) -> list[NDArray[Any]]:
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
        answers = await asyncio.gather(*(task.answer for task in tasks), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return joined(answers)  # type: ignore[arg-type]

    def take(self) -> list[Task]:
        """The tasks of the next batch, if it is full or has waited long enough."""
        self._drop_what_is_late()
        if not self._tasks or not self._due():
            return []
        batch: list[Task] = []
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
        kept: deque[Task] = deque()
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

    def run(self, batch: list[Task]) -> list[list[NDArray[Any]] | StatusError]:
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

    def _run_alone(self, task: Task) -> list[NDArray[Any]] | StatusError:
        if self._metrics is not None:
            self._metrics.batch_run(task.rows, 0)
        try:
            values = self._run(task.feeds, self._fetches, task.deadline)
        except StatusError as error:
            return error
        if task.split and not are_rows(values, task.rows):
            return not_rows()
        return values

    def answer(self, batch: list[Task], done: 'asyncio.Future[Any]') -> None:
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


def _latest(batch: Sequence[Task]) -> float | None:
    """When nobody waits for the batch any more; None for never."""
    deadlines = [task.deadline for task in batch]
    return None if None in deadlines else max(filter(None, deadlines))
