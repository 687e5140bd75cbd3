"""How answers are written: as lines of fields, csv or jsonl, and as a terminal shows them."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click

from vaiven.serving.commands.texts import field
from vaiven.serving.common import terminal

T = TypeVar('T')
FORMS = ('text', 'csv', 'jsonl')


@dataclass(frozen=True)
class Form(Generic[T]):
    """What a command makes of an answer; each function gets the answer and the number of its text, from 1.

    Attributes:
        columns: names of the cells.
        rows: the cells, one row or several.
        values: what jsonl says.
        shown: the lines for a terminal.
        text: the cells of text, where they are not those of csv.
    """

    columns: tuple[str, ...]
    rows: Callable[[T, int], Iterable[Sequence[str]]]
    values: Callable[[T, int], dict[str, Any]]
    shown: Callable[[T, int], Iterable[str]]
    text: Callable[[T, int], Iterable[Sequence[str]]] | None = None

    def header(self, form: str) -> str:
        return _csv_line(self.columns) if form == 'csv' else ''

    def lines(self, form: str | None, answers: Iterable[T], number: int) -> str:
        """`answers` in one of `FORMS`, or for a terminal where `form` is None; `number` is that of the first text."""
        numbered = zip(answers, range(number, 1 << 62), strict=False)
        if form == 'jsonl':
            return ''.join(json.dumps(self.values(*each), ensure_ascii=False) + '\n' for each in numbered)
        if form == 'csv':
            return ''.join(_csv_line(row) for each in numbered for row in self.rows(*each))
        if form == 'text':
            rows = self.text or self.rows
            return ''.join('\t'.join(map(field, row)) + '\n' for each in numbered for row in rows(*each))
        lines = ''.join(line + '\n' for each in numbered for line in self.shown(*each))
        return lines if terminal.coloured(sys.stdout) else click.unstyle(lines)


def _csv_line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    # The csv module quotes what is in the end of its lines: with \r\n there, a \r alone too.
    csv.writer(written, lineterminator='\r\n').writerow(cells)
    return written.getvalue().removesuffix('\r\n') + '\n'
