"""Settings of Python's garbage collector under which requests pay little for it."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# New objects between two collections. Python's default of 700 is less than one request makes.
_THRESHOLD = 10_000
# Young collections for each middle one, and middle ones for each full one; both are Python's defaults.
_MIDDLE_EVERY, _FULL_EVERY = 10, 10
_NEVER = 1 << 30

_lock = threading.Lock()
_postponements = 0


def freeze_startup_objects() -> None:
    """Excludes all present objects from garbage collection: those of TensorFlow live as long as the process."""
    gc.freeze()
    gc.set_threshold(_THRESHOLD, _MIDDLE_EVERY, _FULL_EVERY)


@contextmanager
def postpone_full_collections() -> Iterator[None]:
    """Allows no full collections in the `with` block: with millions of lists, one takes a fifth of a second."""
    global _postponements
    with _lock:
        _postponements += 1
        gc.set_threshold(gc.get_threshold()[0], _MIDDLE_EVERY, _NEVER)
    try:
        yield
    finally:
        with _lock:
            _postponements -= 1
            if not _postponements:
                gc.set_threshold(gc.get_threshold()[0], _MIDDLE_EVERY, _FULL_EVERY)
