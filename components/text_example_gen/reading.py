"""Reads the rows of a file, whatever its format, and says what is wrong with one."""

import os
from collections.abc import Iterator
from typing import BinaryIO

from vaiven.components.text_example_gen.columns import Record
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.delimited import delimited
from vaiven.components.text_example_gen.files import TEXT, DataFiles, Source, suffix_of
from vaiven.components.text_example_gen.jsonl import objects
from vaiven.components.text_example_gen.opening import Lines, Opener, blocks, open_local, opened
from vaiven.components.text_example_gen.parquet import parquet_rows
from vaiven.components.text_example_gen.passages import paragraphs, passages
from vaiven.components.text_example_gen.rows import MORE, Row, RowReader, nfc

_DELIMITERS = {'.csv': ',', '.tsv': '\t'}
# More rows than any file has.
_FILE = 2**32


def read_data(files: DataFiles, config: DataConfig) -> Iterator[Row]:
    """The rows of `--data`, one file after the other."""
    for source in files.sources():
        if not source.more:
            yield from read_source(source, config)


def read_source(source: Source, config: DataConfig, opener: Opener = open_local) -> Iterator[Row]:
    """The rows of one of several files: their numbers and positions go on from file to file."""
    before = source.number * _FILE
    rows = read_more(source.path, config, opener) if source.more else read_rows(source.path, config, opener)
    for row in rows:
        position = None if row.position is None else before + row.position
        yield row._replace(number=before + row.number, position=position)


def read_rows(path: str, config: DataConfig, opener: Opener = open_local) -> Iterator[Row]:
    """The rows of a table, or the passages of a text, in their order.

    Args:
        path: its ending says what it is, see `suffix_of`.
        config: names the columns and the labels.
        opener: gives the bytes of a path; by default of this machine's file.

    Raises:
        DataError: for anything that makes the file unusable, with the line's number.
    """
    name = os.path.basename(path)
    with opened(path, opener) as stream:
        if suffix_of(path) == TEXT:
            found = passages(blocks(stream, name), config.passage_characters)
            for number, text in enumerate(found, start=1):
                yield Row(number, text, None, position=number)
            return
        row_of = RowReader(config)
        for number, (where, fields) in enumerate(_records(stream, path, config, config.columns()), start=1):
            yield row_of(number, fields, where)


def read_more(path: str, config: DataConfig, opener: Opener = open_local) -> Iterator[Row]:
    """The texts of a file given with `--unlabelled`: the text column of a table, or the lines of a `.txt` file.

    A line that is longer than a passage is cut as those are.
    """
    columns = {'text': config.text_column}
    with opened(path, opener) as stream:
        if suffix_of(path) == TEXT:
            found = paragraphs(blocks(stream, os.path.basename(path)), config.passage_characters)
            for number, text in enumerate(found, start=1):
                yield Row(number, text, None, origin=MORE)
            return
        for number, (_, fields) in enumerate(_records(stream, path, config, columns), start=1):
            yield Row(number, nfc(fields['text'] or ''), None, origin=MORE)


def _records(stream: BinaryIO, path: str, config: DataConfig, columns: dict[str, str]) -> Iterator[Record]:
    name, suffix, limit = os.path.basename(path), suffix_of(path), config.max_row_bytes
    if suffix == '.parquet':
        return parquet_rows(stream, name, columns, limit)
    lines = Lines(stream, name, limit)
    if suffix == '.jsonl':
        return objects(lines, name, columns)
    return delimited(lines, name, config.delimiter or _DELIMITERS[suffix], columns, limit)
