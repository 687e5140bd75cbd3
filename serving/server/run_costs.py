"""What runs of one version cost: which may run in the event loop, and which need no limit of time.

A measurement speaks only for inputs that are no larger, in any dimension, and only where the graph's cost depends on
the shapes of its inputs alone; see `graph_costs`.
"""

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

# A run that costs less is not worth the way to another thread.
CHEAP_SECONDS = 300e-6
# A run that costs less is not worth a second thread.
SMALL_SECONDS = 10 * CHEAP_SECONDS
# A run that costs less ends before anybody could break it off.
SHORT_SECONDS = 20e-3
# By the clock on the wall, which on a busy machine counts the time of others, too.
SLOW_WALL_SECONDS = 0.25
LARGE_BYTES = 1 << 16
MAX_SIZES = 16

Arrays = Mapping[str, NDArray[Any]]
# Of each input: its shape, and the bytes of its strings.
Size = tuple[tuple[tuple[int, ...], int], ...]


def measure(feeds: Arrays) -> Size:
    """The size of the inputs of a run."""
    return tuple(
        (value.shape, _string_bytes(value) if value.dtype == object else 0) for value in feeds.values()
    )


def size_of(values: Iterable[NDArray[Any]]) -> int:
    """Bytes of arrays, of strings with their characters."""
    return sum(value.nbytes + (_string_bytes(value) if value.dtype == object else 0) for value in values)


def _string_bytes(value: NDArray[Any]) -> int:
    return sum(map(len, value.flat))


class Sizes:
    """Sizes of inputs, and with them all that are no larger. May be used from any thread."""

    def __init__(self) -> None:
        self._largest: tuple[Size, ...] = ()
        self._lock = threading.Lock()

    def __contains__(self, size: Size) -> bool:
        return any(_fits(size, known) for known in self._largest)

    def add(self, size: Size) -> None:
        """Only what is the largest is kept, the last `MAX_SIZES`."""
        with self._lock:
            if size not in self:
                kept = [known for known in self._largest if not _fits(known, size)]
                self._largest = (*kept[1 - MAX_SIZES :], size)

    def clear(self) -> None:
        with self._lock:
            self._largest = ()


def _fits(size: Size, known: Size) -> bool:
    for (shape, length), (known_shape, known_length) in zip(size, known, strict=True):
        if length > known_length or len(shape) != len(known_shape):
            return False
        for one, other in itertools.zip_longest(shape, known_shape):
            if one > other:
                return False
    return True


@dataclass
class Seen:
    """The runs with the same inputs and outputs. May be used from any thread.

    Attributes:
        fixed: whether the cost depends on nothing but the sizes of the inputs.
        cheap: sizes of which a run in one thread alone cost next to nothing; the run has been prepared for that thread.
        small: sizes of which a run is not worth a second thread.
        short: sizes of which a run is over before anybody could break it off.
    """

    fixed: bool
    cheap: Sizes = field(default_factory=Sizes)
    small: Sizes = field(default_factory=Sizes)
    short: Sizes = field(default_factory=Sizes)

    def note(self, size: Size, seconds: float, *, alone: bool, prepared: bool = False) -> None:
        """A run in a worker thread that ended well.

        Args:
            size: of its inputs.
            seconds: what it took.
            alone: whether it ran in that thread alone, else on several.
            prepared: whether it had run so before; the first one compiles, and may take long.
        """
        if prepared and seconds >= SHORT_SECONDS:
            self.fixed = False
        if alone and seconds < CHEAP_SECONDS:
            self.cheap.add(size)
        if seconds < SMALL_SECONDS:
            self.small.add(size)
        if seconds < SHORT_SECONDS:
            self.short.add(size)

    def note_here(self, seconds: float, wall_seconds: float) -> None:
        """A run in the event loop: of the thread's own time, and by the clock on the wall.

        One that is slow ends such runs for good. One that is less than cheap sends the next ones to a thread, where
        they are measured again.
        """
        if seconds >= SHORT_SECONDS or wall_seconds >= SLOW_WALL_SECONDS:
            self.fixed = False
        elif seconds >= SMALL_SECONDS:
            self.cheap.clear()

    def at_once(self, feeds: Arrays) -> bool:
        """Whether a run may be done in the event loop."""
        if not self.fixed or sum(value.nbytes for value in feeds.values()) > LARGE_BYTES:
            return False
        return measure(feeds) in self.cheap
