"""Where a model runs: in the event loop, in a worker thread, or in a batch with other requests.

A hop to a thread costs a request more than the run of a small model. Runs that were measured to be cheap therefore
happen in the event loop. This is allowed only where the shapes of the inputs alone decide the cost, and only for inputs
no larger than those measured: any other run could take any time and block the whole server.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.batch_queue import Lease, Run
from vaiven.serving.server.batching import Batcher
from vaiven.serving.server.endpoints import Endpoint
from vaiven.serving.server.run_costs import LARGE_BYTES, RunCosts, measure, total_bytes

T = TypeVar('T')
# Combinations of inputs and outputs. A model has a few; only a client that varies its output filter needs more.
MAX_RUN_COSTS = 256
Arrays = list[NDArray[Any]]
Feeds = Mapping[str, NDArray[Any]]
# A request as a generator: it yields the feeds and fetches of each run, receives the values, and returns the response.
Steps = Generator[tuple[Feeds, Sequence[str]], Arrays, T]


def run_synchronously(steps: 'Steps[T]', run: Callable[[Feeds, Sequence[str]], Arrays]) -> T:
    """The response of `steps`, with all work done in the caller's thread."""
    try:
        arguments = next(steps)
        while True:
            arguments = steps.send(run(*arguments))
    except StopIteration as end:
        response: T = end.value
        return response


def with_timing(steps: 'Steps[T]', report: Callable[[float], None]) -> 'Steps[T]':
    """`steps` unchanged; `report` gets the seconds of each run, including its wait for a thread or a batch."""
    try:
        arguments = next(steps)
        while True:
            start = time.perf_counter()
            values = yield arguments
            report(time.perf_counter() - start)
            arguments = steps.send(values)
    except StopIteration as end:
        response: T = end.value
        return response


class LoadedModel(Protocol):
    """A model in memory: a SavedModel or a TFLite model.

    Attributes:
        signatures: SignatureDefs by name.
        endpoints: the same signatures, as requests need them.
    """

    signatures: Mapping[str, Any]
    endpoints: Mapping[str, Endpoint]

    def fixed_cost(self, fetches: Sequence[str]) -> bool:
        """Whether the shapes of the inputs alone decide the cost of `fetches`."""

    def prepared(self, feeds: Feeds, fetches: Sequence[str]) -> bool:
        """Whether a single-threaded run without timeout has been prepared."""

    def run(
        self,
        feeds: Feeds,
        fetches: Sequence[str],
        timeout: float | None = None,
        *,
        single_threaded: bool = False,
    ) -> Arrays:
        """Values of the tensors `fetches`.

        Args:
            feeds: values of input tensors, by their names.
            fetches: names of the output tensors.
            timeout: seconds after which the run is cancelled; None for none.
            single_threaded: keeps all operations in the caller's thread.

        Raises:
            StatusError: the run failed, or the time is over.
        """

    def close(self) -> None:
        """Frees its memory. No `run` may be in progress."""


class Execution:
    """Runs one loaded version for the event loop.

    Attributes:
        model: the model.
        batcher: makes batches of concurrent requests; None where batching is off.
    """

    def __init__(
        self,
        model: LoadedModel,
        workers: Executor,
        lease: Lease,
        new_batcher: Callable[[Run], Batcher | None] = lambda run: None,
    ) -> None:
        """
        Args:
            model: the loaded model.
            workers: threads for runs outside of the event loop.
            lease: held by a run that continues after its caller was cancelled.
            new_batcher: the batcher for the given run function, or None for no batching.
        """
        self.model = model
        self._lease = lease
        self._workers = workers
        self._costs: dict[tuple[tuple[str, ...], tuple[str, ...]], RunCosts] = {}
        self.batcher: Batcher | None = new_batcher(self.run_measured)

    def close(self) -> None:
        """Frees the model. No run may be in progress."""
        # The batcher refers to this object: the cycle would keep the model until the next garbage collection.
        self.batcher = None
        self.model.close()

    async def respond(self, steps: 'Steps[T]', deadline: float | None = None, *, large: bool = False) -> T:
        """The response of `steps`.

        Args:
            steps: one of the generators of `inference`.
            deadline: on the clock `time.monotonic`.
            large: whether the steps themselves, and not only the run, would block the event loop.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or the error of the run.
        """
        if large and self.batcher is None:
            # In one go, so that the inputs of requests that wait for a thread are not in memory twice.
            large_response: T = await self._in_worker(
                run_synchronously, steps, lambda feeds, fetches: self.run_measured(feeds, fetches, deadline)
            )
            return large_response
        try:
            arguments = await self._step(steps, None, large=large)
            while True:
                values = await self._run(*arguments, deadline)
                arguments = await self._step(steps, values, large=large or total_bytes(values) >= LARGE_BYTES)
        except _StepsDoneError as end:
            response: T = end.response
            return response

    async def _step(
        self, steps: 'Steps[Any]', values: Arrays | None, *, large: bool
    ) -> tuple[Feeds, Sequence[str]]:
        """Feeds and fetches of the run after `values`. Raises _StepsDoneError with the response at the end."""
        if large:
            arguments: tuple[Feeds, Sequence[str]] = await self._in_worker(_send, steps, values)
            return arguments
        return _send(steps, values)

    async def _run(self, feeds: Feeds, fetches: Sequence[str], deadline: float | None) -> Arrays:
        batcher = self.batcher if self.batcher is not None and self.batcher.can_batch(feeds) else None
        if batcher is not None:
            # Checked before any run: whether a request is too large must not depend on earlier requests.
            batcher.check_batch_size(feeds)
        if (batcher is None or batcher.is_unpadded(feeds)) and self._may_run_in_loop(feeds, fetches):
            return self._run_in_loop(feeds, fetches)
        if batcher is not None:
            return await batcher.run(feeds, fetches, deadline)
        values: Arrays = await self._in_worker(self.run_measured, feeds, fetches, deadline)
        return values

    async def _in_worker(self, work: Callable[..., Any], *arguments: Any) -> Any:
        future = self._workers.submit(work, *arguments)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The caller releases the model now, but the thread may be in the middle of a run.
            self._lease.retain()
            future.add_done_callback(lambda done: self._lease.release())
            raise

    def _costs_of(self, feeds: Feeds, fetches: Sequence[str]) -> RunCosts:
        key = tuple(feeds), tuple(fetches)
        costs = self._costs.get(key)
        if costs is None:
            if len(self._costs) >= MAX_RUN_COSTS:
                self._costs.pop(next(iter(self._costs)), None)  # another thread may have removed it already
            costs = self._costs.setdefault(key, RunCosts(self.model.fixed_cost(fetches)))
        return costs

    def _may_run_in_loop(self, feeds: Feeds, fetches: Sequence[str]) -> bool:
        costs = self._costs_of(feeds, fetches)
        return costs.allows_event_loop(feeds) and self.model.prepared(feeds, fetches)

    def _run_in_loop(self, feeds: Feeds, fetches: Sequence[str]) -> Arrays:
        costs = self._costs_of(feeds, fetches)
        cpu_start, wall_start = time.thread_time(), time.perf_counter()
        try:
            return self.model.run(feeds, fetches, single_threaded=True)
        finally:
            costs.observe_in_loop(time.thread_time() - cpu_start, time.perf_counter() - wall_start)

    def run_measured(
        self,
        feeds: Feeds,
        fetches: Sequence[str],
        deadline: float | None = None,
        *,
        single_threaded: bool = False,
    ) -> Arrays:
        """Runs the model in the caller's thread, and notes the cost.

        Args:
            feeds: values of input tensors, by their names.
            fetches: names of the output tensors.
            deadline: on the clock `time.monotonic`; None for none.
            single_threaded: keeps all operations in the caller's thread, whatever the run costs.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or the error of the run.
        """
        timeout = None if deadline is None else deadline - time.monotonic()
        if timeout is not None and timeout <= 0:  # the time passed while it waited for a thread
            raise StatusError(Code.DEADLINE_EXCEEDED, 'Timed out waiting for notification')
        costs = self._costs_of(feeds, fetches)
        if not costs.fixed:
            return self.model.run(feeds, fetches, timeout, single_threaded=single_threaded)
        size = measure(feeds)
        if size in costs.short:
            timeout = None  # it could not take effect, and a run without one is faster
        # A single-threaded run cannot be cancelled. CPU time measures it, so the load of the machine does not count.
        single_threaded = single_threaded or size in costs.small
        prepared = single_threaded and self.model.prepared(feeds, fetches)
        clock = time.thread_time if single_threaded else time.perf_counter
        start = clock()
        values = self.model.run(feeds, fetches, timeout, single_threaded=single_threaded)
        costs.observe(size, clock() - start, single_threaded=single_threaded, prepared=prepared)
        return values


class _StepsDoneError(Exception):
    """Carries the response: a future cannot raise `StopIteration`."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.response = response


def _send(steps: 'Steps[Any]', values: Arrays | None) -> tuple[Feeds, Sequence[str]]:
    try:
        return steps.send(values)  # type: ignore[arg-type]  # (None starts a generator)
    except StopIteration as end:
        raise _StepsDoneError(end.value) from None
