"""The JSON object of a request: how it is parsed, printed in errors, and freed."""

import json
import math
from typing import Any

from numpy.typing import NDArray

from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.server import json_exact
from vaiven.serving.server.json_exact import CONSTANTS, ENCODING, JsonError, RepeatedKeys
from vaiven.serving.server.json_slices import SLICE_BYTES, parse_fast, parse_large

# The exact parser takes about a millisecond for this, and may do so in the event loop.
SMALL_BYTES = 1 << 11
_SHOWN_BYTES = 256
_FREED_AT_ONCE = 1 << 13
_BYTE_ORDER_MARK = b'\xef\xbb\xbf'


class NeedsWorkerError(Exception):
    """The text needs the exact parser, and is too long for the event loop."""


def parse(body: bytes, deadline: float | None = None, *, in_event_loop: bool = False) -> dict[str, Any]:
    """The JSON object at the start of `body`. As upstream, further bytes are ignored (kParseStopWhenDoneFlag).

    Args:
        body: the text, in UTF-8.
        deadline: on the clock `time.monotonic`; None for no limit.
        in_event_loop: whether it is called there, and may take milliseconds at most.

    Raises:
        StatusError: it is not JSON or not an object, or the deadline passed.
        NeedsWorkerError: only with `in_event_loop`.
    """
    if not body:
        raise invalid_argument('JSON Parse error: The document is empty')
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        value = _parse(body, deadline, in_event_loop)
    except JsonError as error:
        raise invalid_argument(f'JSON Parse error: {error.message} at offset: {error.offset}') from None
    except TimeoutError:
        raise StatusError(Code.DEADLINE_EXCEEDED, 'no time was left when the JSON had been read') from None
    if not isinstance(value, dict):
        raise invalid_argument(f'JSON Value: {show(value)} Is not object')
    return value


def _parse(body: bytes, deadline: float | None, in_event_loop: bool) -> Any:
    if len(body) >= SLICE_BYTES:
        return parse_large(body, deadline)
    try:
        return parse_fast(body)
    except (ValueError, RecursionError):
        if in_event_loop and len(body) > SMALL_BYTES:
            raise NeedsWorkerError from None
        return json_exact.parse(body, deadline)[0]


def is_too_big(value: float) -> bool:
    """Whether Python's parser read a number beyond the range of a double: then it is infinite, but not a constant."""
    return math.isinf(value) and all(value is not constant for constant in CONSTANTS.values())


def is_base64(value: Any) -> bool:
    """Whether `value` is an object whose only key is `b64`, with a string."""
    return type(value) is dict and len(value) == 1 and isinstance(value.get('b64'), str)


def is_object(value: Any) -> bool:
    """Whether `value` is an object, and not a `{"b64": …}` string."""
    return isinstance(value, dict) and not is_base64(value)


def members(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """All members of an object in their order, including those with equal keys."""
    return value.pairs if isinstance(value, RepeatedKeys) else list(value.items())


def type_name(value: Any) -> str:
    """RapidJSON's name for the type of a value."""
    names = {type(None): 'Null', dict: 'Object', RepeatedKeys: 'Object', str: 'String', list: 'Array'}
    return str(value) if isinstance(value, bool) else names.get(type(value), 'Number')


def show(value: Any) -> str:
    """`value` as JSON for an error message, truncated after about 256 bytes, as the stock server prints it."""
    parts: list[str] = []
    size = 0
    # Text, or a value with its depth; the next one is last. Not by recursion: a client may send any depth.
    stack: list[str | tuple[Any, int]] = [(value, 0)]
    while stack and size < _SHOWN_BYTES:
        item = stack.pop()
        text = item if isinstance(item, str) else _shown(item[0], item[1], stack)
        parts.append(text)
        size += len(text)
    return ''.join(parts)


def _shown(value: Any, depth: int, stack: list[str | tuple[Any, int]]) -> str:
    """The first text of `value`; the rest is pushed on `stack`."""
    if isinstance(value, list):
        stack.append(']')
        for item in reversed(value[:_SHOWN_BYTES]):
            stack += [(item, depth + 1), ', ']
        if value:
            stack.pop()  # no comma before the first item
        return '['
    if isinstance(value, dict):
        line = '\n' + '    ' * (depth + 1)
        stack.append('\n' + '    ' * depth + '}' if value else '}')
        for index, (key, item) in reversed(list(enumerate(members(value)[:_SHOWN_BYTES]))):
            start = f'{"," if index else ""}{line}{json.dumps(key, ensure_ascii=False)}: '
            stack += [(item, depth + 1), start]
        return '{'
    return json.dumps(value[:_SHOWN_BYTES] if isinstance(value, str) else value, ensure_ascii=False)


def encode_text(text: str) -> bytes:
    """The bytes of a JSON string. Raises StatusError for half a surrogate pair."""
    try:
        return text.encode(*ENCODING)
    except UnicodeEncodeError:
        raise invalid_argument('JSON Parse error: The surrogate pair in string is invalid.') from None


def release(value: Any) -> None:
    """Empties the result of `parse` step by step.

    Freeing millions of values at once holds the interpreter lock for a fifth of a second; in steps, other threads run.
    """
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, dict):
            stack += [item for _, item in members(top) if isinstance(item, list | dict)]
            top.clear()
            continue
        while top:
            part = top[-_FREED_AT_ONCE:]
            del top[-_FREED_AT_ONCE:]
            if isinstance(part[0], list | dict):
                stack += [item for item in part if isinstance(item, list | dict)]


def release_items(array: NDArray[Any]) -> None:
    """Empties an array of strings step by step. Arrays of other dtypes are one block of memory."""
    if array.dtype == object:
        flat = array.ravel()
        for start in range(0, len(flat), _FREED_AT_ONCE):
            flat[start : start + _FREED_AT_ONCE] = None
