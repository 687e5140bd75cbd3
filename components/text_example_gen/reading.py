"""Reads csv (RFC 4180) and tsv (no quotation) files, plain or gzipped, and says what is wrong with one."""

import contextlib
import csv
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.rows import LabelReader, RatingReader, Row, nfc

_DELIMITERS = {'.csv': ',', '.tsv': '\t'}
_UTF16 = (b'\xff\xfe', b'\xfe\xff')

Opener = Callable[[str], BinaryIO]


def delimiter_of(path: str, config: DataConfig) -> str:
    stem = path.removesuffix('.gz')
    for suffix, delimiter in _DELIMITERS.items():
        if stem.lower().endswith(suffix):
            return config.delimiter or delimiter
    raise DataError(f'{path}: a data file must be named .csv, .tsv, .csv.gz or .tsv.gz; rename or convert it')


def open_local(path: str) -> BinaryIO:
    """Opens a file of this machine, with one line for everything that can be wrong with its path."""
    if not os.path.exists(path):
        raise DataError(f'{path}: there is no such file; check the path given with --data')
    if os.path.isdir(path):
        raise DataError(f'{path}: is a directory; name one csv or tsv file in it')
    try:
        return open(path, 'rb')
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}); check its permissions') from error


def read_rows(path: str, config: DataConfig, opener: Opener = open_local) -> Iterator[Row]:
    """The rows of a file, in its order.

    Args:
        path: ends in `.csv` or `.tsv`, and in `.gz` after that where it is gzipped.
        config: names the columns and the labels.
        opener: gives the bytes of a path; by default of this machine's file.

    Raises:
        DataError: for anything that makes the file unusable, with the line's number.
    """
    name = os.path.basename(path)
    with contextlib.ExitStack() as stack:
        stream: BinaryIO = stack.enter_context(opener(path))
        delimiter = delimiter_of(path, config)
        if path.endswith('.gz'):
            stream = stack.enter_context(gzip.GzipFile(fileobj=stream))  # type: ignore[assignment]
        lines = _Lines(stream, name, config.max_row_bytes)
        records = _tsv(lines) if delimiter == '\t' else _csv(lines, delimiter, name, config.max_row_bytes)
        try:
            yield from _rows(records, config, name, delimiter)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f'{name}: is not a whole gzip file ({error}); fetch or compress it again'
            ) from error
        except OSError as error:
            raise DataError(f'{path}: cannot be read ({error.strerror or error})') from error


class _Lines:
    """Decoded lines with their ends; knows the number of the latest one."""

    def __init__(self, stream: BinaryIO, name: str, limit: int) -> None:
        self.number = 0
        self._stream, self._name, self._limit = stream, name, limit

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        # One byte more than allowed, and the two of the line's end.
        line = self._stream.readline(self._limit + 3)
        if not line:
            raise StopIteration
        self.number += 1
        where = f'{self._name}, line {self.number}'
        if self.number == 1:
            if line.startswith(_UTF16):
                raise DataError(f'{where}: the file is UTF-16; convert it with iconv -f UTF-16 -t UTF-8')
            line = line.removeprefix(b'\xef\xbb\xbf')
        if len(line.rstrip(b'\r\n')) > self._limit:
            raise too_large(where, self._limit)
        if (offset := line.find(b'\0')) >= 0:
            raise DataError(f'{where}: byte {offset + 1} is NUL; a text file has none: remove it')
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise DataError(
                f'{where}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8; '
                'convert the file, as with iconv -f LATIN1 -t UTF-8'
            ) from None


def too_large(where: str, limit: int) -> DataError:
    return DataError(
        f'{where}: the row is larger than {limit} bytes; look for a quotation mark that is never closed '
        'or a missing line break, or raise the bound with --set data.max_row_bytes=N'
    )


# Yields (number of the record's first line, its fields).
Records = Iterator[tuple[int, list[str]]]


def _tsv(lines: _Lines) -> Records:
    for line in lines:
        line = line.rstrip('\r\n')
        if line:
            yield lines.number, line.split('\t')


def _csv(lines: _Lines, delimiter: str, name: str, limit: int) -> Records:
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


def _rows(records: Records, config: DataConfig, name: str, delimiter: str) -> Iterator[Row]:
    _, header = next(records, (0, None))
    if header is None:
        raise DataError(f'{name}: the file is empty; its first line must name the columns')
    columns = _columns(header, config, name, delimiter)
    read_label, read_rating = LabelReader(config), RatingReader(config)
    for number, (line, fields) in enumerate(records, start=1):
        if len(fields) != len(header):
            raise DataError(
                f'{name}, line {line}: the row has {len(fields)} fields, the header {len(header)}; '
                + (
                    'tabs inside a text become spaces'
                    if delimiter == '\t'
                    else 'quote fields that contain the delimiter'
                )
            )
        label = read_label(fields[columns['label']], f'{name}, line {line}')
        group, language = (
            fields[columns[part]].strip() or None if part in columns else None
            for part in ('group', 'language')
        )
        rating = (
            read_rating(fields[columns['rating']], f'{name}, line {line}') if 'rating' in columns else None
        )
        yield Row(number, nfc(fields[columns['text']]), label, group, language, rating)


def _columns(header: list[str], config: DataConfig, name: str, delimiter: str) -> dict[str, int]:
    found = [column.strip() for column in header]
    repeated = sorted({column for column in found if found.count(column) > 1})
    columns = {}
    for part, wanted in config.columns().items():
        if wanted not in found:
            raise DataError(
                f'{name}: no column is named {wanted!r}; there are: {", ".join(map(repr, found))}; '
                + _column_advice(part, found, delimiter)
            )
        if wanted in repeated:
            raise DataError(f'{name}: {found.count(wanted)} columns are named {wanted!r}; rename all but one')
        columns[part] = found.index(wanted)
    return columns


def _column_advice(part: str, found: list[str], delimiter: str) -> str:
    if len(found) == 1:
        for other, word in ((';', ';'), ('\t', 'a tab'), (',', ','), ('|', '|')):
            if other != delimiter and other in found[0]:
                value = "$'\\t'" if other == '\t' else f"'{other}'"
                return f'the fields seem to be divided by {word}: --set data.delimiter={value}'
    option = f'--{part}-column' if part in ('text', 'label') else f'--set data.{part}_column'
    return f'name it with {option}=NAME'
