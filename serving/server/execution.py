"""Where a model's run happens: in the event loop, in a worker thread, or in a batch with others.

A thread costs a request more than a small model does, so what has been seen to take next to no time runs where it is.
"""

import asyncio
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.server.batching import Batcher, Hold
from vaiven.serving.server.status import Code, StatusError

T = TypeVar('T')
Arrays = list[NDArray[Any]]
Feeds = Mapping[str, NDArray[Any]]
# What to feed and to fetch is yielded, the values come back, the answer is returned.
Steps = Generator[tuple[Feeds, Sequence[str]], Arrays, T]

CHEAP_SECONDS = 300e-6
SHORT_SECONDS = 20e-3
SMALL_BYTES = 1 << 16
_FORGETTING = 0.9


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
        self._costs: dict[tuple[str, ...], float] = {}

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
                values = await self._run(*asked, deadline)
                if sum(map(_bytes, values)) < SMALL_BYTES:
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
        key = tuple(fetches)
        cost = self._costs.get(key, math.inf)
        if cost < CHEAP_SECONDS and sum(map(_bytes, feeds.values())) < SMALL_BYTES:
            return self.timed(feeds, fetches)
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
        key = tuple(fetches)
        seconds = None if deadline is None else deadline - time.monotonic()
        if seconds is not None and seconds <= 0:  # it waited for a thread
            raise StatusError(Code.DEADLINE_EXCEEDED, 'Timed out waiting for notification')
        cost = self._costs.get(key, math.inf)
        if cost < SHORT_SECONDS:
            seconds = None  # over before anybody could break it off, and faster without
        began = time.perf_counter()
        try:
            return self.model.run(feeds, fetches, seconds, alone=cost < CHEAP_SECONDS)
        finally:
            cost = time.perf_counter() - began
            self._costs[key] = max(cost, _FORGETTING * self._costs.get(key, 0.0))


@dataclass(frozen=True)
class _End:
    """`StopIteration` cannot pass through a future."""

    answer: Any


def _sent(steps: 'Steps[Any]', values: Arrays) -> Any:
    try:
        return steps.send(values)
    except StopIteration as end:
        return _End(end.value)


def _bytes(value: NDArray[Any]) -> int:
    return value.nbytes if value.dtype != np.object_ else sum(map(len, value.flat)) + value.nbytes
