"""Rows of parquet files."""

from collections.abc import Iterator
from typing import Any

from vaiven.serving.common.tables.blocks import Blocks
from vaiven.serving.common.tables.columns import Places
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.lines import too_large
from vaiven.serving.common.tables.options import Options
from vaiven.serving.common.tables.values import Record, field

_ROWS_AT_ONCE = 1024


def parquet_rows(blocks: Blocks, options: Options) -> Iterator[Record]:
    """The rows of a file, some at a time.

    Raises:
        TableError: it is damaged, comes through a pipe, or pyarrow is not there to read it.
    """
    name = blocks.name
    if blocks.pausing:
        raise TableError(f'{name}: a parquet file cannot be read from a pipe; give its path')
    try:
        # A run without such files need not wait for it.
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise TableError(
            f'{name}: reading .parquet needs the Python module pyarrow: pip install pyarrow, or write the table as csv'
        ) from None

    try:
        file = parquet.ParquetFile(blocks.stream)
        names = file.schema_arrow.names
        places = Places(names, options, name)
        wanted = [names[place] for _, place in (*places.read, *places.kept)]
        number = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted):
            read = [(part, places.names[place], batch.column(names[place])) for part, place in places.read]
            kept = [(column, batch.column(names[place])) for column, place in places.kept]
            for index in range(batch.num_rows):
                number += 1
                where = f'{name}, row {number}'
                fields = {
                    part: field(_value(values, index, where), part, column, where, options.remedies)
                    for part, column, values in read
                }
                if len((fields.get('text') or '').encode()) > options.max_row_bytes:
                    raise too_large(where, options.max_row_bytes, options.remedies)
                yield Record(where, fields, {column: _value(values, index, where) for column, values in kept})
    except (pyarrow.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ['damaged'])[0]
        raise TableError(
            f'{name}: is not a whole parquet file ({reason}); fetch or write it again'
        ) from error


def _value(column: Any, index: int, where: str) -> Any:
    try:
        return column[index].as_py()
    except UnicodeDecodeError as error:
        raise TableError(
            f'{where}: byte {error.start + 1} (0x{error.object[error.start]:02x}) of a text is not UTF-8; '
            'convert it before the file is written'
        ) from None
