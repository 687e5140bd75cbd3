"""A cache of signatures, which give plain numbers and lists the dtypes that the model declares."""

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
# The numpy kinds that a Python number may become: never one that silently changes its value.
_INTO: dict[type, str] = {bool: 'b', int: 'iufc', float: 'fc', complex: 'c', list: 'biufcO', tuple: 'biufcO'}
# The kinds of arrays that may be converted to a dtype of the kind on the left.
_FROM = {'b': 'b', 'i': 'biuO', 'u': 'biuO', 'f': 'biufO', 'c': 'biufcO', 'O': ''}
_LISTS = (list, tuple)
_FLOAT, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
_TOO_LARGE = float(np.finfo(_FLOAT).max) ** 2


class Signatures:
    """A cache of metadata by target. Threads may share it.

    Metadata of a version number is kept. Metadata of a label or of the newest version expires after a minute, and
    when a response comes from another version.
    """

    def __init__(self) -> None:
        self._cache: dict[tuple[str, int | None, str | None], tuple[float, Metadata]] = {}
        self._lock = threading.Lock()

    def get(self, target: Target) -> Metadata | None:
        """Returns the cached metadata of `target`, if there is any."""
        since, metadata = self._cache.get(_key(target), (0.0, None))
        if target.version is None and time.monotonic() - since > MAX_AGE_SECONDS:
            return None
        return metadata

    def put(self, target: Target, metadata: Metadata) -> None:
        """Caches the metadata of `target`."""
        with self._lock:
            self._cache[_key(target)] = time.monotonic(), metadata

    def seen(self, target: Target, version: int) -> None:
        """Drops the metadata of `target` if a response shows that it is now another version."""
        cached = self._cache.get(_key(target))
        if cached is not None and cached[1].version != version:
            with self._lock:
                self._cache.pop(_key(target), None)


def _key(target: Target) -> tuple[str, int | None, str | None]:
    return target.model, target.version, target.label


def is_open(value: ArrayLike) -> bool:
    """Whether `value` has no dtype of its own: a plain number, a list of them, or an empty list."""
    return type(_first(value)) in _INTO


def fitted(metadata: Metadata | None, signature: str, name: str, value: ArrayLike) -> ArrayLike:
    """Converts a value without a dtype to the dtype of the signature; returns other values unchanged.

    Args:
        metadata: of the model; None if unknown.
        signature: name of the signature.
        name: name of the input.
        value: the value.

    Raises:
        ServingError: an integer would change, a number would become infinite, or the value is not an array.
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
        return natural.astype(dtype)  # the sum of squares is in range, so all values are
    if natural.size and natural.dtype.kind not in _FROM[dtype.kind]:
        return value  # as in [1, 2.5]: the first number does not show the kind of the others
    if (
        natural.dtype.kind in 'iu'
        and dtype.char != 'e'  # integers overflow float16
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
    """Returns the numpy dtype for the name of a TensorFlow dtype; None if numpy has none."""
    try:
        return dtypes.kind_of_number(dtypes.NUMBERS[name]).dtype
    except (KeyError, ValueError):
        return None


def unsendable(name: str, error: Exception) -> ServingError:
    """Returns the exception for an input that cannot be made an array."""
    return ServingError(f'input {name!r} cannot be made an array: {error}')


def as_array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Returns `value` as an array. Raises ServingError if that is not possible."""
    try:
        return np.asarray(value, object if isinstance(_first(value), str | bytes) else None)
    except (ValueError, TypeError, OverflowError) as error:
        raise unsendable(name, error) from error


def _first(value: Any) -> object:
    while isinstance(value, _LISTS) and value:
        value = value[0]
    return value
