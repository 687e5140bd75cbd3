"""Records of csv: fields may be quoted, and hold delimiters and line breaks then."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.lines import Lines

if TYPE_CHECKING:
    from vaiven.serving.common.tables.stray_quotes import StrayQuotes

# The limit of the csv module is global to the process; this reader checks the length of a row instead.
NO_BOUND = 2**31 - 1
Row = tuple[int, list[str]]  # number of the row's first line, and its fields


def csv_rows(
    lines: Lines, content: Iterator[str | None], delimiter: str, watch: StrayQuotes | None = None
) -> Iterator[Row | None]:
    """Rows that are not blank; None where the input pauses.

    Args:
        lines: counts the lines, bounds a row, and names the file.
        content: the lines.
        delimiter: between fields.
        watch: is shown the rows of several lines, and others while it learns from them.

    Raises:
        TableError: with the first line of the record that cannot be read.
    """
    record: list[str] = []
    paused = False
    first = max(lines.number, 1)
    size = 0

    def feed() -> Iterator[str]:
        nonlocal paused, size
        for line in content:
            if line is None:
                # The module makes a row without fields of it, and in the middle of a quoted field nothing.
                paused = True
                yield ''
                continue
            record.append(line)
            if len(record) > 1:
                size += len(line.encode()) + 1
                if size + len(record[0]) > lines.limit + 2:
                    raise lines.too_large(f'lines {first} to {lines.number}')
            yield line + '\n'

    csv.field_size_limit(NO_BOUND)
    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _not_csv(lines, first, str(error)) from None
        if fields:
            if watch is not None and (watch.learns or len(record) > 1):
                watch.row(lines.name, first, fields, record)
            yield first, fields
        elif paused:
            yield None
        paused = False
        if fields or record:
            record.clear()
            first, size = lines.number + 1, 0


def _not_csv(lines: Lines, first: int, error: str) -> TableError:
    where = (
        f'{lines.name}, line {first}'
        if first >= lines.number
        else f'{lines.name}, lines {first} to {lines.number}'
    )
    if 'unexpected end of data' in error:
        return TableError(
            f'{where}: the quotation mark is never closed; a mark inside a field is doubled: ""'
        )
    if 'new-line' in error:
        return TableError(
            f'{where}: a carriage return without quotation marks around its field; remove it, or convert a file whose '
            "lines end in carriage returns with tr '\\r' '\\n'"
        )
    return TableError(
        f'{where}: not csv ({error}); a mark inside a quoted field is doubled: "", and a field that starts with a '
        'mark ends with one'
    )
