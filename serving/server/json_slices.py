"""A large JSON text, parsed in slices between which other threads get their turn.

Python's parser holds the interpreter until it is through: half a second for 50 MB, in which nothing else is answered.
A slice takes it about a millisecond.
"""

import json
import re
import time
from typing import Any

import numpy as np

from vaiven.serving.server.json_exact import (
    CONSTANTS,
    ENCODING,
    JsonError,
    Parser,
    RepeatedKeys,
    as_object,
    parse,
    unclosed,
)

SLICE_BYTES = 1 << 16
_PAUSE_SECONDS = 0.0002
_DEPTH = np.zeros(256, np.int8)
_DEPTH[list(b'[{')] = 1
_DEPTH[list(b']}')] = -1
# Half of a surrogate pair, and now and then a whole one behind an escaped backslash: worth an exact look.
_HALF_PAIR = re.compile(
    rb'\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2}(?<!\\u[dD][89abAB]..\\u....))',
    re.DOTALL,
)
# Those that Python writes otherwise. Never goes back: a string that does not end would take the square of its length.
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]++|\\.)*+"?|-?\bInf\b|-NaN\b', re.DOTALL)
_RESPELLED = {'Inf': 'Infinity', '-Inf': '-Infinity', '-NaN': 'NaN'}
_DECODER = json.JSONDecoder(parse_constant=CONSTANTS.__getitem__, object_pairs_hook=as_object)


def parse_fast(data: bytes) -> Any:
    """The value that `data` starts with, by Python's parser. Raises ValueError or RecursionError where it is unsure."""
    if b'\\u' in data and _HALF_PAIR.search(data):
        raise ValueError('half a surrogate pair')
    text = data.decode(*ENCODING).lstrip(' \t\r\n')
    try:
        return _DECODER.raw_decode(text)[0]
    except ValueError:
        respelled = _STRING_OR_CONSTANT.sub(lambda match: _RESPELLED.get(match[0], match[0]), text)
        if respelled == text:
            raise
        return _DECODER.raw_decode(respelled)[0]


def parse_large(data: bytes, deadline: float | None = None) -> Any:
    """The value that `data` starts with, as `json_exact.parse` has it.

    Args:
        data: JSON text; what follows the first value is not read.
        deadline: on the clock `time.monotonic`; None for no limit.

    Raises:
        JsonError: the text is not JSON.
        TimeoutError: the deadline passed.
    """
    return _Slices(data, deadline).value()


class _Slices:
    def __init__(self, data: bytes, deadline: float | None) -> None:
        self._data = data
        self._deadline = deadline
        self._parser = Parser(data, deadline)
        # What is open: the elements or members so far.
        self._stack: list[tuple[list[Any], bool]] = []
        self._keys: list[str] = []  # of members whose value is open

    def value(self) -> Any:
        if self._parser.peek() not in (b'[', b'{'):
            return self._parser.value()
        self._open()
        while True:
            done = self._slice()
            while done:
                closed = self._close()
                if not self._stack:
                    return closed
                done = self._append(closed)

    def _open(self) -> None:
        self._stack.append(([], self._parser.peek() == b'{'))
        self._parser.at += 1

    def _close(self) -> Any:
        items, is_object = self._stack.pop()
        return as_object(items) if is_object else items

    def _append(self, value: Any) -> bool:
        """Adds one value to what is open, and reads what follows it: whether that closes the container."""
        items, is_object = self._stack[-1]
        items.append((self._keys.pop(), value) if is_object else value)
        mark = self._parser.peek()
        if mark not in (b',', b'}' if is_object else b']'):
            raise unclosed(is_object, self._parser.at)
        self._parser.at += 1
        return mark != b','

    def _slice(self) -> bool:
        """Reads elements or members of the innermost container: whether it ended."""
        time.sleep(_PAUSE_SECONDS)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeoutError
        parser, start = self._parser, self._parser.at
        items, is_object = self._stack[-1]
        window = self._data[start : start + SLICE_BYTES]
        cut, closes, depths, comma_depths = _cut(window)
        if cut < 0:
            return self._one_that_is_large(depths, comma_depths)
        chunk = window[:cut]
        ended = closes and window[cut : cut + 1] == (b'}' if is_object else b']')
        if chunk.strip(b' \t\r\n'):
            items += self._parsed(chunk, start, is_object)
        elif items or not ended:  # a comma with nothing behind it, or before it
            raise JsonError(
                'Missing a name for object member.' if is_object else 'Invalid value.', start + cut
            )
        if closes and not ended:
            raise unclosed(is_object, start + cut)
        parser.at = start + cut + 1
        return closes

    def _one_that_is_large(self, depths: Any, comma_depths: set[int]) -> bool:
        """Opens or reads an element or a member that does not end in the window: whether it closed the container."""
        parser = self._parser
        start = parser.at
        lowest = np.minimum.accumulate(depths[::-1])[::-1]  # depth from each place on
        level = 0
        while True:
            if self._stack[-1][1]:
                self._keys.append(parser.key())
            if parser.peek() not in (b'[', b'{'):
                return self._append(parser.scalar())
            self._open()
            level += 1
            offset = parser.at - start
            # Of containers in one another, all in which nothing is complete in the window, at once.
            if offset >= len(depths) or lowest[offset] < level or level in comma_depths:
                return False

    def _parsed(self, chunk: bytes, start: int, is_object: bool) -> list[Any]:
        text = b'{%b}' % chunk if is_object else b'[%b]' % chunk
        try:
            value = parse_fast(text)
        except (ValueError, RecursionError):
            try:
                value, _ = parse(text, self._deadline)
            except JsonError as error:
                raise JsonError(error.message, start + error.offset - 1) from None
        if not is_object:
            items: list[Any] = value
            return items
        return value.pairs if isinstance(value, RepeatedKeys) else list(value.items())


def _cut(window: bytes) -> tuple[int, bool, Any, set[int]]:
    """Where complete elements end in the text of a container, and whether it ends there itself.

    The place is -1 where not even one element is complete; then the depth at each place counts, and the depths that
    commas have.
    """
    codes = np.frombuffer(window, np.uint8)
    depths = _DEPTH[codes]
    commas = codes == ord(',')
    if b'"' in window:
        quotes = codes == ord('"')
        if b'\\' in window:
            quotes[1:] &= ~_escaping(codes)[:-1]
        inside = np.cumsum(quotes, dtype=np.int32) & 1 == 1
        depths[inside] = 0
        commas &= ~inside
    depths = np.cumsum(depths, dtype=np.int32)
    ends = np.flatnonzero(depths < 0)
    if len(ends):
        return int(ends[0]), True, depths, set()
    cuts = np.flatnonzero(commas & (depths == 0))
    if len(cuts):
        return int(cuts[-1]), False, depths, set()
    return -1, False, depths, set(np.unique(depths[commas]).tolist())


def _escaping(codes: Any) -> Any:
    """Whether each byte is a backslash that escapes the next one: the odd ones of a row."""
    backslashes = codes == ord('\\')
    places = np.arange(len(codes))
    last_other = np.maximum.accumulate(np.where(backslashes, -1, places))
    return backslashes & ((places - last_other) % 2 == 1)
