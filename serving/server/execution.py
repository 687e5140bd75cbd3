"""Where a model runs: in the caller's thread, in the event loop, in a worker thread, or in a batch with other requests.

A gRPC call has a thread of its own, in which the model runs. A REST call is in the event loop. A hop to a thread costs
it more than the run of a small model, so runs that were measured to be cheap happen in the event loop. This is allowed
only where the shapes of the inputs alone decide the cost, and only for inputs no larger than those measured: any other
run could take any time and block all REST requests.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from vaiven.serving.common.call_threads import blocking
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.batch_tasks import Lease, OnEnd, Run
from vaiven.serving.server.batching import Batcher
from vaiven.serving.server.endpoints import Endpoint
from vaiven.serving.server.run_costs import LARGE_BYTES, RunCosts, measure, total_bytes
from vaiven.serving.server.run_slots import RunSlots
from vaiven.serving.server.steps import Arrays, Feeds, Steps, StepsDoneError, T, run_synchronously, send

# Combinations of inputs and outputs. A model has a few; only a client that varies its output filter needs more.
MAX_RUN_COSTS = 256


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
    """Runs one loaded version.

    Attributes:
        model: the model.
        batcher: makes batches of concurrent requests; None where batching is off.
    """

    def __init__(
        self,
        model: LoadedModel,
        workers: Executor,
        slots: RunSlots,
        lease: Lease,
        new_batcher: Callable[[Run], Batcher | None] = lambda run: None,
    ) -> None:
        """
        Args:
            model: the loaded model.
            workers: threads for callers in the event loop.
            slots: limit the runs outside of batches.
            lease: held by a run that continues after its caller was cancelled.
            new_batcher: the batcher for the given run function, or None for no batching.
        """
        self.model = model
        self._lease = lease
        self._workers = workers
        self._slots = slots
        self._costs: dict[tuple[tuple[str, ...], tuple[str, ...]], RunCosts] = {}
        self.batcher: Batcher | None = new_batcher(self.run_measured)

    def close(self) -> None:
        """Frees the model. No run may be in progress."""
        # The batcher refers to this object: the cycle would keep the model until the next garbage collection.
        self.batcher = None
        self.model.close()

    def respond(self, steps: 'Steps[T]', deadline: float | None, on_end: OnEnd) -> T:
        """The response of `steps`, for a caller in a thread of its own, which waits.

        Args:
            steps: one of the generators of `inference`.
            deadline: on the clock `time.monotonic`; None for none.
            on_end: registers a function for the end of the call, which ends the waiting.

        Raises:
            StatusError: DEADLINE_EXCEEDED, CANCELLED, or the error of the run.
        """
        return run_synchronously(steps, lambda feeds, fetches: self._run(feeds, fetches, deadline, on_end))

    async def respond_async(
        self, steps: 'Steps[T]', deadline: float | None = None, *, large: bool = False
    ) -> T:
        """The response of `steps`, for a caller in the event loop.

        Args:
            steps: one of the generators of `inference`.
            deadline: on the clock `time.monotonic`; None for none.
            large: whether the steps themselves, and not only the run, would block the event loop.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or the error of the run.
        """
        if large and self.batcher is None:
            # In one go, so that the inputs of requests that wait for a thread are not in memory twice.
            large_response: T = await self._in_worker(
                run_synchronously, steps, lambda feeds, fetches: self._run_in_slot(feeds, fetches, deadline)
            )
            return large_response
        try:
            arguments = await self._step(steps, None, large=large)
            while True:
                values = await self._run_async(*arguments, deadline)
                arguments = await self._step(steps, values, large=large or total_bytes(values) >= LARGE_BYTES)
        except StepsDoneError as end:
            response: T = end.response
            return response

    async def _step(
        self, steps: 'Steps[Any]', values: Arrays | None, *, large: bool
    ) -> tuple[Feeds, Sequence[str]]:
        """Feeds and fetches of the run after `values`. Raises StepsDoneError with the response at the end."""
        if large:
            arguments: tuple[Feeds, Sequence[str]] = await self._in_worker(send, steps, values)
            return arguments
        return send(steps, values)

    def _run(self, feeds: Feeds, fetches: Sequence[str], deadline: float | None, on_end: OnEnd) -> Arrays:
        batcher = self._batcher_for(feeds, fetches)
        if self._is_cheap(feeds, fetches, batcher):
            return self._run_cheap(feeds, fetches)
        if batcher is not None:
            return batcher.run(feeds, fetches, deadline, on_end)
        return self._run_in_slot(feeds, fetches, deadline, on_end)

    async def _run_async(self, feeds: Feeds, fetches: Sequence[str], deadline: float | None) -> Arrays:
        batcher = self._batcher_for(feeds, fetches)
        if self._is_cheap(feeds, fetches, batcher):
            return self._run_cheap(feeds, fetches)
        if batcher is not None:
            return await batcher.run_async(feeds, fetches, deadline)
        values: Arrays = await self._in_worker(self._run_in_slot, feeds, fetches, deadline)
        return values

    def _batcher_for(self, feeds: Feeds, fetches: Sequence[str]) -> Batcher | None:
        """Makes batches with these inputs; None for a run alone. Raises StatusError for too many rows."""
        batcher = self.batcher
        if batcher is None or not batcher.can_batch(feeds, fetches):
            return None
        # Checked before any run: whether a request is too large must not depend on earlier requests.
        batcher.check_batch_size(feeds)
        return batcher

    def _run_in_slot(
        self, feeds: Feeds, fetches: Sequence[str], deadline: float | None, on_end: OnEnd | None = None
    ) -> Arrays:
        self._slots.acquire(deadline, on_end)
        try:
            with blocking:
                return self.run_measured(feeds, fetches, deadline)
        finally:
            self._slots.release()

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

    def _is_cheap(self, feeds: Feeds, fetches: Sequence[str], batcher: Batcher | None) -> bool:
        """Whether a run alone, with all operations in one thread, costs less than a wait for another thread."""
        if batcher is not None and not batcher.is_unpadded(feeds):
            return False
        return self._costs_of(feeds, fetches).is_cheap(feeds) and self.model.prepared(feeds, fetches)

    def _run_cheap(self, feeds: Feeds, fetches: Sequence[str]) -> Arrays:
        costs = self._costs_of(feeds, fetches)
        cpu_start, wall_start = time.thread_time(), time.perf_counter()
        try:
            return self.model.run(feeds, fetches, single_threaded=True)
        finally:
            costs.observe_cheap(time.thread_time() - cpu_start, time.perf_counter() - wall_start)

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
        start, wall_start = clock(), time.perf_counter()
        values = self.model.run(feeds, fetches, timeout, single_threaded=single_threaded)
        costs.observe(
            size,
            clock() - start,
            single_threaded=single_threaded,
            prepared=prepared,
            wall_seconds=time.perf_counter() - wall_start,
        )
        return values
