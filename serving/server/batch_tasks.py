"""Requests that wait in a queue of batching, and their callers: threads of gRPC, and the event loop of REST."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from vaiven.serving.common.call_threads import blocking
from vaiven.serving.server.batch_arrays import Feeds

Arrays = list[NDArray[Any]]
# Values of tensors, by a deadline on the clock `time.monotonic`.
Run = Callable[[Feeds, Sequence[str], float | None], Arrays]
# Registers a function that is called, from any thread, when the call has ended. Returns False if it has ended already.
OnEnd = Callable[[Callable[[], object]], bool]


class Lease(Protocol):
    """Keeps a model in memory while it is in use. `Version` implements it."""

    def retain(self) -> None:
        """Adds a use. The caller must have one already, so the model is in memory."""

    def release(self) -> None:
        """Ends a use."""


class Waiter:
    """One thread that sleeps until another one wakes it. A wake before the sleep is not lost.

    Attributes:
        ended: whether its call has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.ended = False

    def wake(self) -> None:
        """Ends the sleep, or the next one. Called from any thread."""
        with suppress(RuntimeError):  # already woken
            self._lock.release()

    def end(self) -> None:
        """Wakes the thread because its call has ended: nobody waits for the response."""
        self.ended = True
        self.wake()

    def sleep(self, seconds: float | None = None) -> bool:
        """Sleeps, for at most `seconds`. Returns whether it was woken."""
        if self._lock.acquire(blocking=False):
            return True
        with blocking:
            return self._lock.acquire(timeout=-1 if seconds is None else max(seconds, 0))


@dataclass(eq=False, slots=True)
class Task:
    """A waiting request, or one chunk of it.

    Attributes:
        feeds: inputs by the names of tensors.
        rows: rows of the inputs.
        deadline: on the clock `time.monotonic`; None for none.
        is_chunk: whether the request was split, so that its outputs must be merged.
        caller: waits for the outputs.
        enqueued_at: on the clock `time.monotonic`.
        outputs: the result or the error; None until the run has ended.
    """

    feeds: Feeds
    rows: int
    deadline: float | None
    is_chunk: bool
    caller: 'ThreadCaller | LoopCaller'
    enqueued_at: float = field(default_factory=time.monotonic)
    outputs: Arrays | BaseException | None = None


class ThreadCaller(Waiter):
    """A caller in a thread of its own.

    Attributes:
        batch: what it must run, because it is the first of the batch's callers with a thread that is free; else None.
        leads: whether it runs a batch, or is about to. Changed under the lock of the threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batch: list[Task] | None = None
        self.leads = False


class LoopCaller:
    """A caller in an event loop.

    Attributes:
        loop: the event loop.
        tasks: what it waits for.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self.loop.create_future()
        self.tasks: list[Task] = []

    async def wait(self) -> None:
        """Waits until all tasks have their outputs."""
        await self._done

    def _check(self) -> None:
        if not self._done.done() and all(task.outputs is not None for task in self.tasks):
            self._done.set_result(None)

    @staticmethod
    def wake_all(callers: Iterable['LoopCaller']) -> None:
        """Wakes callers from any thread, those of one event loop by one message to it."""
        by_loop: dict[asyncio.AbstractEventLoop, list[LoopCaller]] = {}
        for caller in callers:
            by_loop.setdefault(caller.loop, []).append(caller)
        for loop, waiting in by_loop.items():
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_check_all, waiting)


def _check_all(callers: Iterable[LoopCaller]) -> None:
    for caller in callers:
        caller._check()


def wake(tasks: Iterable[Task]) -> None:
    """Wakes the callers of tasks that have their outputs."""
    loop_callers = []
    for caller in dict.fromkeys(task.caller for task in tasks):
        if isinstance(caller, ThreadCaller):
            caller.wake()
        else:
            loop_callers.append(caller)
    LoopCaller.wake_all(loop_callers)
