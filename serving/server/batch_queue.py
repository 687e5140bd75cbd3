"""The queues of batching: which requests run together, and what each of them gets."""

import math
import time
from collections import deque
from collections.abc import Sequence

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.batch_arrays import (
    BatchDimensionError,
    ShapeMismatchError,
    batch_dimension_status,
    batch_size,
    concatenate,
    have_batch_dimension,
    split_rows,
)
from vaiven.serving.server.batch_tasks import Arrays, Lease, LoopCaller, OnEnd, Run, Task, ThreadCaller
from vaiven.serving.server.batch_threads import BatchThreads
from vaiven.serving.server.batching_parameters import BatchingParameters
from vaiven.serving.server.metrics import Metrics


class Queue:
    """Tasks with the same inputs and outputs. `extend` and `next_batch` need the lock of its threads.

    Attributes:
        rows: of the tasks that wait.
        lease: held while a batch runs.
    """

    def __init__(
        self,
        parameters: BatchingParameters,
        threads: BatchThreads,
        run: Run,
        lease: Lease,
        metrics: Metrics | None,
        fetches: tuple[str, ...],
    ) -> None:
        """
        Args:
            parameters: sizes and times of its batches.
            threads: the places of its batches.
            run: runs one batch.
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
        self.rows = 0
        # False once an output had no batch dimension: from then on each request of this queue runs alone. Batching that
        # nobody asked for starts after a run alone has shown one row of each output for each row of the inputs.
        self._batchable = True
        self._is_proven = not parameters.or_alone

    def wait(self, tasks: Sequence[Task], caller: ThreadCaller, on_end: OnEnd) -> None:
        """Waits in the thread of the caller until its tasks have their outputs, and runs the batches that it leads.

        Args:
            tasks: of one request.
            caller: theirs.
            on_end: registers a function for the end of the call.

        Raises:
            StatusError: UNAVAILABLE if the queue is full, CANCELLED if the call has ended.
        """
        self._threads.offer(self, tasks)
        registered = False
        due = tasks[-1].enqueued_at + self._parameters.timeout_seconds
        # Whether a place is all that the tasks wait for: then the thread that frees one starts them.
        is_offered = not self._parameters.timeout_seconds
        while True:
            if caller.batch is not None:
                batch, caller.batch = caller.batch, None
                self._threads.run(self, batch, caller)
            elif all(task.outputs is not None for task in tasks):
                return
            elif caller.ended and self._withdraw(tasks, caller):
                deadline = tasks[0].deadline
                if deadline is not None and time.monotonic() >= deadline:
                    raise _timeout()
                raise StatusError(Code.CANCELLED, 'the caller has hung up')
            elif not registered:
                registered = True
                if not on_end(caller.end):
                    caller.ended = True
            elif not is_offered and time.monotonic() >= due:
                is_offered = True
                self._threads.offer()
            else:
                caller.sleep(None if is_offered else due - time.monotonic())

    async def wait_async(self, tasks: Sequence[Task], caller: LoopCaller) -> None:
        """Waits in the event loop until the tasks of the caller have their outputs. Raises as `wait`."""
        caller.tasks.extend(tasks)
        self._threads.offer(self, tasks)
        timer = None
        if self._parameters.timeout_seconds:
            timer = caller.loop.call_later(self._parameters.timeout_seconds, self._threads.offer)
        try:
            await caller.wait()
        finally:
            if timer is not None:
                timer.cancel()
            self._withdraw(tasks, caller)

    @property
    def is_empty(self) -> bool:
        """Whether no task waits: tasks may have no rows."""
        return not self._tasks

    def _withdraw(self, tasks: Sequence[Task], caller: 'ThreadCaller | LoopCaller') -> bool:
        """Removes tasks that still wait. Returns False if the caller must run a batch first."""
        with self._threads.lock:
            if isinstance(caller, ThreadCaller) and caller.batch is not None:
                return False
            for task in tasks:
                if task.outputs is None and task in self._tasks:
                    self._tasks.remove(task)
                    self.rows -= task.rows
        return True

    def extend(self, tasks: Sequence[Task]) -> None:
        """Adds the tasks of one request. Raises StatusError, UNAVAILABLE, if the queue is full."""
        rows = self.rows + sum(task.rows for task in tasks)
        batches = math.ceil(rows / max(1, self._parameters.max_execution_batch_size))
        max_batches = self._parameters.max_enqueued_batches
        if batches > max_batches and (self._tasks or not self._threads.free):
            raise StatusError(
                Code.UNAVAILABLE,
                'The batch scheduling queue to which this task was submitted is full; '
                f'max_enqueued_batches is {max_batches}',
            )
        self._tasks.extend(tasks)
        self.rows = rows

    def next_batch(self, expired: list[Task]) -> list[Task]:
        """The tasks of the next batch, if it is full or has waited long enough; else none.

        Tasks whose deadline has passed get an error instead, and are added to `expired`.
        """
        if not self._tasks or not self._is_due():
            return []
        now = time.monotonic()
        batch: list[Task] = []
        room = self._parameters.max_execution_batch_size if self._batchable and self._is_proven else 0
        while self._tasks and (not batch or self._tasks[0].rows <= room):
            task = self._tasks.popleft()
            self.rows -= task.rows
            if task.deadline is not None and now > task.deadline:
                task.outputs = _timeout()
                expired.append(task)
                continue
            room -= task.rows
            batch.append(task)
            if self._metrics is not None:
                self._metrics.queued(now - task.enqueued_at)
        return batch

    def _is_due(self) -> bool:
        if self.rows >= self._parameters.max_execution_batch_size:
            return True
        return self._tasks[0].enqueued_at + self._parameters.timeout_seconds <= time.monotonic()

    def run(self, batch: list[Task]) -> list[Arrays | BaseException]:
        """The outputs or the error of each task."""
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

    def _run_alone(self, task: Task) -> Arrays | BaseException:
        if self._metrics is not None:
            self._metrics.batch_run(task.rows, 0)
        try:
            values = self._run(task.feeds, self._fetches, task.deadline)
        except StatusError as error:
            return error
        has_rows = have_batch_dimension(values, task.rows)
        if task.is_chunk and not has_rows:
            return batch_dimension_status()
        self._is_proven |= has_rows
        self._batchable &= has_rows or not self._parameters.or_alone
        return values


def _timeout() -> StatusError:
    # Upstream's code and text; DEADLINE_EXCEEDED is for a run that was started.
    return StatusError(Code.RESOURCE_EXHAUSTED, 'Run() timeout exceeded while waiting in batching queue')


def _latest_deadline(batch: Sequence[Task]) -> float | None:
    """The time from which no caller waits for the batch; None for never."""
    deadlines = [task.deadline for task in batch]
    return None if None in deadlines else max(filter(None, deadlines))
