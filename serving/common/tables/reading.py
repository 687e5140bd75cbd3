"""The rows of a table, whatever its format."""

import codecs
from collections.abc import Iterator

from vaiven.serving.common.tables import encodings
from vaiven.serving.common.tables.blocks import Blocks
from vaiven.serving.common.tables.delimited import delimited
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.fasttext import fasttext_rows
from vaiven.serving.common.tables.json_array import array_rows
from vaiven.serving.common.tables.lines import Lines
from vaiven.serving.common.tables.names import FASTTEXT
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.objects import jsonl_rows
from vaiven.serving.common.tables.options import Options
from vaiven.serving.common.tables.parquet import parquet_rows
from vaiven.serving.common.tables.values import Record, clean

_DELIMITERS = {'.csv': ',', '.tsv': '\t'}


def table_rows(blocks: Blocks, suffix: str, options: Options, notes: Notes) -> Iterator[Record | None]:
    """The rows of a table in their order; None where the input pauses.

    Args:
        blocks: the bytes.
        suffix: the format, one of `names.TABLES`.
        options: name the columns.
        notes: count what is not refused and yet strange.

    Raises:
        TableError: for anything that makes the table unusable, with the line.
    """
    for record in _rows(blocks, suffix, options, notes):
        if record is None:
            yield None
            continue
        for part, value in record.fields.items():
            if value and not value.isascii() and (cleaned := clean(value, record.where, notes)) != value:
                record = record._replace(fields={**record.fields, part: cleaned})
        yield record


def _rows(blocks: Blocks, suffix: str, options: Options, notes: Notes) -> Iterator[Record | None]:
    if suffix == '.parquet':
        return parquet_rows(blocks, options)
    if suffix == '.json' and _is_array(blocks, options):
        return array_rows(blocks, options)
    lines = Lines(blocks, options)
    if suffix in ('.jsonl', '.json'):
        return jsonl_rows(lines, options)
    if suffix == FASTTEXT:
        return fasttext_rows(lines, options)
    if suffix in _DELIMITERS:
        return delimited(lines, options.delimiter or _DELIMITERS[suffix], options, notes)
    raise TableError(f'{blocks.name}: {suffix!r} is not a format of tables')


def _is_array(blocks: Blocks, options: Options) -> bool:
    """Whether the first character is a bracket."""
    return start(blocks, options).lstrip().startswith('[')


def start(blocks: Blocks, options: Options) -> str:
    """The first characters, which are given out again; what is not of the encoding is left out. Raises TableError."""
    encoding = 'utf-8-sig' if encodings.is_utf8(options.encoding) else str(options.encoding)
    return codecs.getincrementaldecoder(encoding)('ignore').decode(blocks.peek())
