"""Detects unclosed quotation marks, which merge the rows after them into one field."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from vaiven.serving.common.tables.columns import Places
from vaiven.serving.common.tables.errors import TableError

# Minimum and maximum number of rows to learn the shapes of a column from.
_MIN_ROWS, _MAX_ROWS = 5, 200
# A column with no more different values has exactly these; of others the shapes count.
_MAX_VALUES = 10
_MAX_SUSPECTS = 16
_LETTERS, _DIGITS = re.compile(r'[^\W\d_]+'), re.compile(r'\d+')


@dataclass
class _Column:
    """The values and shapes of the fields of one column."""

    values: set[str] = field(default_factory=set)
    shapes: set[str] = field(default_factory=set)

    def add(self, value: str) -> None:
        self.values.add(value)
        self.shapes.add(_shape(value))

    def fits(self, value: str) -> bool:
        return value in self.values or (len(self.values) > _MAX_VALUES and _shape(value) in self.shapes)


class StrayQuotes:
    """Looks at rows with line breaks inside a quoted field: each of their lines may be a row of the table.

    A line looks like a row where it has as many fields as the header, and each but the text is as in other rows. One
    such line may be chance in a review that quotes a table; the row is refused where all of its lines are so.

    Attributes:
        learns: whether rows of one line still tell what the columns look like.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self.learns = True
        self._places: list[int] = []
        self._size = 0
        self._columns: dict[int, _Column] = {}
        self._rows = 0
        self._suspects: list[tuple[int, list[list[str]]]] = []

    def start(self, places: Places) -> None:
        """Starts with the rows below the header."""
        text = dict(places.read).get('text')
        self._size = places.size
        self._places = [place for place in range(places.size) if place != text]
        self._columns = {place: _Column() for place in self._places}

    def row(self, name: str, line: int, fields: Sequence[str], lines: Sequence[str]) -> None:
        """Checks one row.

        Args:
            name: name of the file.
            line: number of its first line.
            fields: its fields.
            lines: its lines.

        Raises:
            TableError: its lines are rows of their own.
        """
        if not self._places:
            return
        if len(lines) == 1:
            if self.learns and len(fields) == self._size:
                self._rows += 1
                self.learns = self._rows < _MAX_ROWS
                for place, column in self._columns.items():
                    column.add(fields[place])
                if self._rows == _MIN_ROWS:
                    self._judge(name)
            return
        split = [each.removesuffix('\r').split(self._delimiter) for each in lines]
        if len(lines) > 1 and all(len(each) == self._size for each in split):
            if self._rows >= _MIN_ROWS:
                self._refuse_swallowed(name, line, split)
            elif len(self._suspects) < _MAX_SUSPECTS:
                self._suspects.append((line, split))

    def end(self, name: str) -> None:
        """Checks the remaining suspects at the end of the file. Raises TableError as `row` does."""
        if not self._rows and self._suspects:
            # The lines can only be compared with each other.
            for each in self._suspects[0][1][1:]:
                for place, column in self._columns.items():
                    column.add(each[place].strip('"'))
        self._judge(name)

    def _judge(self, name: str) -> None:
        for line, split in self._suspects:
            self._refuse_swallowed(name, line, split)
        self._suspects.clear()

    def _refuse_swallowed(self, name: str, line: int, split: list[list[str]]) -> None:
        for fields in split:
            if not all(self._columns[place].fits(fields[place].strip('"')) for place in self._places):
                return
        raise TableError(
            f'{name}, line {line}: a quotation mark opens a field of {len(split)} lines, each of which looks like a '
            'row of its own; remove the mark or double it (""). A text that really holds such lines can come as jsonl'
        )


def _shape(value: str) -> str:
    return _DIGITS.sub('9', _LETTERS.sub('a', value))
