"""What is known of the signatures of models, so that plain numbers and lists get the dtypes that are wanted."""

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaiven.serving.client.results import Metadata, Target
from vaiven.serving.errors import ServingError
from vaiven.serving.wire import dtypes

MAX_AGE_SECONDS = 60.0
# Which dtypes a number of Python may become: never one that would change its value without a word.
_INTO: dict[type, str] = {bool: 'b', int: 'iufc', float: 'fc', complex: 'c', list: 'biufcO', tuple: 'biufcO'}


class Signatures:
    """Metadata by what it was asked for. Safe to share between threads.

    What was asked of a version by its number stays; the rest is forgotten when an answer tells of another version,
    and after a minute.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, int | None, str | None], tuple[float, Metadata]] = {}
        self._lock = threading.Lock()

    def get(self, target: Target) -> Metadata | None:
        since, found = self._found.get(_key(target), (0.0, None))
        if target.version is None and time.monotonic() - since > MAX_AGE_SECONDS:
            return None
        return found

    def put(self, target: Target, metadata: Metadata) -> None:
        with self._lock:
            self._found[_key(target)] = time.monotonic(), metadata

    def seen(self, target: Target, version: int) -> None:
        """An answer for `target` came from `version`."""
        found = self._found.get(_key(target))
        if found is not None and found[1].version != version:
            with self._lock:
                self._found.pop(_key(target), None)


def _key(target: Target) -> tuple[str, int | None, str | None]:
    return target.model, target.version, target.label


def is_open(value: ArrayLike) -> bool:
    """Whether the dtype of `value` is not said: a plain number, lists of them, or an empty list."""
    return type(_first(value)) in _INTO


def input_dtype(metadata: Metadata | None, signature: str, name: str, value: ArrayLike) -> Any:
    """The dtype that an input of open dtype is to have; None where nothing better than numpy's guess is known."""
    if metadata is None or not is_open(value):
        return None
    wanted = metadata.signatures.get(signature or 'serving_default')
    spec = wanted.inputs.get(name) if wanted is not None else None
    dtype = numpy_dtype(spec.dtype) if spec is not None else None
    if dtype is None or dtype.kind not in _INTO[type(_first(value))]:
        return None  # the server says what it thinks of it
    if dtype.kind in 'iu' and (array := as_array(name, value)).size and array.dtype.kind not in 'biu':
        return None  # [1, 2.5]: the first is no sign of the others
    return dtype


def numpy_dtype(name: str) -> np.dtype[Any] | None:
    """The dtype called so in TensorFlow; None where numpy here has none for it."""
    try:
        return dtypes.kind_of_number(dtypes.NUMBERS[name]).dtype
    except (KeyError, ValueError):
        return None


def unsendable(name: str, error: Exception) -> ServingError:
    """What is raised for an input that is no array."""
    return ServingError(f'input {name!r} cannot be made an array: {error}')


def as_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """The value as an array. Raises ServingError where it is none."""
    try:
        return np.asarray(value, object if isinstance(_first(value), str | bytes) else None)
    except (ValueError, TypeError, OverflowError) as error:
        raise unsendable(name, error) from error


def _first(value: Any) -> object:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return value
