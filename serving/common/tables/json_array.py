"""Rows of a `.json` file that holds one array of objects, which is read object by object."""

import json
import re
from collections.abc import Iterator

from vaiven.serving.common.tables.blocks import Blocks
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.lines import too_large
from vaiven.serving.common.tables.objects import Objects, decode_first
from vaiven.serving.common.tables.options import Options
from vaiven.serving.common.tables.running import text_blocks
from vaiven.serving.common.tables.values import Record

_RULE = 'a .json file holds one array of objects, as [{"text": "A moving film", "label": 1}, …], or one object a line'
_SPACE = re.compile(r'[ \t\r\n]*')
# Used text is dropped this many characters at a time.
_DROP = 1 << 16


def array_rows(blocks: Blocks, options: Options) -> Iterator[Record]:
    """Each object of the array.

    Raises:
        TableError: it is not such an array, or an object is larger than a row may be.
    """
    objects = Objects(options)
    text = _Text(blocks, options)
    text.skip('[')
    number = 0
    while not text.ends():
        if number:
            text.skip(',')
        number += 1
        where = f'{blocks.name}, object {number}'
        yield objects.record(text.value(where), where, _RULE)


class _Text:
    """What has been read and not used."""

    def __init__(self, blocks: Blocks, options: Options) -> None:
        self._name, self._options = blocks.name, options
        self._blocks = text_blocks(blocks, options)
        self._buffer, self._place = '', 0

    def value(self, where: str) -> object:
        """The next value."""
        self._next()
        wanted = 0
        limit = self._options.max_row_bytes
        while True:
            size = len(self._buffer) - self._place
            try:
                value, end = decode_first(self._buffer, self._place)
            except json.JSONDecodeError as error:
                problem = f'{error.msg} at character {error.pos - self._place + 1} of it'
            except (ValueError, RecursionError) as error:
                raise TableError(f'{where}: not JSON that can be read ({error}); {_RULE}') from None
            else:
                if end - self._place > limit:
                    raise too_large(where, limit, self._options.remedies)
                self._place = end
                return value
            if size > limit:
                raise too_large(where, limit, self._options.remedies)
            # Half as much again each time, so that a long object is not read over and over.
            wanted = max(wanted, size + size // 2 + 1)
            while len(self._buffer) - self._place < wanted:
                if not self._read():
                    if size == len(self._buffer) - self._place:
                        raise TableError(f'{where}: not JSON ({problem}); {_RULE}')
                    break

    def skip(self, mark: str) -> None:
        if self._next() != mark:
            raise TableError(f'{self._name}: {mark!r} is missing before {self._shown()}; {_RULE}')
        self._place += 1

    def ends(self) -> bool:
        """Whether the array ends here. Raises TableError where something follows it, or it never ends."""
        character = self._next()
        if not character:
            raise TableError(f'{self._name}: the array is never closed; {_RULE}')
        if character != ']':
            return False
        self._place += 1
        if self._next():
            raise TableError(f'{self._name}: {self._shown()} follows the array; {_RULE}')
        return True

    def _next(self) -> str:
        """The next character that is not white space; '' at the end."""
        while True:
            match = _SPACE.match(self._buffer, self._place)
            self._place = match.end() if match else self._place
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if not self._read():
                return ''

    def _read(self) -> bool:
        piece = next(self._blocks, None)
        if piece is None:
            return False
        if self._place > _DROP:
            self._buffer, self._place = self._buffer[self._place :], 0
        self._buffer += piece
        return True

    def _shown(self) -> str:
        return repr(self._buffer[self._place : self._place + 20])
