"""Reads the rows of a file, whatever its format, and says what is wrong with one."""

import os
from collections.abc import Iterator

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import TEXT, DataFiles, Source, suffix_of
from vaiven.components.text_example_gen.local_files import Opener, open_local
from vaiven.components.text_example_gen.passages import paragraphs, passages
from vaiven.components.text_example_gen.rows import MORE, Row, RowReader, nfc
from vaiven.serving.common.tables.blocks import Blocks
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.fasttext import PREFIX
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import Options, Remedies
from vaiven.serving.common.tables.reading import table_rows
from vaiven.serving.common.tables.running import text_blocks
from vaiven.serving.common.tables.values import Record, clean

_REMEDIES = Remedies(
    column='name it with --set data.{part}_column={name}',
    text='name it with --text-column={name}',
    label='name it with --label-column={name}; where there are no labels: --set data.label_column=null',
    names='--set data.columns={names}',
    delimiter='--set data.delimiter={value}',
    encoding='--set data.encoding={value}',
    row_bytes='raise the bound with --set data.max_row_bytes=N',
)
# More rows than any file has.
_FILE = 2**32


def read_data(files: DataFiles, config: DataConfig, counts: ColumnCounts | None = None) -> Iterator[Row]:
    """The rows of `--data`, one file after the other."""
    for source in files.sources():
        if not source.more:
            yield from read_source(source, config, counts=counts)


def read_source(
    source: Source, config: DataConfig, opener: Opener = open_local, counts: ColumnCounts | None = None
) -> Iterator[Row]:
    """The rows of one of several files: their numbers and positions go on from file to file."""
    before = source.number * _FILE
    read = read_more if source.more else read_rows
    for row in read(source.path, config, opener, counts):
        position = None if row.position is None else before + row.position
        yield row._replace(number=before + row.number, position=position)


def read_rows(
    path: str, config: DataConfig, opener: Opener = open_local, counts: ColumnCounts | None = None
) -> Iterator[Row]:
    """The rows of a table, or the passages of a text, in their order.

    Args:
        path: its ending says what it is, see `suffix_of`.
        config: names the columns and the labels.
        opener: gives the bytes of a path; by default of this machine's file.
        counts: is filled with what the columns hold; labels that no setting names are in it.

    Raises:
        DataError: for anything that makes the file unusable, with the line's number.
    """
    counts = counts or ColumnCounts()
    if suffix_of(path) == TEXT:
        found = passages(_texts(path, config, opener, counts.notes), config.passage_characters)
        for number, text in enumerate(found, start=1):
            yield Row(number, text, None, position=number)
        return
    row_of = RowReader(config, counts)
    records = _records(path, config, config.named_columns(), opener, counts.notes)
    for number, record in enumerate(records, start=1):
        yield row_of(number, record.fields, record.where)


def read_more(
    path: str, config: DataConfig, opener: Opener = open_local, counts: ColumnCounts | None = None
) -> Iterator[Row]:
    """The texts of a file given with `--unlabelled`: the text column of a table, or the lines of a `.txt` file.

    A line that is longer than a passage is cut as those are.
    """
    counts = counts or ColumnCounts()
    if suffix_of(path) == TEXT:
        found = paragraphs(_texts(path, config, opener, counts.notes), config.passage_characters)
        for number, text in enumerate(found, start=1):
            yield Row(number, text, None, origin=MORE)
        return
    records = _records(path, config, {'text': config.text_column}, opener, counts.notes)
    for number, record in enumerate(records, start=1):
        yield Row(number, nfc(record.fields['text'] or ''), None, origin=MORE)


def _options(config: DataConfig, columns: dict[str, str]) -> Options:
    return Options(
        columns,
        names=config.columns,
        delimiter=config.delimiter,
        encoding=config.encoding,
        max_row_bytes=config.max_row_bytes,
        remedies=_REMEDIES,
    )


def _records(
    path: str, config: DataConfig, columns: dict[str, str], opener: Opener, notes: Notes
) -> Iterator[Record]:
    try:
        with Blocks(opener(path), os.path.basename(path), path) as blocks:
            options = _options(config, columns)
            for record in table_rows(blocks, suffix_of(path), options, notes):
                if record is not None:
                    yield record
    except TableError as error:
        raise DataError(str(error)) from error
    except OSError as error:  # as a store that is far away gives it
        raise DataError(f'{path}: cannot be read ({error.strerror or error})') from error


def _texts(path: str, config: DataConfig, opener: Opener, notes: Notes) -> Iterator[str]:
    """The pieces of a running text."""
    name = os.path.basename(path)
    try:
        with Blocks(opener(path), name, path) as blocks:
            first = True
            for piece in text_blocks(blocks, _options(config, {})):
                if first and piece.startswith(PREFIX):
                    raise DataError(
                        f'{name}, line 1: looks like a line of fastText ({PREFIX}…), which is a table: '
                        'rename the file to NAME.ft.txt'
                    )
                first = first and not piece
                yield clean(piece, name, notes)
    except TableError as error:
        raise DataError(str(error)) from error
    except OSError as error:  # as a store that is far away gives it
        raise DataError(f'{path}: cannot be read ({error.strerror or error})') from error
