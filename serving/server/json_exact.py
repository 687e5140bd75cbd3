"""A JSON parser that accepts, refuses and explains what RapidJSON, the stock server's parser, does.

It has no limit of depth, knows `NaN`, `Inf` and `Infinity`, and says what is wrong in RapidJSON's words. It is about
twenty times slower than Python's own, so it only reads what that one could not.
"""

import json
import math
import re
import time
from typing import Any

# Bytes that are not UTF-8 go through unchanged, as in the stock server.
ENCODING = ('utf-8', 'surrogateescape')
_SPACE = re.compile(rb'[ \t\r\n]*+')
# Characters and whole escape sequences. Not possessive: Python 3.11 then keeps half of an alternative that fails.
_RUN = re.compile(
    rb"""(?:[^"\\\x00-\x1f]++ | \\["\\/bfnrt] | \\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}
    | \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*""",
    re.VERBOSE,
)
_NUMBER = re.compile(rb'-?(?P<int>0|[1-9][0-9]*+)(?P<fraction>\.[0-9]*+)?(?P<exponent>[eE][+-]?[0-9]*+)?')
_CONSTANT = re.compile(rb'true|false|null|-?NaN|-?Infinity|-?Inf(?!i)')
_HEX = re.compile(rb'[0-9a-fA-F]{4}')
# These very objects: an infinity that is none of them was a number beyond the range.
CONSTANTS = {'NaN': math.nan, 'Infinity': math.inf, '-Infinity': -math.inf}
_CONSTANTS = {
    b'true': True,
    b'false': False,
    b'null': None,
    b'NaN': math.nan,
    b'-NaN': math.nan,
    b'Infinity': CONSTANTS['Infinity'],
    b'Inf': CONSTANTS['Infinity'],
    b'-Infinity': CONSTANTS['-Infinity'],
    b'-Inf': CONSTANTS['-Infinity'],
}
UINT64 = (1 << 64) - 1
INT64_MIN = -(1 << 63)
_OPEN: Any = object()
_PIECE = 1 << 16  # bytes of a string or of white space read at once: the interpreter is held so long
_CHECK_EVERY = 1 << 14  # values between two looks at the clock


class JsonError(Exception):
    """Text that is not JSON: RapidJSON's message, and the offset of the byte where it stops."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class RepeatedKeys(dict[str, Any]):
    """An object in which a key occurs more than once: the first value of each key, and all members in `pairs`."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The dict of the members of an object. As in RapidJSON's lookups, the first of equal keys counts."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else RepeatedKeys(pairs)


def unclosed(is_object: bool, offset: int) -> JsonError:
    """The error for a container that neither continues nor ends."""
    missing = 'a comma or } after an object member' if is_object else 'a comma or ] after an array element'
    return JsonError(f'Missing {missing}.', offset)


def parse(data: bytes, deadline: float | None = None) -> tuple[Any, int]:
    """The value that `data` starts with, and the offset of its end.

    Args:
        data: JSON text; what follows the first value is not read.
        deadline: on the clock `time.monotonic`; None for no limit.

    Raises:
        JsonError: the text is not JSON.
        TimeoutError: the deadline passed.
    """
    parser = Parser(data, deadline)
    return parser.value(), parser.at


class Parser:
    """Reads one text from the offset `at` on, which it moves. Methods raise JsonError and TimeoutError."""

    def __init__(self, data: bytes, deadline: float | None = None) -> None:
        self._data = data
        self.at = 0
        self._deadline = deadline
        self._count = 0

    def value(self) -> Any:
        """The next value, whatever it is."""
        # Each open container: what it holds so far, and for an object the key that waits for its value.
        stack: list[tuple[list[Any], bool]] = []
        keys: list[str] = []
        if self.peek() in (b'', b'\0', b']', b'}', b':', b','):
            raise JsonError('The document is empty.', self.at)
        while True:
            item = self._scalar_or_open(stack, keys)
            while item is not _OPEN:
                if not stack:
                    return item
                items, is_object = stack[-1]
                items.append((keys.pop(), item) if is_object else item)
                item = self._next_or_close(stack, keys)

    def _scalar_or_open(self, stack: list[tuple[list[Any], bool]], keys: list[str]) -> Any:
        """The next value; `_OPEN` after the start of a container that is not empty."""
        self._look_at_clock()
        first = self.peek()
        if first == b'[':
            self.at += 1
            if self.peek() == b']':
                self.at += 1
                return []
            stack.append(([], False))
            return _OPEN
        if first == b'{':
            self.at += 1
            if self.peek() == b'}':
                self.at += 1
                return {}
            stack.append(([], True))
            keys.append(self.key())
            return _OPEN
        return self.scalar()

    def scalar(self) -> Any:
        """The string, number or constant at `at`."""
        return self._string() if self.peek() == b'"' else self._number_or_constant()

    def _next_or_close(self, stack: list[tuple[list[Any], bool]], keys: list[str]) -> Any:
        """What follows a member or an element: `_OPEN` if another, else the container itself."""
        items, is_object = stack[-1]
        mark = self.peek()
        if mark == b',':
            self.at += 1
            if is_object:
                keys.append(self.key())
            return _OPEN
        if mark == (b'}' if is_object else b']'):
            self.at += 1
            stack.pop()
            return as_object(items) if is_object else items
        raise unclosed(is_object, self.at)

    def key(self) -> str:
        """The name of a member, and the colon after it."""
        if self.peek() != b'"':
            raise JsonError('Missing a name for object member.', self.at)
        key = self._string()
        if self.peek() != b':':
            raise JsonError('Missing a colon after a name of object member.', self.at)
        self.at += 1
        return key

    def peek(self) -> bytes:
        """The next byte that is not white space, b'' at the end; `at` is moved there."""
        while True:
            match = _SPACE.match(self._data, self.at, self.at + _PIECE)
            assert match is not None
            self.at = match.end()
            if len(match[0]) < _PIECE:
                return self._data[self.at : self.at + 1]

    def _look_at_clock(self) -> None:
        self._count += 1
        if (
            self._deadline is not None
            and not self._count % _CHECK_EVERY
            and time.monotonic() > self._deadline
        ):
            raise TimeoutError

    def _number_or_constant(self) -> Any:
        match = _CONSTANT.match(self._data, self.at)
        if match:
            self.at = match.end()
            return _CONSTANTS[match[0]]
        match = _NUMBER.match(self._data, self.at)
        if not match:
            raise JsonError('Invalid value.', self.at)
        if match['fraction'] == b'.':
            raise JsonError('Miss fraction part in number.', match.end('fraction'))
        if match['exponent'] is not None and not match['exponent'][-1:].isdigit():
            raise JsonError('Miss exponent in number.', match.end())
        if match['fraction'] is None and match['exponent'] is None and len(match['int']) <= 20:
            number = int(match[0])
            if INT64_MIN <= number <= UINT64:
                self.at = match.end()
                return number
        double = float(match[0])
        if math.isinf(double):
            raise JsonError('Number too big to be stored in double.', self.at)
        self.at = match.end()
        return double

    def _string(self) -> str:
        parts = []
        at = self.at + 1
        while True:
            match = _RUN.match(self._data, at, at + _PIECE)
            assert match is not None
            run = match[0]
            # By Python's parser, which may get half a character: it comes out as it went in.
            parts.append(_unescaped(run) if b'\\' in run else run)
            at = match.end()
            if run:
                self._look_at_clock()
                continue
            mark = self._data[at : at + 1]
            if mark == b'"':
                self.at = at + 1
                return b''.join(parts).decode(*ENCODING)
            if mark in (b'', b'\0'):
                raise JsonError('Missing a closing quotation mark in string.', at)
            raise self._string_error(at)

    def _string_error(self, at: int) -> JsonError:
        """What is wrong with the character or the escape sequence at `at`."""
        if self._data[at : at + 1] != b'\\':
            return JsonError('Invalid encoding in string.', at)
        if self._data[at + 1 : at + 2] != b'u':
            return JsonError('Invalid escape character in string.', at)
        if not _HEX.match(self._data, at + 2):
            return JsonError('Incorrect hex digit after \\u escape in string.', at)
        return JsonError('The surrogate pair in string is invalid.', at)


def _unescaped(run: bytes) -> bytes:
    text: str = json.loads('"' + run.decode(*ENCODING) + '"')
    return text.encode(*ENCODING)
