"""Reads the rows of files of any supported format."""

import os
from collections.abc import Iterator

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import TEXT, DataFiles, Source, data_suffix
from vaiven.components.text_example_gen.local_files import Opener, open_local
from vaiven.components.text_example_gen.passages import paragraphs, passages
from vaiven.components.text_example_gen.row_parser import RowParser
from vaiven.components.text_example_gen.rows import UNLABELLED, Row
from vaiven.components.text_example_gen.teacher_rows import TeacherParser, teacher_options
from vaiven.serving.common.labels import nfc
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
    row_bytes='raise the limit with --set data.max_row_bytes=N',
)
# Distance between the row numbers of two files: more rows than a file has.
_FILE_STRIDE = 2**32


def read_data(files: DataFiles, config: DataConfig, parse: RowParser | None = None) -> Iterator[Row]:
    """Reads the rows of `--data`, one file after the other.

    Args:
        files: the files of the run.
        config: columns and labels.
        parse: parses the rows and counts their values; by default for `config`.

    Raises:
        DataError: if a file cannot be read.
    """
    parse = parse or RowParser(config, ColumnCounts())
    for source in files.sources():
        if source.kind == 'data':
            yield from read_source(source, config, parse=parse)


def read_source(
    source: Source, config: DataConfig, opener: Opener = open_local, parse: RowParser | None = None
) -> Iterator[Row]:
    """Reads the rows of one of several files; numbers and positions increase from file to file.

    Args:
        source: the file.
        config: columns and labels.
        opener: opens a path for reading.
        parse: parses the rows and counts their values; by default for `config`.

    Raises:
        DataError: if the file cannot be read.
    """
    offset = source.number * _FILE_STRIDE
    read = _READERS[source.kind]
    for row in read(source.path, config, opener, parse):
        position = None if row.position is None else offset + row.position
        yield row._replace(number=offset + row.number, position=position)


def read_rows(
    path: str, config: DataConfig, opener: Opener = open_local, parse: RowParser | None = None
) -> Iterator[Row]:
    """Reads the rows of a table, or the passages of running text.

    Args:
        path: the suffix gives the format (`.csv`, `.txt`, …).
        config: columns and labels.
        opener: opens a path for reading; by default a local file.
        parse: parses the rows and counts their values, including labels that the configuration does not name; by
            default for `config`.

    Raises:
        DataError: if the file cannot be read; the message gives the line number.
    """
    parse = parse or RowParser(config, ColumnCounts())
    notes = parse.counts.notes
    if data_suffix(path) == TEXT:
        texts = passages(_texts(path, config, opener, notes), config.passage_characters)
        for number, text in enumerate(texts, start=1):
            yield Row(number, text, None, position=number)
        return
    records = _records(path, _options(config, config.named_columns()), opener, notes)
    for number, record in enumerate(records, start=1):
        yield parse(number, record.fields, record.where)


def read_unlabelled(
    path: str, config: DataConfig, opener: Opener = open_local, parse: RowParser | None = None
) -> Iterator[Row]:
    """Reads the texts of a file given with `--unlabelled`: the text column of a table, or the lines of a `.txt` file.

    Lines longer than a passage are cut.

    Args:
        path: the suffix gives the format.
        config: text column and maximum length of a passage.
        opener: opens a path for reading; by default a local file.
        parse: its notes are updated.

    Raises:
        DataError: if the file cannot be read; the message gives the line number.
    """
    notes = parse.counts.notes if parse else Notes()
    if data_suffix(path) == TEXT:
        texts = paragraphs(_texts(path, config, opener, notes), config.passage_characters)
        for number, text in enumerate(texts, start=1):
            yield Row(number, text, None, origin=UNLABELLED)
        return
    records = _records(path, _options(config, {'text': config.text_column}), opener, notes)
    for number, record in enumerate(records, start=1):
        yield Row(number, nfc(record.fields['text'] or ''), None, origin=UNLABELLED)


def read_teacher(
    path: str, config: DataConfig, opener: Opener = open_local, parse: RowParser | None = None
) -> Iterator[Row]:
    """Reads the texts and probabilities of a file given with `--teacher`.

    Args:
        path: the suffix gives the format.
        config: kind and classes of the labels.
        opener: opens a path for reading; by default a local file.
        parse: its notes are updated.

    Raises:
        DataError: if the file cannot be read, a row has no probabilities, or they do not fit the classes.
    """
    notes = parse.counts.notes if parse else Notes()
    parse_teacher = TeacherParser(config.label_spec())
    for number, record in enumerate(_records(path, teacher_options(config), opener, notes), start=1):
        yield parse_teacher(number, record)
    parse_teacher.require_same_classes(path)


_READERS = {'data': read_rows, 'unlabelled': read_unlabelled, 'teacher': read_teacher}


def _options(config: DataConfig, columns: dict[str, str]) -> Options:
    return Options(
        columns,
        names=config.columns,
        delimiter=config.delimiter,
        encoding=config.encoding,
        max_row_bytes=config.max_row_bytes,
        remedies=_REMEDIES,
    )


def _records(path: str, options: Options, opener: Opener, notes: Notes) -> Iterator[Record]:
    try:
        with Blocks(opener(path), os.path.basename(path), path) as blocks:
            for record in table_rows(blocks, data_suffix(path), options, notes):
                if record is not None:
                    yield record
    except TableError as error:
        raise DataError(str(error)) from error
    except OSError as error:  # raised by remote file systems
        raise DataError(f'{path}: cannot be read ({error.strerror or error})') from error


def _texts(path: str, config: DataConfig, opener: Opener, notes: Notes) -> Iterator[str]:
    """The blocks of running text."""
    name = os.path.basename(path)
    try:
        with Blocks(opener(path), name, path) as blocks:
            is_start = True
            for block in text_blocks(blocks, _options(config, {})):
                if is_start and block.startswith(PREFIX):
                    raise DataError(
                        f'{name}, line 1: looks like a line of fastText ({PREFIX}…), which is a table: '
                        'rename the file to NAME.ft.txt'
                    )
                is_start = is_start and not block
                yield clean(block, name, notes)
    except TableError as error:
        raise DataError(str(error)) from error
    except OSError as error:  # raised by remote file systems
        raise DataError(f'{path}: cannot be read ({error.strerror or error})') from error
