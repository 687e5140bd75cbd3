"""Input columns that are copied to the output: `--keep-columns`."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tables.options import ALL

_ALL_NAME = 'all'


class KeptText(str):
    """A text with the kept columns of its row.

    Attributes:
        kept: value by name of the column.
    """

    __slots__ = ('kept',)
    kept: Mapping[str, Any]


def text_with_columns(text: str, values: Mapping[str, Any], where: str) -> KeptText:
    """A text with the kept columns of its row.

    Args:
        text: the text.
        values: value by name of the column.
        where: file and row, for the message of an error.

    Raises:
        ServingError: a value is not valid UTF-8.
    """
    kept_text = KeptText(text)
    kept_text.kept = {name: _json_value(value, name, where) for name, value in values.items()}
    return kept_text


class KeptColumns:
    """The input columns that the output of one command keeps.

    Attributes:
        names: names of the columns, in order. With `all` they are known after `read_names`.
    """

    def __init__(self, keep: tuple[str, ...], output_columns: Iterable[str]) -> None:
        """
        Args:
            keep: names, or `ALL`.
            output_columns: names of the output's other columns.

        Raises:
            click.UsageError: a kept column has the name of another output column.
        """
        self._all = keep == ALL
        self._output_columns = frozenset(output_columns)
        self.names = () if self._all else keep
        if message := self._duplicates_message(self.names):
            raise click.UsageError(message)

    def read_names(self, text: str | None) -> None:
        """Takes the names from the first text.

        Raises:
            ServingError: a kept column has the name of another output column.
        """
        if self._all and isinstance(text, KeptText):
            self.names = tuple(text.kept)
            self._require_no_duplicates(text)

    def cells(self, text: str) -> Sequence[str]:
        """The values of the kept columns as text, in the order of `names`.

        Raises:
            ServingError: the row has a column that the first row lacks.
        """
        if not isinstance(text, KeptText):
            return ()
        for name in text.kept if self._all else ():
            if name not in self.names:
                raise ServingError(
                    f'the first row has no key {name!r} and a later row has it: name the columns to keep, or write '
                    'jsonl (--to jsonl)'
                )
        return [cell(text.kept.get(name)) for name in self.names]

    def values(self, text: str) -> dict[str, Any]:
        """The values of the kept columns, by name.

        Raises:
            ServingError: a kept column has the name of another output column.
        """
        if not isinstance(text, KeptText):
            return {}
        if self._all:
            self._require_no_duplicates(text)
            return dict(text.kept)
        return {name: text.kept.get(name) for name in self.names}

    def _require_no_duplicates(self, text: KeptText) -> None:
        if message := self._duplicates_message(text.kept):
            raise ServingError(message)

    def _duplicates_message(self, names: Iterable[str]) -> str:
        duplicates = [name for name in names if name in self._output_columns]
        if not duplicates:
            return ''
        return (
            f'--keep-columns: the output already has a column {", ".join(map(repr, duplicates))}; '
            'keep other columns, or rename these in the input'
        )


class ColumnNames(click.ParamType):  # type: ignore[type-arg]  # (generic in newer versions of click only)
    """Names of columns, separated by commas and quoted as in csv; or `all`."""

    name = 'names'

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Returns the names, or `ALL`. Fails for an empty or repeated name."""
        if isinstance(value, tuple):  # the default
            return value
        if value == _ALL_NAME:
            return ALL
        names = tuple(name.strip() for name in next(csv.reader([value]), []))
        if not all(names) or not names or len(set(names)) < len(names):
            self.fail(
                f'must be column names separated by commas, each once, as id,date; or {_ALL_NAME}. '
                f'Received: {value!r}',
                param,
                ctx,
            )
        return names


keep_option = click.option(
    '--keep-columns',
    'keep',
    type=ColumnNames(),
    default=(),
    metavar='NAMES',
    help=f'Input columns to copy to the output, as id,date; or {_ALL_NAME}.',
)


def _json_value(value: Any, name: str, where: str) -> Any:
    """The value as a type that JSON has."""
    if isinstance(value, list | tuple):
        return [_json_value(item, name, where) for item in value]
    if isinstance(value, dict):
        return {str(key): _json_value(item, name, where) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        value = value.decode(errors='replace')
    elif hasattr(value, 'isoformat'):  # a date or a time of a parquet file
        value = value.isoformat()
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ServingError(
            f'{where}: {name!r} holds half of a surrogate pair, which is not a valid character; remove it'
        ) from None
    return text


def cell(value: Any) -> str:
    """A value as the text that a csv file would contain."""
    if isinstance(value, str):
        return value
    return '' if value is None else json.dumps(value, ensure_ascii=False)
