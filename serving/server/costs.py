"""What runs of one version have been seen to take: who may run in the event loop, and who need not be broken off."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHEAP_SECONDS = 300e-6
SHORT_SECONDS = 20e-3
LARGE_BYTES = 1 << 16
_LEAST_BYTES = 64


@dataclass
class _Seen:
    """Of runs with the same outputs.

    Attributes:
        seconds: what one takes; falls at once (the first runs compile), and at most doubles with each.
        size: bytes of the largest inputs that were cheap.
        ready: whether it has run in one thread alone, which TensorFlow prepares apart.
    """

    seconds: float = math.inf
    size: int = _LEAST_BYTES
    ready: bool = False


class Costs:
    """May be used from any thread; a race costs no more than one run in the wrong place."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], _Seen] = {}

    def note(self, fetches: tuple[str, ...], feeds: Mapping[str, NDArray[Any]], seconds: float) -> None:
        """A run that ended well."""
        seen = self._seen.setdefault(fetches, _Seen())
        seen.ready = seen.ready or seen.seconds < CHEAP_SECONDS
        seen.seconds = min(seconds, max(2 * seen.seconds, CHEAP_SECONDS / 8))
        if seconds < CHEAP_SECONDS:
            seen.size = max(seen.size, size_of(feeds.values()))

    def cheap(self, fetches: tuple[str, ...]) -> bool:
        """Whether a run is not worth a second thread."""
        seen = self._seen.get(fetches)
        return seen is not None and seen.seconds < CHEAP_SECONDS

    def at_once(self, fetches: tuple[str, ...], feeds: Mapping[str, NDArray[Any]]) -> bool:
        """Whether a run may be done in the event loop.

        Not where inputs are much larger than those that were seen to be cheap, nor where one is a scalar, which may
        well say how much there is to do.
        """
        seen = self._seen.get(fetches)
        if seen is None or not seen.ready or seen.seconds >= CHEAP_SECONDS:
            return False
        return size_of(feeds.values()) <= min(2 * seen.size, LARGE_BYTES) and all(
            value.ndim for value in feeds.values()
        )

    def short(self, fetches: tuple[str, ...]) -> bool:
        """Whether a run is over before anybody could break it off."""
        seen = self._seen.get(fetches)
        return seen is not None and seen.seconds < SHORT_SECONDS


def size_of(values: Any) -> int:
    """Bytes of arrays, of strings with their characters."""
    return sum(
        value.nbytes + (sum(map(len, value.flat)) if value.dtype == np.object_ else 0) for value in values
    )
