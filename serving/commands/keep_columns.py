"""Columns of a table that come along into the answers: `--keep-columns`."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tables.options import ALL

_EVERY = 'all'


class KeptText(str):
    """A text with the values of the columns that are kept, by their names."""

    __slots__ = ('kept',)
    kept: Mapping[str, Any]


def kept_text(text: str, values: Mapping[str, Any], where: str) -> KeptText:
    """Raises ServingError for a value that is not UTF-8, with `where` it was."""
    found = KeptText(text)
    found.kept = {name: _plain(value, name, where) for name, value in values.items()}
    return found


class KeptColumns:
    """Which columns the answers of one run keep.

    Attributes:
        names: of the columns in their order; with `all`, known from the first text on.
    """

    def __init__(self, keep: tuple[str, ...], own: Iterable[str]) -> None:
        """
        Args:
            keep: names, or `ALL`.
            own: names that the answers have themselves.

        Raises:
            click.UsageError: a column would have the name of an answer.
        """
        self._all = keep == ALL
        self._own = frozenset(own)
        self.names = () if self._all else keep
        if clash := self._clash(self.names):
            raise click.UsageError(clash)

    def begin(self, text: str | None) -> None:
        """Takes the names from the first text. Raises ServingError where one is the name of an answer."""
        if self._all and isinstance(text, KeptText):
            self.names = tuple(text.kept)
            self._require_no_clash(text)

    def cells(self, text: str) -> Sequence[str]:
        """One for each name. Raises ServingError for a row that has a column which the first one lacks."""
        if not isinstance(text, KeptText):
            return ()
        for name in text.kept if self._all else ():
            if name not in self.names:
                raise ServingError(
                    f'{name!r} is in a later row and not in the first, so it has no column: name the columns that are '
                    'to be kept, or write jsonl (--to jsonl)'
                )
        return [_cell(text.kept.get(name)) for name in self.names]

    def values(self, text: str) -> dict[str, Any]:
        """By name. Raises ServingError where one is the name of an answer."""
        if not isinstance(text, KeptText):
            return {}
        if self._all:
            self._require_no_clash(text)
            return dict(text.kept)
        return {name: text.kept.get(name) for name in self.names}

    def _require_no_clash(self, text: KeptText) -> None:
        if clash := self._clash(text.kept):
            raise ServingError(clash)

    def _clash(self, names: Iterable[str]) -> str:
        clashing = [name for name in names if name in self._own]
        if not clashing:
            return ''
        return (
            f'--keep-columns: the answers have {", ".join(map(repr, clashing))} of their own; '
            'keep other columns, or rename these in the input'
        )


def _names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    if value == _EVERY:
        return ALL
    names = tuple(name.strip() for name in next(csv.reader([value]), []))
    if not all(names) or not names or len(set(names)) < len(names):
        raise click.BadParameter(
            f'names columns, each once, divided by commas: id,date; or {_EVERY}. Received: {value!r}'
        )
    return names


keep_option = click.option(
    '--keep-columns',
    'keep',
    metavar='NAMES',
    callback=_names,
    help=f'Columns of the input that the answers keep, as id,date; or {_EVERY} of them.',
)


def _plain(value: Any, name: str, where: str) -> Any:
    """The value as JSON can have it."""
    if isinstance(value, list | tuple):
        return [_plain(each, name, where) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each, name, where) for key, each in value.items()}
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
            f'{where}: {name!r} holds half of a surrogate pair, which is not a character; remove it'
        ) from None
    return text


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return '' if value is None else json.dumps(value, ensure_ascii=False)
