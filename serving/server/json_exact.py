"""A JSON parser that accepts and rejects the same texts as RapidJSON, the stock server's parser.

It has no depth limit, reads `NaN`, `Inf` and `Infinity`, and has RapidJSON's error messages. It is about twenty times
slower than Python's parser, so it reads only texts that Python's parser rejects.
"""

import json
import math
import re
import time
from typing import Any

# Bytes that are not UTF-8 pass through unchanged, as in the stock server.
ENCODING = ('utf-8', 'surrogateescape')
_SPACE = re.compile(rb'[ \t\r\n]*+')
# Characters and complete escape sequences. The group is not possessive: with Python 3.11 a possessive one keeps half of
# an alternative that fails.
_RUN = re.compile(
    rb"""(?:[^"\\\x00-\x1f]++ | \\["\\/bfnrt] | \\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}
    | \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*""",
    re.VERBOSE,
)
_NUMBER = re.compile(rb'-?(?P<int>0|[1-9][0-9]*+)(?P<fraction>\.[0-9]*+)?(?P<exponent>[eE][+-]?[0-9]*+)?')
_CONSTANT = re.compile(rb'true|false|null|-?NaN|-?Infinity|-?Inf(?!i)')
_HEX = re.compile(rb'[0-9a-fA-F]{4}')
# Compared by identity: another infinity was a number beyond the range of a double.
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
_CHUNK_BYTES = 1 << 16  # of a string or white space; a match holds the interpreter lock for its whole length
_CHECK_EVERY = 1 << 14  # values between two checks of the deadline


class JsonError(Exception):
    """The text is not JSON.

    Attributes:
        message: RapidJSON's message.
        offset: the byte at which it stops.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class RepeatedKeys(dict[str, Any]):
    """An object with equal keys. The dict has the first value of each key; `pairs` has all members."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The dict of an object's members. As in RapidJSON's look-ups, the first of equal keys counts."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else RepeatedKeys(pairs)


def unclosed(is_object: bool, offset: int) -> JsonError:
    """The error for an array or object without comma or end at `offset`."""
    missing = 'a comma or } after an object member' if is_object else 'a comma or ] after an array element'
    return JsonError(f'Missing {missing}.', offset)


def parse(data: bytes, deadline: float | None = None) -> tuple[Any, int]:
    """The first value in `data`, and the offset of its end.

    Args:
        data: JSON text; bytes after the first value are not read.
        deadline: on the clock `time.monotonic`; None for no limit.

    Raises:
        JsonError: the text is not JSON.
        TimeoutError: the deadline passed.
    """
    parser = Parser(data, deadline)
    return parser.value(), parser.at


class Parser:
    """Reads one text from the offset `at`, and advances it. Methods raise JsonError and TimeoutError."""

    def __init__(self, data: bytes, deadline: float | None = None) -> None:
        self._data = data
        self.at = 0
        self._deadline = deadline
        self._count = 0

    def value(self) -> Any:
        """The next value of any type."""
        # Open containers: their items so far, and whether they are objects. The keys of open members are in `keys`.
        # Not by recursion: RapidJSON has no depth limit, and Python's recursion has one.
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
        """The next value; `_OPEN` at the start of a container with items."""
        self._check_deadline()
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
        """After an item: `_OPEN` if another one follows, else the complete container."""
        items, is_object = stack[-1]
        delimiter = self.peek()
        if delimiter == b',':
            self.at += 1
            if is_object:
                keys.append(self.key())
            return _OPEN
        if delimiter == (b'}' if is_object else b']'):
            self.at += 1
            stack.pop()
            return as_object(items) if is_object else items
        raise unclosed(is_object, self.at)

    def key(self) -> str:
        """The key of a member; the colon after it is read, too."""
        if self.peek() != b'"':
            raise JsonError('Missing a name for object member.', self.at)
        key = self._string()
        if self.peek() != b':':
            raise JsonError('Missing a colon after a name of object member.', self.at)
        self.at += 1
        return key

    def peek(self) -> bytes:
        """The next byte that is not white space, b'' at the end. Advances `at` to it."""
        while True:
            match = _SPACE.match(self._data, self.at, self.at + _CHUNK_BYTES)
            assert match is not None
            self.at = match.end()
            if len(match[0]) < _CHUNK_BYTES:
                return self._data[self.at : self.at + 1]

    def _check_deadline(self) -> None:
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
        # RapidJSON reads integers that fit in 64 bits, signed or unsigned, and all other numbers as doubles.
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
            match = _RUN.match(self._data, at, at + _CHUNK_BYTES)
            assert match is not None
            run = match[0]
            # A run may end inside a character. `surrogateescape` carries the half through Python's parser unchanged.
            parts.append(_unescaped(run) if b'\\' in run else run)
            at = match.end()
            if run:
                self._check_deadline()
                continue
            delimiter = self._data[at : at + 1]
            if delimiter == b'"':
                self.at = at + 1
                return b''.join(parts).decode(*ENCODING)
            if delimiter in (b'', b'\0'):
                raise JsonError('Missing a closing quotation mark in string.', at)
            raise self._string_error(at)

    def _string_error(self, at: int) -> JsonError:
        """The error for the character or the escape sequence at `at`."""
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
