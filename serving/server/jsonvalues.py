"""JSON to tensors and back, value for value as TensorFlow Serving's REST API has it.

Read: numbers for floats, integers for integers, strings or `{"b64": …}` for strings, and no mixing; NaN and
the infinities as bare words. Written: floats with six digits where that is the same number, else with all.
"""

import base64
import binascii
import json
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.server.status import StatusError, invalid_argument
from vaiven.serving.wire.dtypes import Kind, kind_of_array, kind_of_number

# Bytes that are not UTF-8 go through unchanged, as in the stock server.
ENCODING = ('utf-8', 'surrogateescape')
# Those that are written so; a number that is too large becomes another object of the same value.
_CONSTANTS = {'NaN': math.nan, 'Infinity': math.inf, '-Infinity': -math.inf}
_DECODER = json.JSONDecoder(parse_constant=_CONSTANTS.__getitem__)
# Never goes back: a string that does not end would take the square of its length.
_STRING_OR_INF = re.compile(r'"(?:[^"\\]++|\\.)*+"?|\bInf\b', re.DOTALL)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object that `body` starts with; what comes after it is ignored. Raises StatusError."""
    text = body.decode(*ENCODING).lstrip(' \t\r\n\ufeff')
    if not text:
        raise invalid_argument('JSON Parse error: The document is empty')
    value = _parse(text)
    if not isinstance(value, dict):
        raise invalid_argument(f'JSON Value: {show(value)} Is not object')
    return value


def _parse(text: str) -> Any:
    try:
        return _DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        if 'Inf' in text:
            spelled = _STRING_OR_INF.sub(lambda m: 'Infinity' if m[0] == 'Inf' else m[0], text)
            if spelled != text:
                return _parse(spelled)
        raise invalid_argument(f'JSON Parse error: {error.msg} at offset: {error.pos}') from None
    except RecursionError:
        raise invalid_argument('JSON Parse error: Terminate parsing due to too deep nesting') from None
    except ValueError:
        raise invalid_argument('JSON Parse error: Number too big to be stored') from None


def show(value: Any, limit: int = 512) -> str:
    """`value` as JSON for an error message, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError, TypeError):
        text = '...'
    return text if len(text) <= limit else text[:limit] + '...'


def is_base64(value: Any) -> bool:
    """Whether `value` is an object with the single key `b64` and a string."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get('b64'), str)


def is_object(value: Any) -> bool:
    """Whether `value` is an object that stands for no string."""
    return isinstance(value, dict) and not is_base64(value)


def to_tensor(value: Any, number: int) -> NDArray[Any]:
    """The array of the dtype with that DataType `number` that nested lists hold.

    Raises:
        StatusError: the lists are ragged or nested unevenly, or a value is not of the dtype.
    """
    kind = kind_of(number)
    leaves, shape = _flatten(value)
    return _leaves(leaves, kind).reshape(shape)


def kind_of(number: int) -> Kind:
    try:
        return kind_of_number(number)
    except ValueError as error:
        raise invalid_argument(str(error)) from error


def _flatten(value: Any) -> tuple[list[Any], list[int]]:
    level: list[Any] = [value]
    shape: list[int] = []
    while level and isinstance(level[0], list):
        size = len(level[0])
        for item in level:
            if not isinstance(item, list):
                raise invalid_argument(
                    f'JSON Value: {show(item)} found at incorrect level: {len(shape) + 1} in the JSON DOM. '
                    f'Expected at level: {len(shape) + _depth(level[0])}'
                )
            if len(item) != size:
                raise invalid_argument(
                    f'Encountered list at unexpected size: {len(item)} at level: {len(shape)} '
                    f'expected size: {size}'
                )
        shape.append(size)
        if len(shape) > 64:
            raise invalid_argument('Encountered list at unexpected level: 64 expected < 64')
        level = [leaf for item in level for leaf in item]
    if any(isinstance(item, list) for item in level):
        raise invalid_argument(f'Encountered list at unexpected level: {len(shape)} expected < {len(shape)}')
    return level, shape


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, list) and value:
        value = value[0]
        depth += 1
    return depth


def _leaves(leaves: list[Any], kind: Kind) -> NDArray[Any]:
    types = set(map(type, leaves))
    if kind.name == 'DT_STRING':
        items = np.empty(len(leaves), object)
        items[:] = [_bytes(leaf, kind) for leaf in leaves]
        return items
    if kind.name in ('DT_FLOAT', 'DT_DOUBLE'):
        _check_types(leaves, types, {int, float}, kind)
        return _floats(leaves, types, kind)
    if kind.name == 'DT_BOOL':
        _check_types(leaves, types, {bool}, kind)
    elif kind.dtype.kind in 'iu':
        _check_types(leaves, types, {int}, kind)
        limits = np.iinfo(kind.dtype)
        if leaves and not (limits.min <= min(leaves) and max(leaves) <= limits.max):
            bad = next(leaf for leaf in leaves if not limits.min <= leaf <= limits.max)
            raise _type_error(bad, kind)
    else:
        raise invalid_argument(f'Conversion of JSON Value to type: {kind.short_name} is not supported')
    return np.array(leaves, kind.dtype)


def _check_types(leaves: list[Any], types: set[type], allowed: set[type], kind: Kind) -> None:
    if not types <= allowed:
        raise _type_error(next(leaf for leaf in leaves if type(leaf) not in allowed), kind)


def _type_error(value: Any, kind: Kind) -> Exception:
    names = {type(None): 'Null', dict: 'Object', str: 'String', list: 'Array'}
    name = str(value) if isinstance(value, bool) else names.get(type(value), 'Number')
    return invalid_argument(
        f'JSON Value: {show(value)} Type: {name} is not of expected type: {kind.short_name}'
    )


def _floats(leaves: list[Any], types: set[type], kind: Kind) -> NDArray[Any]:
    name = 'float' if kind.name == 'DT_FLOAT' else 'double'
    exact = 1 << (np.finfo(kind.dtype).nmant + 1)
    if int in types:
        # An integer beyond 64 bits is a double to the stock server's parser.
        bad = [leaf for leaf in leaves if type(leaf) is int and exact <= abs(leaf) < 1 << 64]
        if bad:
            raise _lossy(bad[0], name)
    try:
        doubles = np.array(leaves, np.float64)
    except OverflowError:
        raise _too_big() from None
    if any(is_too_big(leaves[index]) for index in np.flatnonzero(np.isinf(doubles))):
        raise _too_big()
    with np.errstate(over='ignore'):
        array = doubles.astype(kind.dtype)
    overflow = np.isinf(array) & np.isfinite(doubles)
    if overflow.any():
        raise _lossy(leaves[int(np.argmax(overflow))], name)
    return array


def is_too_big(value: float) -> bool:
    """Whether `parse` read a number beyond the range of a double."""
    return math.isinf(value) and all(value is not constant for constant in _CONSTANTS.values())


def _too_big() -> StatusError:
    return invalid_argument('JSON Parse error: Number too big to be stored in double.')


def _lossy(value: Any, name: str) -> Exception:
    return invalid_argument(f'Cannot convert JSON value: {show(value)} to {name} without loss of precision.')


def _bytes(value: Any, kind: Kind) -> bytes:
    if isinstance(value, str):
        return encoded(value)
    if isinstance(value, dict):
        if not is_base64(value):
            raise invalid_argument(f'JSON Value: {show(value)} not formatted correctly for base64 data')
        return decoded(value['b64'])
    raise _type_error(value, kind)


def encoded(text: str) -> bytes:
    """The bytes of a JSON string. Raises StatusError for half of a surrogate pair."""
    try:
        return text.encode(*ENCODING)
    except UnicodeEncodeError:
        raise invalid_argument('JSON Parse error: The surrogate pair in string is invalid.') from None


def decoded(text: str) -> bytes:
    """The bytes in a base64 string, padded or not. Raises StatusError."""
    try:
        return base64.b64decode(text + '=' * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument('Unable to base64 decode') from None


def from_tensor(array: NDArray[Any], as_base64: bool = False) -> list[str]:
    """Every value of `array` as JSON text, row by row. Raises StatusError for complex, half and the like."""
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


def text(item: bytes) -> str:
    return json.dumps(item.decode(*ENCODING), ensure_ascii=False)


def floats(flat: NDArray[Any]) -> list[str]:
    """Numbers of one float dtype as text: six digits if they say it all, else as many as it takes."""
    digits = 9 if flat.dtype == np.float32 else 17
    values = flat.tolist()
    texts = [f'{value:.6g}' for value in values]
    with np.errstate(over='ignore'):
        same = np.array(texts, np.float64).astype(flat.dtype) == flat
    for index in np.flatnonzero(~same):
        texts[index] = f'{values[index]:.{digits}g}'
    return [_with_point(text) for text in texts]


_SPECIAL = {'nan': 'NaN', 'inf': 'Infinity', '-inf': '-Infinity'}


def _with_point(text: str) -> str:
    return text if '.' in text or 'e' in text else _SPECIAL.get(text) or text + '.0'
