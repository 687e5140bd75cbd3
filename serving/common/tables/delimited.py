"""Rows of csv (RFC 4180) and tab-separated files."""

import re
from collections.abc import Iterator
from itertools import chain

from vaiven.serving.common.tables.columns import Places
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.lines import Lines
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import Options
from vaiven.serving.common.tables.quoted import csv_rows
from vaiven.serving.common.tables.stray_quotes import StrayQuotes
from vaiven.serving.common.tables.tabs import tab_rows
from vaiven.serving.common.tables.values import NOTHING, Record

# What Excel writes first where the list separator of the system is not a comma.
SEPARATOR = re.compile(r'"?sep=(.)"?\r?', re.IGNORECASE)


def delimited(lines: Lines, delimiter: str, options: Options, notes: Notes) -> Iterator[Record | None]:
    """The rows below the header; None where the input pauses.

    A first line `sep=;` names the delimiter. With `options.names` the file has no header.

    Raises:
        TableError: the file is empty, or a row cannot be read.
    """
    name = lines.name
    content = iter(lines)
    first = _first(content)
    while isinstance(first, str) and (match := SEPARATOR.fullmatch(first)):
        delimiter, first = match[1], _first(content)
    if isinstance(first, str):
        content = chain((first,), content)
    tabs = delimiter == '\t'
    watch = None if tabs else StrayQuotes(delimiter)
    rows = tab_rows(lines, content, notes) if tabs else csv_rows(lines, content, delimiter, watch)
    header = list(options.names)
    while not header:
        try:
            row = next(rows)
        except StopIteration:
            raise TableError(f'{name}: the file is empty; its first line must name the columns') from None
        if row is None:
            yield None
        else:
            header = row[1]
    places = Places(header, options, name, delimiter)
    if watch is not None:
        watch.start(places)
    size, read, kept = places.size, places.read, places.kept
    rule = 'tabs inside a text become spaces' if tabs else 'quote fields that contain the delimiter'
    source = 'the header' if not options.names else 'the list of columns'
    for row in rows:
        if row is None:
            yield None
            continue
        line, fields = row
        if len(fields) != size:
            raise TableError(
                f'{name}, line {line}: the row has {len(fields)} fields, {source} {size}; {rule}'
            )
        if size > 1 and fields[0].strip('\ufeff ') == places.names[0] and _repeated(fields, places.names):
            raise TableError(f'{name}, line {line}: {_header_again(line, options)}')
        others = {column: fields[place] for column, place in kept} if kept else NOTHING
        yield Record(f'{name}, line {line}', {part: fields[place] for part, place in read}, others)
    if watch is not None:
        watch.end(name)


def _first(content: Iterator[str | None]) -> str | None:
    """Returns the first line. It waits if the input pauses: the lines that follow decide how the first one is read."""
    return next((line for line in content if line is not None), None)


def _repeated(fields: list[str], names: list[str]) -> bool:
    return [field.strip('\ufeff ') for field in fields] == names


def _header_again(line: int, options: Options) -> str:
    if options.names:
        return 'the row holds the names of the columns: leave the list of columns out, or remove this row'
    return 'the header is there again, as after `cat a.csv b.csv`; remove this line, or give the files one by one'
