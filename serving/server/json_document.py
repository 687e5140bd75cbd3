"""The JSON object that a request is: read, shown in errors, and given back."""

import json
import math
from typing import Any

from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.server import json_exact
from vaiven.serving.server.json_exact import CONSTANTS, ENCODING, JsonError, RepeatedKeys
from vaiven.serving.server.json_slices import SLICE_BYTES, parse_fast, parse_large

# What the exact parser may read where it holds others up: about a millisecond.
SMALL_BYTES = 1 << 11
_SHOWN_BYTES = 256
_FREED_AT_ONCE = 1 << 13
_BYTE_ORDER_MARK = b'\xef\xbb\xbf'


class NotAtOnceError(Exception):
    """The text needs the exact parser, and is too long to wait for it."""


def parse(body: bytes, deadline: float | None = None, *, at_once: bool = False) -> dict[str, Any]:
    """The JSON object that `body` starts with; what comes after it is ignored.

    Args:
        body: the text, in UTF-8.
        deadline: on the clock `time.monotonic`; None for no limit.
        at_once: whether somebody waits: for milliseconds at most.

    Raises:
        StatusError: it is not JSON, or not an object; or the deadline passed.
        NotAtOnceError: only with `at_once`.
    """
    if not body:
        raise invalid_argument('JSON Parse error: The document is empty')
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        value = _parse(body, deadline, at_once)
    except JsonError as error:
        raise invalid_argument(f'JSON Parse error: {error.message} at offset: {error.offset}') from None
    except TimeoutError:
        raise StatusError(Code.DEADLINE_EXCEEDED, 'no time was left when the JSON had been read') from None
    if not isinstance(value, dict):
        raise invalid_argument(f'JSON Value: {show(value)} Is not object')
    return value


def _parse(body: bytes, deadline: float | None, at_once: bool) -> Any:
    if len(body) >= SLICE_BYTES:
        return parse_large(body, deadline)
    try:
        return parse_fast(body)
    except (ValueError, RecursionError):
        if at_once and len(body) > SMALL_BYTES:
            raise NotAtOnceError from None
        return json_exact.parse(body, deadline)[0]


def is_too_big(value: float) -> bool:
    """Whether Python's parser read a number beyond the range of a double."""
    return math.isinf(value) and all(value is not constant for constant in CONSTANTS.values())


def is_base64(value: Any) -> bool:
    """Whether `value` is an object with the single key `b64` and a string."""
    return type(value) is dict and len(value) == 1 and isinstance(value.get('b64'), str)


def is_object(value: Any) -> bool:
    """Whether `value` is an object that stands for no string."""
    return isinstance(value, dict) and not is_base64(value)


def members(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """All members of an object as they came, those with one key more than once, too."""
    return value.pairs if isinstance(value, RepeatedKeys) else list(value.items())


def type_name(value: Any) -> str:
    """RapidJSON's name for the type of a value."""
    names = {type(None): 'Null', dict: 'Object', RepeatedKeys: 'Object', str: 'String', list: 'Array'}
    return str(value) if isinstance(value, bool) else names.get(type(value), 'Number')


def show(value: Any) -> str:
    """`value` as JSON for an error message, cut off after about 256 bytes, as the stock server shows it."""
    parts: list[str] = []
    size = 0
    # What is still to write, the next one last: text, or a value with its depth.
    todo: list[str | tuple[Any, int]] = [(value, 0)]
    while todo and size < _SHOWN_BYTES:
        item = todo.pop()
        text = item if isinstance(item, str) else _shown(item[0], item[1], todo)
        parts.append(text)
        size += len(text)
    return ''.join(parts)


def _shown(value: Any, depth: int, todo: list[str | tuple[Any, int]]) -> str:
    """The start of `value`; what follows it is put on `todo`."""
    if isinstance(value, list):
        todo.append(']')
        for item in reversed(value[:_SHOWN_BYTES]):
            todo += [(item, depth + 1), ', ']
        if value:
            todo.pop()
        return '['
    if isinstance(value, dict):
        line = '\n' + '    ' * (depth + 1)
        todo.append('\n' + '    ' * depth + '}' if value else '}')
        for index, (key, item) in reversed(list(enumerate(members(value)[:_SHOWN_BYTES]))):
            start = f'{"," if index else ""}{line}{json.dumps(key, ensure_ascii=False)}: '
            todo += [(item, depth + 1), start]
        return '{'
    return json.dumps(value[:_SHOWN_BYTES] if isinstance(value, str) else value, ensure_ascii=False)


def encoded(text: str) -> bytes:
    """The bytes of a JSON string. Raises StatusError for half of a surrogate pair."""
    try:
        return text.encode(*ENCODING)
    except UnicodeEncodeError:
        raise invalid_argument('JSON Parse error: The surrogate pair in string is invalid.') from None


def release(value: Any) -> None:
    """Empties what `parse` returned, little by little: freeing millions of values at once holds all others up."""
    todo = [value]
    while todo:
        top = todo.pop()
        if isinstance(top, dict):
            todo += [item for _, item in members(top) if isinstance(item, list | dict)]
            top.clear()
            continue
        while top:
            part = top[-_FREED_AT_ONCE:]
            del top[-_FREED_AT_ONCE:]
            if isinstance(part[0], list | dict):
                todo += [item for item in part if isinstance(item, list | dict)]


def release_items(array: NDArray[Any]) -> None:
    """Empties an array of strings in the same way; others are one piece of memory."""
    if array.dtype == object:
        flat = array.ravel()
        for start in range(0, len(flat), _FREED_AT_ONCE):
            flat[start : start + _FREED_AT_ONCE] = None
