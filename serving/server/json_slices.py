"""A parser for large JSON texts, which reads them in slices and lets other threads run between them.

Python's parser holds the interpreter lock until its end: half a second for 50 MB, in which the server answers nothing.
A slice takes about a millisecond.
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
# Half a surrogate pair, which RapidJSON rejects and Python accepts. It also matches some complete pairs after an
# escaped backslash: the exact parser then decides.
_HALF_PAIR = re.compile(
    rb'\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2}(?<!\\u[dD][89abAB]..\\u....))',
    re.DOTALL,
)
# Constants with another spelling in Python, outside of strings. Possessive: a string without end would otherwise take
# quadratic time.
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]++|\\.)*+"?|-?\bInf\b|-NaN\b', re.DOTALL)
_RESPELLED = {'Inf': 'Infinity', '-Inf': '-Infinity', '-NaN': 'NaN'}
_DECODER = json.JSONDecoder(parse_constant=CONSTANTS.__getitem__, object_pairs_hook=as_object)


def parse_fast(data: bytes) -> Any:
    """The first value in `data`, read by Python's parser. Raises ValueError or RecursionError where it may be wrong."""
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
    """The first value in `data`, equal to the result of `json_exact.parse`.

    Args:
        data: JSON text; bytes after the first value are not read.
        deadline: on the clock `time.monotonic`; None for no limit.

    Raises:
        JsonError: the text is not JSON.
        TimeoutError: the deadline passed.
    """
    return _Slices(data, deadline).value()


class _Slices:
    """Reads one text in slices. Its methods raise JsonError and TimeoutError."""

    def __init__(self, data: bytes, deadline: float | None) -> None:
        self._data = data
        self._deadline = deadline
        self._parser = Parser(data, deadline)
        # Open containers: their items so far, and whether they are objects.
        self._stack: list[tuple[list[Any], bool]] = []
        self._keys: list[str] = []  # of the members whose values are open

    def value(self) -> Any:
        """The first value of the text."""
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
        """Adds a value to the innermost container and reads the delimiter. Returns whether that ends the container."""
        items, is_object = self._stack[-1]
        items.append((self._keys.pop(), value) if is_object else value)
        delimiter = self._parser.peek()
        if delimiter not in (b',', b'}' if is_object else b']'):
            raise unclosed(is_object, self._parser.at)
        self._parser.at += 1
        return delimiter != b','

    def _slice(self) -> bool:
        """Reads a slice of items of the innermost container. Returns whether the container ended."""
        time.sleep(_PAUSE_SECONDS)  # hands the interpreter lock to the event loop
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeoutError
        parser, start = self._parser, self._parser.at
        items, is_object = self._stack[-1]
        window = self._data[start : start + SLICE_BYTES]
        cut, closes, depths, comma_depths = _last_boundary(window)
        if cut < 0:
            return self._open_large_item(depths, comma_depths)
        chunk = window[:cut]
        ended = closes and window[cut : cut + 1] == (b'}' if is_object else b']')
        if chunk.strip(b' \t\r\n'):
            items += self._parsed(chunk, start, is_object)
        elif items or not ended:  # a comma without an item before or after it
            raise JsonError(
                'Missing a name for object member.' if is_object else 'Invalid value.', start + cut
            )
        if closes and not ended:
            raise unclosed(is_object, start + cut)
        parser.at = start + cut + 1
        return closes

    def _open_large_item(self, depths: Any, comma_depths: set[int]) -> bool:
        """Opens or reads an item that does not end in the window. Returns whether that ended the container.

        Args:
            depths: depth of nesting after each byte of the window.
            comma_depths: the depths at which the window has commas.
        """
        parser = self._parser
        start = parser.at
        lowest = np.minimum.accumulate(depths[::-1])[::-1]  # the minimum depth from each byte on
        level = 0
        while True:
            if self._stack[-1][1]:
                self._keys.append(parser.key())
            if parser.peek() not in (b'[', b'{'):
                return self._append(parser.scalar())
            self._open()
            level += 1
            offset = parser.at - start
            # Opens nested containers in one step, as long as the window completes no item in them: otherwise a text of
            # `[[[[…` would take a window for each level.
            if offset >= len(depths) or lowest[offset] < level or level in comma_depths:
                return False

    def _parsed(self, chunk: bytes, start: int, is_object: bool) -> list[Any]:
        # The items as a container of their own, which Python's parser can read.
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


def _last_boundary(window: bytes) -> tuple[int, bool, Any, set[int]]:
    """Finds the end of the complete items in a window of the text of a container.

    Args:
        window: bytes from the start of an item.

    Returns:
        The offset after the last complete item (−1 for none), whether the container itself ends there, the depth of
        nesting after each byte, and the depths at which there are commas (empty unless the offset is −1).
    """
    codes = np.frombuffer(window, np.uint8)
    depths = _DEPTH[codes]
    commas = codes == ord(',')
    if b'"' in window:
        # numpy looks at all bytes at once; a loop in Python would take longer than the parser.
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
    """For each byte, whether it is a backslash that escapes the next byte: the odd ones of a run of backslashes."""
    backslashes = codes == ord('\\')
    places = np.arange(len(codes))
    last_other = np.maximum.accumulate(np.where(backslashes, -1, places))
    return backslashes & ((places - last_other) % 2 == 1)
