"""Where a model's run happens: in the event loop, in a worker thread, or in a batch with others.

A thread costs a request more than a small model does, so what was measured to cost next to no time runs where it is.
That is for outputs whose cost the shapes of the inputs decide alone, and for inputs no larger than those measured:
any other run may take any time, and would hold up the whole server.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.batch_queue import Hold
from vaiven.serving.server.batching import Batcher
from vaiven.serving.server.endpoints import Endpoint
from vaiven.serving.server.run_costs import LARGE_BYTES, Seen, measure, size_of

T = TypeVar('T')
# Sets of inputs and outputs whose runs are remembered; more only by odd output filters.
MAX_SEEN = 256
Arrays = list[NDArray[Any]]
Feeds = Mapping[str, NDArray[Any]]
# What to feed and to fetch is yielded, the values come back, the answer is returned.
Steps = Generator[tuple[Feeds, Sequence[str]], Arrays, T]


def run_here(steps: 'Steps[T]', run: Callable[[Feeds, Sequence[str]], Arrays]) -> T:
    """The answer of `steps`, everything done in this thread."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(run(*asked))
    except StopIteration as end:
        answer: T = end.value
        return answer


def clocked(steps: 'Steps[T]', ran: Callable[[float], None]) -> 'Steps[T]':
    """`steps` unchanged; `ran` is told the seconds that each run took, with its wait for a thread or a batch."""
    try:
        asked = next(steps)
        while True:
            began = time.perf_counter()
            values = yield asked
            ran(time.perf_counter() - began)
            asked = steps.send(values)
    except StopIteration as end:
        answer: T = end.value
        return answer


class LoadedModel(Protocol):
    """A model in memory, of whichever kind."""

    signatures: Mapping[str, Any]
    endpoints: Mapping[str, Endpoint]

    def fixed_cost(self, fetches: Sequence[str]) -> bool:
        """Whether what it costs to compute `fetches` depends on nothing but the shapes of the inputs."""

    def prepared(self, feeds: Feeds, fetches: Sequence[str]) -> bool:
        """Whether a run alone in the caller's thread has been made ready."""

    def run(
        self, feeds: Feeds, fetches: Sequence[str], timeout: float | None = None, *, alone: bool = False
    ) -> Arrays:
        """Values of the tensors `fetches`; see `SavedModel.run`."""

    def close(self) -> None:
        """Frees its memory. No `run` may be under way."""


class Execution:
    """Runs one loaded version for the event loop."""

    def __init__(self, model: LoadedModel, workers: Executor, hold: Hold) -> None:
        """`hold` is what a run keeps that continues when nobody waits for it any more."""
        self.model = model
        self._hold = hold
        self.batcher: Batcher | None = None
        self._workers = workers
        self._seen: dict[tuple[tuple[str, ...], tuple[str, ...]], Seen] = {}

    def close(self) -> None:
        """Frees the model. No run may be under way."""
        self.batcher = None  # which refers to this: only the garbage collector would find the two
        self.model.close()

    async def answer(self, steps: 'Steps[T]', deadline: float | None = None, *, large: bool = False) -> T:
        """The answer of `steps`.

        Args:
            steps: of `inference`.
            deadline: on the clock `time.monotonic`.
            large: whether the steps themselves, not the run alone, would hold the event loop up.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or what the run ended with.
        """
        if large and self.batcher is None:
            # The inputs of requests that wait for a thread are not in memory twice.
            large_answer: T = await self._in_thread(
                run_here, steps, lambda feeds, fetches: self.timed(feeds, fetches, deadline)
            )
            return large_answer
        try:
            asked = await self._step(steps, None, large=large)
            while True:
                values = await self._run(*asked, deadline)
                asked = await self._step(steps, values, large=large or size_of(values) >= LARGE_BYTES)
        except _AnsweredError as end:
            answer: T = end.answer
            return answer

    async def _step(
        self, steps: 'Steps[Any]', values: Arrays | None, *, large: bool
    ) -> tuple[Feeds, Sequence[str]]:
        """What `steps` ask for after `values`. Raises _AnsweredError with their answer at the end."""
        if large:
            asked: tuple[Feeds, Sequence[str]] = await self._in_thread(_sent, steps, values)
            return asked
        return _sent(steps, values)

    async def _run(self, feeds: Feeds, fetches: Sequence[str], deadline: float | None) -> Arrays:
        batcher = self.batcher if self.batcher is not None and self.batcher.takes(feeds) else None
        if batcher is not None:
            batcher.check(feeds)
        if (batcher is None or batcher.as_it_is(feeds)) and self._at_once(feeds, fetches):
            return self._run_in_loop(feeds, fetches)
        if batcher is not None:
            return await batcher.run(feeds, fetches, deadline)
        values: Arrays = await self._in_thread(self.timed, feeds, fetches, deadline)
        return values

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        future = self._workers.submit(work, *arguments)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The caller lets go of the model, and the thread may be in the middle of a run.
            self._hold.retain()
            future.add_done_callback(lambda done: self._hold.release())
            raise

    def _of(self, feeds: Feeds, fetches: Sequence[str]) -> Seen:
        key = tuple(feeds), tuple(fetches)
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= MAX_SEEN:
                self._seen.pop(next(iter(self._seen)), None)  # another thread may have taken it
            seen = self._seen.setdefault(key, Seen(self.model.fixed_cost(fetches)))
        return seen

    def _at_once(self, feeds: Feeds, fetches: Sequence[str]) -> bool:
        return self._of(feeds, fetches).at_once(feeds) and self.model.prepared(feeds, fetches)

    def _run_in_loop(self, feeds: Feeds, fetches: Sequence[str]) -> Arrays:
        seen = self._of(feeds, fetches)
        started, wall_started = time.thread_time(), time.perf_counter()
        try:
            return self.model.run(feeds, fetches, alone=True)
        finally:
            seen.note_here(time.thread_time() - started, time.perf_counter() - wall_started)

    def timed(self, feeds: Feeds, fetches: Sequence[str], deadline: float | None = None) -> Arrays:
        """One run, in the thread of the caller; what it costs is remembered."""
        seconds = None if deadline is None else deadline - time.monotonic()
        if seconds is not None and seconds <= 0:  # it waited for a thread
            raise StatusError(Code.DEADLINE_EXCEEDED, 'Timed out waiting for notification')
        seen = self._of(feeds, fetches)
        if not seen.fixed:
            return self.model.run(feeds, fetches, seconds)
        size = measure(feeds)
        if size in seen.short:
            seconds = None  # faster without
        # What runs in this thread alone cannot be broken off, and is not blamed for the time that others took.
        alone = size in seen.small
        prepared = alone and self.model.prepared(feeds, fetches)
        clock = time.thread_time if alone else time.perf_counter
        started = clock()
        values = self.model.run(feeds, fetches, seconds, alone=alone)
        seen.note(size, clock() - started, alone=alone, prepared=prepared)
        return values


class _AnsweredError(Exception):
    """Carries the answer; `StopIteration` cannot pass through a future."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer


def _sent(steps: 'Steps[Any]', values: Arrays | None) -> tuple[Feeds, Sequence[str]]:
    try:
        return steps.send(values)  # type: ignore[arg-type]  # None starts them
    except StopIteration as end:
        raise _AnsweredError(end.value) from None
