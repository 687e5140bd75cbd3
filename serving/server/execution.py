"""Where a model's run happens: in the event loop, in a worker thread, or in a batch with others.

A thread costs a request more than a small model does, so what has been seen to take next to no time runs where it is;
not so models with loops, whose next run may take any time, and would hold up the whole server.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from vaiven.serving.server.batching import Batcher, Hold
from vaiven.serving.server.costs import LARGE_BYTES, Seen, size_of
from vaiven.serving.server.endpoints import Endpoint
from vaiven.serving.server.status import Code, StatusError

T = TypeVar('T')
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
    # Whether a run can take no longer than others have with inputs of that size: there are no loops in it.
    steady: bool

    def run(
        self, feeds: Feeds, fetches: Sequence[str], timeout: float | None = None, *, alone: bool = False
    ) -> Arrays:
        """Values of the tensors `fetches`; see `SavedModel.run`."""

    def close(self) -> None:
        """Frees its memory. No `run` may be under way."""


class Execution:
    """Runs one loaded version for the event loop."""

    def __init__(self, model: LoadedModel, workers: Executor, hold: Hold) -> None:
        """`hold` is what a run keeps that goes on when nobody waits for it any more."""
        self.model = model
        self._hold = hold
        self.batcher: Batcher | None = None
        self._workers = workers
        self._seen: defaultdict[tuple[str, ...], Seen] = defaultdict(Seen)

    async def answer(self, steps: 'Steps[T]', deadline: float | None = None, *, large: bool = False) -> T:
        """The answer of `steps`.

        Args:
            steps: of `inference`.
            deadline: on the clock `time.monotonic`.
            large: whether the steps themselves, not the run alone, would hold the event loop up.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or what the run ended with.
        """
        if large:
            return await self._in_thread(
                run_here, steps, lambda feeds, fetches: self.timed(feeds, fetches, deadline)
            )
        try:
            asked = next(steps)
            while True:
                feeds, fetches = asked
                if self.model.steady and self._seen[tuple(fetches)].at_once(feeds):
                    values = self.timed(feeds, fetches)
                else:
                    values = await self._run(feeds, fetches, deadline)
                if size_of(values) < LARGE_BYTES:
                    asked = steps.send(values)
                else:
                    found = await self._in_thread(_sent, steps, values)
                    if isinstance(found, _End):
                        return found.answer
                    asked = found
        except StopIteration as end:
            answer: T = end.value
            return answer

    async def _run(self, feeds: Feeds, fetches: Sequence[str], deadline: float | None) -> Arrays:
        if self.batcher is not None and self.batcher.takes(feeds):
            return await self.batcher.run(feeds, fetches, deadline)
        return await self._in_thread(self.timed, feeds, fetches, deadline)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        future = self._workers.submit(work, *arguments)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The caller lets go of the model, and the thread may be in the middle of a run.
            self._hold.retain()
            future.add_done_callback(lambda done: self._hold.release())
            raise

    def timed(self, feeds: Feeds, fetches: Sequence[str], deadline: float | None = None) -> Arrays:
        """One run, in the thread of the caller; what it costs is remembered."""
        seen = self._seen[tuple(fetches)]
        seconds = None if deadline is None else deadline - time.monotonic()
        if seconds is not None and seconds <= 0:  # it waited for a thread
            raise StatusError(Code.DEADLINE_EXCEEDED, 'Timed out waiting for notification')
        steady = self.model.steady
        if steady and seen.short:
            seconds = None  # faster without
        # What runs in this thread alone cannot be broken off, and is not blamed for the time that others took.
        alone = steady and seen.small
        clock = time.thread_time if alone else time.perf_counter
        began = clock()
        values = self.model.run(feeds, fetches, seconds, alone=alone)
        seen.note(feeds, clock() - began)
        return values


@dataclass(frozen=True)
class _End:
    """`StopIteration` cannot pass through a future."""

    answer: Any


def _sent(steps: 'Steps[Any]', values: Arrays) -> Any:
    try:
        return steps.send(values)
    except StopIteration as end:
        return _End(end.value)
