"""What the columns of a table contain, before it is known what they are used for."""

import dataclasses
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import data_suffix
from vaiven.components.text_example_gen.local_files import open_local
from vaiven.serving.common.labels import is_missing
from vaiven.serving.common.tables.blocks import Blocks
from vaiven.serving.common.tables.columns import looks_like_data
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.names import FASTTEXT
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import ALL, Options, Remedies
from vaiven.serving.common.tables.reading import start, table_rows

# Values that are counted one by one. A column with more is not one of labels, languages or splits.
_MAX_VALUES = 100_000
_MAX_VALUE_LENGTH = 100
# ISO 8601 and the usual orders of day and month, with or without a time.
_DATE = re.compile(
    r'(?:[0-9]{4}([-/.])[01]?[0-9]\1[0-3]?[0-9]|[0-3]?[0-9]([-/.])[01]?[0-9]\2(?:[0-9]{2}){1,2})(?:[T\s].*)?'
)
_NUMBER = re.compile(r'[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,3})?', re.IGNORECASE)
# Other separators of fields than those that the name of the file says.
_DELIMITERS = (';', '\t', '|')
_REMEDIES = Remedies(
    names='--set data.columns={names}',
    delimiter='--set data.delimiter={value}',
    encoding='--set data.encoding={value}',
    row_bytes='raise the limit with --set data.max_row_bytes=N',
)


@dataclasses.dataclass
class ColumnProfile:
    """What a column contains. Missing values, as `label_check` knows them, are not counted.

    Attributes:
        name: name of the column.
        filled: number of values.
        texts: how many are texts; in typed files there are others, such as numbers, lists and times.
        characters: sum of their lengths.
        values: number of rows by value; without long values.
        has_more_values: whether there are longer values, or more than are counted.
        numbers: how many values are numbers; `low` and `high` are the smallest and the largest.
        dates: how many values look like a date.
    """

    name: str
    filled: int = 0
    texts: int = 0
    characters: int = 0
    values: dict[str, int] = dataclasses.field(default_factory=dict)
    has_more_values: bool = False
    numbers: int = 0
    low: float = math.inf
    high: float = -math.inf
    dates: int = 0

    @property
    def mean_length(self) -> float:
        """Mean number of characters of a value."""
        return self.characters / self.filled if self.filled else 0.0

    def add(self, value: Any) -> None:
        """Counts the value of a row.

        Args:
            value: a text; in typed files also a number, a truth value, a list, an object or None.
        """
        if value is None or value != value:
            return
        if isinstance(value, str):
            text = value.strip()
            self.texts += 1
        else:
            is_json = isinstance(value, (bool, int, float, list, dict))
            text = json.dumps(value, ensure_ascii=False, default=str) if is_json else str(value)
        self.filled += 1
        self.characters += len(text)
        if len(text) > _MAX_VALUE_LENGTH:
            self.has_more_values = True
            return
        if text not in self.values:
            if is_missing(text):
                self.filled -= 1
                self.characters -= len(text)
                return
            if len(self.values) == _MAX_VALUES:
                self.has_more_values = True
                return
            self.values[text] = 0
        self.values[text] += 1

    def measure_values(self) -> None:
        """Counts numbers and dates, when all rows have been added."""
        for text, rows in self.values.items():
            if _NUMBER.fullmatch(text):
                self.numbers += rows
                self.low, self.high = min(self.low, float(text)), max(self.high, float(text))
            elif _DATE.fullmatch(text):
                self.dates += rows


@dataclasses.dataclass(frozen=True)
class TableProfile:
    """The columns of the tables of a run.

    Attributes:
        rows: number of rows.
        columns: in the order of the first file.
        delimiter: separator of the fields, if it is another than the file's name says.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    delimiter: str | None = None


def profile_tables(paths: tuple[str, ...], config: DataConfig) -> TableProfile:
    """Reads tables whole, and counts the values of all of their columns.

    Args:
        paths: the files.
        config: delimiter, encoding, names of the columns of files without a header, and the maximum size of a row.

    Raises:
        DataError: a file cannot be read, or has no header.
    """
    columns: dict[str, ColumnProfile] = {}
    delimiter = config.delimiter or _other_delimiter(paths[0], config)
    rows = 0
    for path in paths:
        for fields in _rows(path, dataclasses.replace(config, delimiter=delimiter)):
            rows += 1
            for name, value in fields.items():
                if name not in columns:
                    columns[name] = ColumnProfile(name)
                columns[name].add(value)
    for column in columns.values():
        column.measure_values()
    return TableProfile(rows, tuple(columns.values()), None if config.delimiter else delimiter)


def _other_delimiter(path: str, config: DataConfig) -> str | None:
    """The delimiter of a csv file whose first line has no comma."""
    if data_suffix(path) != '.csv':
        return None
    try:
        with Blocks(open_local(path), os.path.basename(path), path) as blocks:
            header = start(blocks, Options({}, encoding=config.encoding)).partition('\n')[0]
    except TableError as error:
        raise DataError(str(error)) from error
    # A line `sep=;` is read by the reader.
    if ',' in header or header.startswith('sep='):
        return None
    return next((sign for sign in _DELIMITERS if sign in header), None)


def _rows(path: str, config: DataConfig) -> Iterator[Mapping[str, Any]]:
    suffix, name = data_suffix(path), os.path.basename(path)
    options = Options(
        {'text': 'text', 'label': 'label'} if suffix == FASTTEXT else {},
        keep=() if suffix == FASTTEXT else ALL,
        names=config.columns,
        delimiter=config.delimiter,
        encoding=config.encoding,
        max_row_bytes=config.max_row_bytes,
        remedies=_REMEDIES,
    )
    try:
        with Blocks(open_local(path), name, path) as blocks:
            is_first = suffix in ('.csv', '.tsv') and not config.columns
            for record in table_rows(blocks, suffix, options, Notes()):
                if record is None:
                    continue
                fields = record.kept or record.fields
                if is_first and looks_like_data(list(fields)):
                    raise DataError(
                        f'{name}: the first row looks like data: add a row with the names of the columns, '
                        'or name them with --set data.columns=label,text'
                    )
                is_first = False
                yield fields
    except TableError as error:
        raise DataError(str(error)) from error
