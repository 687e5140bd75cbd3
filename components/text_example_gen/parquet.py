"""Reads parquet files."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from vaiven.components.text_example_gen.columns import Columns, Record, field, require_columns
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.opening import too_large

_ROWS_AT_ONCE = 1024


def parquet_rows(stream: BinaryIO, name: str, columns: Columns, limit: int) -> Iterator[Record]:
    """The rows of a file, some at a time; none of its texts is longer than `limit` bytes."""
    # A run without such files need not wait for it.
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(stream)
        require_columns(file.schema_arrow.names, columns, name)
        number = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(columns.values())):
            read = {part: batch.column(column) for part, column in columns.items()}
            for index in range(batch.num_rows):
                number += 1
                where = f'{name}, row {number}'
                fields = {
                    part: field(_value(column, index, where), part, columns[part], where)
                    for part, column in read.items()
                }
                if len((fields['text'] or '').encode()) > limit:
                    raise too_large(where, limit)
                yield where, fields
    except (pyarrow.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ['damaged'])[0]
        raise DataError(f'{name}: is not a whole parquet file ({reason}); fetch or write it again') from error


def _value(column: Any, index: int, where: str) -> Any:
    try:
        return column[index].as_py()
    except UnicodeDecodeError as error:
        raise DataError(
            f'{where}: byte {error.start + 1} (0x{error.object[error.start]:02x}) of a text is not UTF-8; '
            'convert it before the file is written'
        ) from None
