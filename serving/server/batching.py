"""Batches made of the requests that wait at the same moment, as TensorFlow Serving's BatchingSession makes them.

One queue for each set of inputs and outputs of a version; see `batch_queue`.

Kinder than upstream in one thing: where requests cannot be joined (rows of unlike shapes, an output that has not a row
for each row of the inputs, a batch that fails), each is run alone, and one that is wrong fails alone.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from vaiven.serving.common.status import invalid_argument
from vaiven.serving.server.batch_arrays import Feeds, NotRowsError, join, part, rows_of
from vaiven.serving.server.batch_queue import BatchThreads, Hold, Queue, Run, Task, joined, not_rows
from vaiven.serving.server.batching_parameters import BatchingParameters
from vaiven.serving.server.metrics import Metrics

# More only by odd output filters, whose queues are forgotten when they are empty.
MAX_QUEUES = 256


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
        self._queues: dict[tuple[tuple[str, ...], tuple[str, ...]], Queue] = {}

    def takes(self, feeds: Feeds) -> bool:
        """Whether there are rows to join; a request with a scalar input has none, and is to be run alone."""
        return bool(feeds) and all(value.ndim for value in feeds.values())

    def check(self, feeds: Feeds) -> int:
        """The rows of a request. Raises StatusError, INVALID_ARGUMENT, for more than a request may have."""
        rows = rows_of(feeds)
        largest = self.parameters.max_batch_size
        if rows > largest:
            raise invalid_argument(f'Task size {rows} is larger than maximum input batch size {largest}')
        return rows

    def as_it_is(self, feeds: Feeds) -> bool:
        """Whether a batch of this request alone would have exactly its rows."""
        rows = rows_of(feeds)
        return rows <= self.parameters.max_execution_batch_size and rows == self.parameters.allowed_size(rows)

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
        rows = self.check(feeds)
        if self.metrics is not None:
            self.metrics.batch_input(rows)
        key = tuple(sorted(feeds)), tuple(fetches)
        queue = self._queues.get(key) or self._new_queue(key)
        split = rows > self.parameters.max_execution_batch_size
        return await queue.add([Task(*piece, deadline, split) for piece in self._pieces(feeds, rows)])

    def _new_queue(self, key: tuple[tuple[str, ...], tuple[str, ...]]) -> Queue:
        if len(self._queues) >= MAX_QUEUES:
            self._queues = {known: queue for known, queue in self._queues.items() if not queue.empty}
        queue = self._queues[key] = Queue(
            self.parameters, self.threads, self.run_batch, self.hold, self.metrics, key[1]
        )
        return queue

    def run_here(
        self, feeds: Feeds, fetches: Sequence[str], deadline: float | None = None
    ) -> list[NDArray[Any]]:
        """Like `run`, in this thread and with no other requests: for warm-up."""
        pieces = self._pieces(feeds, self.check(feeds))
        return joined([self._run_piece(*piece, fetches, deadline, len(pieces) > 1) for piece in pieces])

    def _run_piece(
        self, feeds: Feeds, rows: int, fetches: Sequence[str], deadline: float | None, split: bool
    ) -> list[NDArray[Any]]:
        filled = join([feeds], self.parameters.allowed_size(rows) - rows, pad=False)
        try:
            return next(part(self.run_batch(filled, fetches, deadline), [rows], rows_of(filled)))
        except NotRowsError:
            if split:
                raise not_rows() from None
            return self.run_batch(feeds, fetches, deadline)

    def _pieces(self, feeds: Feeds, rows: int) -> list[tuple[Feeds, int]]:
        """The request and its rows, in parts where it has more than a run may have."""
        size = self.parameters.max_execution_batch_size
        if rows <= size:
            return [(feeds, rows)]
        return [
            ({name: value[start : start + size] for name, value in feeds.items()}, min(size, rows - start))
            for start in range(0, rows, size)
        ]
