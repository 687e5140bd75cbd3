"""Python's search for unreachable cycles of objects, made to cost requests little."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Objects made and not freed, after which Python looks for cycles among them; its own 700 are fewer than requests make.
_THRESHOLD = 10_000
# Looks at young objects for each look at middle ones, and of these for each look at all.
_MIDDLE, _ALL = 10, 10
_NEVER = 1 << 30

_lock = threading.Lock()
_large = 0


def spare_what_is_there() -> None:
    """Leaves everything made up to now out of every search: what TensorFlow made stays anyway."""
    gc.freeze()
    gc.set_threshold(_THRESHOLD, _MIDDLE, _ALL)


@contextmanager
def young_only() -> Iterator[None]:
    """Meanwhile only young objects are searched: with millions of lists a search of all takes a fifth of a second."""
    global _large
    with _lock:
        _large += 1
        gc.set_threshold(gc.get_threshold()[0], _MIDDLE, _NEVER)
    try:
        yield
    finally:
        with _lock:
            _large -= 1
            if not _large:
                gc.set_threshold(gc.get_threshold()[0], _MIDDLE, _ALL)
