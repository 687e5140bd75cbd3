"""Measured costs of the runs of one version: which may run in the event loop, and which need no timeout.

A measurement holds only for inputs that are no larger in any dimension, and only where the shapes of the inputs alone
decide the cost of the graph (see `graph_costs`).
"""

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

# A hop to a worker thread and back costs about as much.
CHEAP_SECONDS = 300e-6
# Below it, TensorFlow's other threads cost more than they save.
SMALL_SECONDS = 10 * CHEAP_SECONDS
# A run that is shorter has ended before a cancellation could take effect.
SHORT_SECONDS = 20e-3
# Of wall time, which on a busy machine includes the time of other processes.
SLOW_WALL_SECONDS = 0.25
LARGE_BYTES = 1 << 16
MAX_SIZES = 16

Arrays = Mapping[str, NDArray[Any]]
# For each input: its shape, and the bytes of its strings.
Size = tuple[tuple[tuple[int, ...], int], ...]


def measure(feeds: Arrays) -> Size:
    """The size of the inputs of a run: for each its shape, and the bytes of its strings."""
    return tuple(
        (value.shape, _string_bytes(value) if value.dtype == object else 0) for value in feeds.values()
    )


def total_bytes(values: Iterable[NDArray[Any]]) -> int:
    """Bytes of arrays, with the characters of their strings."""
    return sum(value.nbytes + (_string_bytes(value) if value.dtype == object else 0) for value in values)


def _string_bytes(value: NDArray[Any]) -> int:
    return sum(map(len, value.flat))


class Sizes:
    """A set of input sizes that contains every size that is no larger than one of them. It is thread-safe."""

    def __init__(self) -> None:
        self._maxima: tuple[Size, ...] = ()  # replaced whole, so that readers need no lock
        self._lock = threading.Lock()

    def __contains__(self, size: Size) -> bool:
        return any(_fits(size, maximum) for maximum in self._maxima)

    def add(self, size: Size) -> None:
        """Adds a size. Only maxima are kept, the last `MAX_SIZES` of them."""
        with self._lock:
            if size not in self:
                kept = [maximum for maximum in self._maxima if not _fits(maximum, size)]
                self._maxima = (*kept[1 - MAX_SIZES :], size)

    def clear(self) -> None:
        """Removes all sizes."""
        with self._lock:
            self._maxima = ()


def _fits(size: Size, maximum: Size) -> bool:
    for (shape, length), (max_shape, max_length) in zip(size, maximum, strict=True):
        if length > max_length or len(shape) != len(max_shape):
            return False
        for dimension, max_dimension in itertools.zip_longest(shape, max_shape):
            if dimension > max_dimension:
                return False
    return True


@dataclass
class RunCosts:
    """Costs of the runs with the same inputs and outputs. It is thread-safe.

    Attributes:
        fixed: whether the sizes of the inputs alone decide the cost.
        cheap: sizes for which a single-threaded run costs less than a change of threads, and has been prepared.
        small: sizes for which a run is not worth a second thread.
        short: sizes for which a run ends before a timeout could cancel it.
    """

    fixed: bool
    cheap: Sizes = field(default_factory=Sizes)
    small: Sizes = field(default_factory=Sizes)
    short: Sizes = field(default_factory=Sizes)

    def observe(
        self,
        size: Size,
        seconds: float,
        *,
        single_threaded: bool,
        prepared: bool = False,
        wall_seconds: float = 0.0,
    ) -> None:
        """Notes a successful run in a worker thread.

        Args:
            size: of its inputs.
            seconds: its duration.
            single_threaded: whether it ran in that thread only.
            prepared: whether the same run was done before. The first one compiles the graph, and may be slow.
            wall_seconds: wall time, where `seconds` is CPU time.
        """
        if prepared and seconds >= SHORT_SECONDS:
            self.fixed = False
        if single_threaded and seconds < CHEAP_SECONDS and wall_seconds < SLOW_WALL_SECONDS:
            self.cheap.add(size)
        if seconds < SMALL_SECONDS:
            self.small.add(size)
        if seconds < SHORT_SECONDS:
            self.short.add(size)

    def observe_cheap(self, seconds: float, wall_seconds: float) -> None:
        """Notes a run that was expected to be cheap, perhaps in the event loop.

        One that takes much CPU time ends such runs for good. After one that is no longer cheap, or that waited for
        something, perhaps only for other processes, the next ones are measured again before any is cheap.

        Args:
            seconds: CPU time of the thread.
            wall_seconds: wall time.
        """
        if seconds >= SHORT_SECONDS:
            self.fixed = False
        elif seconds >= SMALL_SECONDS or wall_seconds >= SLOW_WALL_SECONDS:
            self.cheap.clear()

    def is_cheap(self, feeds: Arrays) -> bool:
        """Whether a run with these inputs is short enough to block the event loop."""
        if not self.fixed or sum(value.nbytes for value in feeds.values()) > LARGE_BYTES:
            return False
        return measure(feeds) in self.cheap
