"""What runs of one version have been seen to take: who may run in the event loop, and who need not be broken off."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

CHEAP_SECONDS = 300e-6
SMALL_SECONDS = 10 * CHEAP_SECONDS
SHORT_SECONDS = 20e-3
LARGE_BYTES = 1 << 16
_LEAST_BYTES = 64


@dataclass
class Seen:
    """Of runs with the same outputs. May be used from any thread; a race costs no more than one run in the wrong place.

    Attributes:
        seconds: what one takes; falls at once (the first runs compile), and at most doubles with each. By the clock
            of the thread where there is one alone: on a busy machine the clock on the wall tells more of others.
        size: bytes of the largest inputs that were cheap.
        ready: whether it has run in one thread alone, which TensorFlow prepares apart.
    """

    seconds: float = math.inf
    size: int = _LEAST_BYTES
    ready: bool = False

    def note(self, feeds: Mapping[str, NDArray[Any]], seconds: float) -> None:
        """A run that ended well."""
        self.ready = self.ready or self.seconds < SMALL_SECONDS
        self.seconds = min(seconds, max(2 * self.seconds, CHEAP_SECONDS / 8))
        if seconds < CHEAP_SECONDS:
            self.size = max(self.size, size_of(feeds.values()))

    @property
    def small(self) -> bool:
        """Whether a run is not worth a second thread."""
        return self.seconds < SMALL_SECONDS

    @property
    def short(self) -> bool:
        """Whether a run is over before anybody could break it off."""
        return self.seconds < SHORT_SECONDS

    def at_once(self, feeds: Mapping[str, NDArray[Any]]) -> bool:
        """Whether a run may be done in the event loop.

        Not where inputs are much larger than those that were seen to be cheap, nor where one is a scalar, which may
        well say how much there is to do.
        """
        if not self.ready or self.seconds >= CHEAP_SECONDS:
            return False
        most = min(2 * self.size, LARGE_BYTES)
        for value in feeds.values():
            most -= value.nbytes if value.dtype != object else size_of((value,))
            if most < 0 or not value.ndim:
                return False
        return True


def size_of(values: Any) -> int:
    """Bytes of arrays, of strings with their characters."""
    return sum(value.nbytes + (sum(map(len, value.flat)) if value.dtype == object else 0) for value in values)
