"""Conversion between JSON and tensors, with the rules of TensorFlow Serving's REST API (util/json_tensor.cc).

Reading: float tensors take numbers, integer tensors take integers, and string tensors take strings or `{"b64": …}`. A
number for a float tensor is cast, even if it loses precision. Writing: floats have six digits where these represent the
same number, and otherwise nine (float) or seventeen (double).
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.status import StatusError, invalid_argument
from vaiven.serving.server.json_document import is_too_big
from vaiven.serving.server.json_errors import check_kind, raise_first_error, shape_of, to_bytes, too_big_error
from vaiven.serving.server.json_exact import ENCODING
from vaiven.serving.wire.dtypes import Kind, kind_of_array, kind_of_number

# Values per conversion: one or two milliseconds, in which no other thread gets the interpreter lock.
_AT_ONCE = 1 << 12
_FEW = 1 << 5


class _NotATensorError(Exception):
    """The value has an error. `raise_first_error` finds it."""


def to_tensor(value: Any, number: int) -> NDArray[Any]:
    """The array in nested lists.

    Args:
        value: nested lists, or a single value.
        number: DataType of the array.

    Raises:
        StatusError: the lists are ragged, or a value does not have the dtype.
    """
    kind = kind_of(number)
    shape = shape_of(value)
    try:
        leaves = _leaves(value, shape)
        if not leaves:
            check_kind(kind, value)
        array = np.empty(len(leaves), kind.dtype)
        for start in range(0, len(leaves), _AT_ONCE):
            array[start : start + _AT_ONCE] = _convert(leaves[start : start + _AT_ONCE], kind)
        # Freeing all values at once would hold the interpreter lock. With one dimension, they belong to the caller.
        while len(shape) > 1 and leaves:
            del leaves[-_AT_ONCE:]
        return array.reshape(shape)
    except (_NotATensorError, OverflowError, StatusError):
        raise_first_error(value, kind)
        raise


def kind_of(number: int) -> Kind:
    """The dtype with this DataType number. Raises StatusError if tensors of it cannot be converted."""
    try:
        return kind_of_number(number)
    except ValueError as error:
        raise invalid_argument(str(error)) from error


def _leaves(value: Any, shape: list[int]) -> list[Any]:
    """The values in the innermost lists, in their order; for one dimension the list itself."""
    if not shape:
        return [value]
    level: list[Any] = value
    for size in shape[1:]:
        inner: list[Any] = []
        for item in level:
            if type(item) is not list or len(item) != size:
                raise _NotATensorError
            inner += item
        level = inner
    return level


def _convert(leaves: list[Any], kind: Kind) -> NDArray[Any]:
    if kind.name == 'DT_STRING':
        items = np.empty(len(leaves), object)
        items[:] = [to_bytes(leaf, kind) for leaf in leaves]
        return items
    # Types, not `isinstance`: a bool is an int in Python, and not a number in JSON.
    types = set(map(type, leaves))
    if kind.name in ('DT_FLOAT', 'DT_DOUBLE'):
        if not types <= {int, float}:
            raise _NotATensorError
        doubles = np.array(leaves, np.float64)
        if any(is_too_big(leaves[index]) for index in np.flatnonzero(np.isinf(doubles))):
            raise too_big_error()
        with np.errstate(over='ignore'):  # 1e39 is infinity as a float, as upstream
            return doubles.astype(kind.dtype)
    allowed = {bool} if kind.name == 'DT_BOOL' else {int} if kind.dtype.kind in 'iu' else set()
    if not types <= allowed:
        raise _NotATensorError
    return np.array(leaves, kind.dtype)


def from_tensor(array: NDArray[Any], as_base64: bool = False) -> list[str]:
    """The values of `array` as JSON texts, in row-major order. Raises StatusError for dtypes such as half."""
    flat = array.ravel()
    name = kind_of_array(array).name
    if name == 'DT_STRING':
        if as_base64:
            return [f'{{"b64": "{base64.b64encode(item).decode()}"}}' for item in flat]
        return [text(item) for item in flat]
    if name in ('DT_FLOAT', 'DT_DOUBLE'):
        return floats(flat)
    if name == 'DT_BOOL':
        return ['true' if item else 'false' for item in flat.tolist()]
    if array.dtype.kind in 'iu':
        return list(map(str, flat.tolist()))
    raise invalid_argument(f'Failed to write JSON value for tensor type: {kind_of_array(array).short_name}')


def nested(array: NDArray[Any], as_base64: bool = False) -> Iterator[str]:
    """`array` as JSON text, in parts. Raises StatusError for dtypes that JSON cannot represent."""
    if not array.ndim or array.size <= _AT_ONCE:
        yield _text_of(array, as_base64)
        return
    yield '['
    size = array.size // len(array)
    step = max(1, _AT_ONCE // size)
    for start in range(0, len(array), step):
        if start:
            yield ', '
        if step == 1 and array.ndim > 1:
            yield from nested(array[start], as_base64)
        else:
            yield ', '.join(rows(array[start : start + step], as_base64))
    yield ']'


def rows(array: NDArray[Any], as_base64: bool = False) -> list[str]:
    """The JSON text of each row of `array`, which has at least one dimension."""
    return _split(from_tensor(array, as_base64), array.shape)


def _text_of(array: NDArray[Any], as_base64: bool) -> str:
    return '[' + ', '.join(rows(array, as_base64)) + ']' if array.ndim else from_tensor(array, as_base64)[0]


def _split(values: list[str], shape: tuple[int, ...]) -> list[str]:
    """The texts of the rows, from those of all values."""
    for axis in range(len(shape) - 1, 0, -1):
        size = shape[axis]
        if size:
            values = ['[' + ', '.join(values[i : i + size]) + ']' for i in range(0, len(values), size)]
        else:
            values = ['[]'] * int(np.prod(shape[:axis], dtype=np.int64))
    return values


def text(item: bytes) -> str:
    """A string as JSON text."""
    return json.dumps(item.decode(*ENCODING), ensure_ascii=False)


def floats(flat: NDArray[Any]) -> list[str]:
    """Floats of one dtype as JSON texts: "%.6g" where that is the same number, else "%.9g" or "%.17g", as upstream."""
    digits = 9 if flat.dtype == np.float32 else 17
    values = flat.tolist()
    texts = [f'{value:.6g}' for value in values]
    if len(values) <= _FEW:  # numpy's conversion of texts takes as long as a hundred of these
        scalar = flat.dtype.type
        return [
            _with_point(text if scalar(float(text)) == value else f'{value:.{digits}g}')
            for text, value in zip(texts, values, strict=True)
        ]
    with np.errstate(over='ignore'):
        same = np.array(texts, np.float64).astype(flat.dtype) == flat
    for index in np.flatnonzero(~same):
        texts[index] = f'{values[index]:.{digits}g}'
    return [_with_point(text) for text in texts]


# Bare tokens, which are not JSON, as upstream writes them.
_SPECIAL = {'nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}


def _with_point(text: str) -> str:
    # Upstream appends `.0`, so that a float never reads as an integer.
    return text if '.' in text or 'e' in text else _SPECIAL.get(text) or text + '.0'
