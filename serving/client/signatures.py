"""What is known of the signatures of models, so that plain numbers and lists get the dtypes that are wanted."""

import threading
import time
from cmath import isfinite
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaiven.serving.client.results import Metadata, Target
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import dtypes

MAX_AGE_SECONDS = 60.0
# Which dtypes a number of Python may become: never one that would change its value without a word.
_INTO: dict[type, str] = {bool: 'b', int: 'iufc', float: 'fc', complex: 'c', list: 'biufcO', tuple: 'biufcO'}
# And which kinds of arrays, as numpy makes them of such numbers, may become those of a dtype.
_FROM = {'b': 'b', 'i': 'biuO', 'u': 'biuO', 'f': 'biufO', 'c': 'biufcO', 'O': ''}
_LISTS = (list, tuple)
_FLOAT, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
_TOO_LARGE = float(np.finfo(_FLOAT).max) ** 2


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


def fitted(metadata: Metadata | None, signature: str, name: str, value: ArrayLike) -> ArrayLike:
    """An input of open dtype in the dtype that the signature wants; else `value`, for the server to judge.

    Raises:
        ServingError: a whole number would change, a large one would become infinite, or it is no array.
    """
    if metadata is None:
        return value
    kinds = _INTO.get(type(_first(value)))
    if kinds is None:
        return value
    wanted = metadata.signatures.get(signature or 'serving_default')
    spec = wanted.inputs.get(name) if wanted is not None else None
    dtype = numpy_dtype(spec.dtype) if spec is not None else None
    if spec is None or dtype is None or dtype.kind not in kinds:
        return value
    natural = np.asarray(value)
    if natural.dtype is dtype:
        return natural
    if dtype is _FLOAT and natural.dtype is _DOUBLE and (flat := natural.ravel()).dot(flat) < _TOO_LARGE:
        return natural.astype(dtype)  # as all may be, where not even the sum of their squares is too large
    if natural.size and natural.dtype.kind not in _FROM[dtype.kind]:
        return value  # [1, 2.5]: the first is no sign of the others
    if (
        natural.dtype.kind in 'iu'
        and dtype.char != 'e'  # float16, which whole numbers overflow
        and (array := natural.astype(dtype)).tolist() == natural.tolist()
    ):
        return array
    with np.errstate(over='ignore'):
        array = np.asarray(natural, dtype)
    for given, kept in zip(natural.ravel().tolist(), array.ravel().tolist(), strict=True):
        if given != kept and not (isinstance(given, float | complex) and isfinite(given) == isfinite(kept)):
            raise ServingError(
                f'input {name!r} is of {spec.dtype}, which cannot hold {given}: give a number that fits'
            )
    return array


@cache
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
    while isinstance(value, _LISTS) and value:
        value = value[0]
    return value
