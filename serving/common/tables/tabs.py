"""Rows of tab-separated files: quotation marks are characters, except around whole fields."""

import re
from collections.abc import Iterator
from itertools import chain

from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.lines import Lines
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.quoted import Row, csv_rows

# As pandas and Excel write a field that holds a mark, a tab or a line break: a mark inside is doubled.
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


def tab_rows(lines: Lines, content: Iterator[str | None], notes: Notes) -> Iterator[Row | None]:
    """Yields rows that are not blank; None means that the input pauses.

    In a file of one column a blank line is an empty field. A field that is quoted as a whole loses its quotation marks,
    which is noted. A field that only starts with one keeps it. A row with too few fields is read as csv if one of its
    fields opens a quotation.

    Args:
        lines: position in the file.
        content: the lines.
        notes: counts what was changed.

    Raises:
        TableError: a quotation is never closed.
    """
    size = 0
    for line in content:
        if line is None:
            yield None
            continue
        number = lines.number
        line = line.removesuffix('\r')
        if not line and size != 1:
            continue
        fields = line.split('\t')
        if '"' in line:
            if size and len(fields) != size and any(_opens(field) for field in fields):
                fields = _as_csv(lines, line, content, number, size) or fields
                notes.add('unquoted', f'{lines.name}, line {number}')
            else:
                fields = [_bare(field, notes, lines.name, number) for field in fields]
        size = size or len(fields)
        yield number, fields


def _bare(field: str, notes: Notes, name: str, number: int) -> str:
    if not (field.startswith('"') and (match := _QUOTED.fullmatch(field))):
        return field
    notes.add('unquoted', f'{name}, line {number}')
    return match[1].replace('""', '"')


def _opens(field: str) -> bool:
    return field.startswith('"') and not _QUOTED.fullmatch(field)


def _as_csv(
    lines: Lines, line: str, content: Iterator[str | None], number: int, size: int
) -> list[str] | None:
    """The fields of the row that starts with `line`, read as csv reads it; None where that fits no better."""
    try:
        # A chain, since a generator would close `content` with itself.
        row = next(csv_rows(lines, chain((line,), content), '\t'))
    except TableError:
        row = None
    if row is not None and len(row[1]) == size:
        return row[1]
    if line.count('"') % 2:
        raise TableError(
            f'{lines.name}, line {number}: the row has {len(line.split(chr(9)))} fields, the header {size}, and a '
            'quotation mark that opens a field is never closed; remove the mark or double it: ""'
        )
    return None
