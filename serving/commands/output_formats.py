"""Output formats: tab-separated text, csv, jsonl, and lines for a terminal."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click

from vaiven.serving.commands.keep_columns import KeptColumns
from vaiven.serving.commands.text_inputs import field
from vaiven.serving.common import terminal

T = TypeVar('T')
FORMS = ('text', 'csv', 'jsonl')


@dataclass(frozen=True)
class Form(Generic[T]):
    """How a command formats a result. Each function gets the result and the number of its text, from 1.

    Attributes:
        columns: names of the csv columns.
        rows: the csv cells of a result, in one row or several.
        values: the jsonl object of a result.
        terminal_lines: the lines for a terminal.
        text_rows: the cells of tab-separated text, if they differ from `rows`.
        text_columns: names of the columns of tab-separated text, if they differ from `columns`.
        keys: keys of `values`, if they differ from `columns`.
    """

    columns: tuple[str, ...]
    rows: Callable[[T, int], Iterable[Sequence[str]]]
    values: Callable[[T, int], dict[str, Any]]
    terminal_lines: Callable[[T, int], Iterable[str]]
    text_rows: Callable[[T, int], Iterable[Sequence[str]]] | None = None
    text_columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def cell_names(self, form: str) -> tuple[str, ...]:
        """Names of the columns in csv and text."""
        return (self.text_columns or self.columns) if form == 'text' else self.columns

    def header(self, form: str, kept: Sequence[str] = ()) -> str:
        """The first line of an output file, with the names of the `kept` columns; '' except for csv."""
        return _csv_line((*self.columns, *kept)) if form == 'csv' else ''

    def lines(
        self, form: str | None, results: Iterable[T], number: int, texts: Sequence[str], kept: KeptColumns
    ) -> str:
        """Formats results.

        Args:
            form: one of `FORMS`; None for a terminal.
            results: one for each text.
            number: number of the first text.
            texts: the texts, with the values of their kept columns.
            kept: the columns to append to each row.
        """
        numbered = zip(results, range(number, 1 << 62), strict=False)
        if form == 'jsonl':
            return ''.join(
                json.dumps({**self.values(*item), **kept.values(text)}, ensure_ascii=False) + '\n'
                for item, text in zip(numbered, texts, strict=True)
            )
        if form is not None:
            rows = (self.text_rows or self.rows) if form == 'text' else self.rows
            line = _text_line if form == 'text' else _csv_line
            return ''.join(
                line((*row, *cells))
                for item, cells in zip(numbered, map(kept.cells, texts), strict=True)
                for row in rows(*item)
            )
        lines = ''.join(line + '\n' for item in numbered for line in self.terminal_lines(*item))
        return lines if terminal.coloured(sys.stdout) else click.unstyle(lines)


def _text_line(cells: Sequence[str]) -> str:
    return '\t'.join(map(field, cells)) + '\n'


def _csv_line(cells: Sequence[str]) -> str:
    stream = io.StringIO()
    # The csv module quotes fields with a character of its line terminator: \r\n has it quote a lone \r, too.
    csv.writer(stream, lineterminator='\r\n').writerow(cells)
    return stream.getvalue().removesuffix('\r\n') + '\n'
