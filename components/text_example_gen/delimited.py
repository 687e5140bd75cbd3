"""Reads csv (RFC 4180) and tsv (no quotation)."""

import csv
from collections.abc import Iterator

from vaiven.components.text_example_gen.columns import Columns, Record, require_columns
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.opening import Lines, too_large


def delimited(lines: Lines, name: str, delimiter: str, columns: Columns, limit: int) -> Iterator[Record]:
    """The rows below the header. Where the delimiter is a tab, quotation marks are characters like others."""
    records = _tsv(lines) if delimiter == '\t' else _csv(lines, delimiter, name, limit)
    _, header = next(records, (0, None))
    if header is None:
        raise DataError(f'{name}: the file is empty; its first line must name the columns')
    names = [column.strip() for column in header]
    require_columns(names, columns, name, delimiter)
    places = {part: names.index(column) for part, column in columns.items()}
    for line, fields in records:
        if len(fields) != len(header):
            raise DataError(
                f'{name}, line {line}: the row has {len(fields)} fields, the header {len(header)}; '
                + (
                    'tabs inside a text become spaces'
                    if delimiter == '\t'
                    else 'quote fields that contain the delimiter'
                )
            )
        yield f'{name}, line {line}', {part: fields[place] for part, place in places.items()}


def _tsv(lines: Lines) -> Iterator[tuple[int, list[str]]]:
    """(number of the line, its fields)."""
    for line in lines:
        line = line.rstrip('\r\n')
        if line:
            yield lines.number, line.split('\t')


def _csv(lines: Lines, delimiter: str, name: str, limit: int) -> Iterator[tuple[int, list[str]]]:
    """(number of the record's first line, its fields)."""
    first = 1
    size = 0

    def measured() -> Iterator[str]:
        nonlocal size
        for line in lines:
            size += len(line.encode())
            if size > limit + 2:
                raise too_large(f'{name}, lines {first} to {lines.number}', limit)
            yield line

    # The module's own limit holds for the whole process; `measured` gives the one that matters.
    csv.field_size_limit(max(csv.field_size_limit(), limit + 2))
    reader = csv.reader(measured(), delimiter=delimiter, strict=True)
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = (
                f'{name}, line {first}'
                if first == lines.number
                else f'{name}, lines {first} to {lines.number}'
            )
            if 'unexpected end of data' in str(error):
                raise DataError(
                    f'{where}: the quotation mark is never closed; a mark inside a field is doubled: ""'
                ) from None
            if 'new-line' in str(error):
                raise DataError(
                    f'{where}: a carriage return without quotation marks around its field; remove it'
                ) from None
            raise DataError(
                f'{where}: not csv ({error}); a mark inside a quoted field is doubled: ""'
            ) from None
        if fields:
            yield first, fields
        first, size = lines.number + 1, 0
