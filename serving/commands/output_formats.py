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

from vaiven.serving.commands.keep_columns import KeptColumns
from vaiven.serving.commands.text_inputs import field
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
        keys: names in `values`, where they are not `columns`.
    """

    columns: tuple[str, ...]
    rows: Callable[[T, int], Iterable[Sequence[str]]]
    values: Callable[[T, int], dict[str, Any]]
    shown: Callable[[T, int], Iterable[str]]
    text: Callable[[T, int], Iterable[Sequence[str]]] | None = None
    keys: tuple[str, ...] = ()

    def header(self, form: str, kept: Sequence[str] = ()) -> str:
        return _csv_line((*self.columns, *kept)) if form == 'csv' else ''

    def lines(
        self, form: str | None, answers: Iterable[T], number: int, texts: Sequence[str], kept: KeptColumns
    ) -> str:
        """The answers as they are written.

        Args:
            form: one of `FORMS`; None for a terminal.
            answers: to `texts`.
            number: of the first text.
            texts: hold the values that are kept.
            kept: says which these are; they follow the answers.
        """
        numbered = zip(answers, range(number, 1 << 62), strict=False)
        if form == 'jsonl':
            return ''.join(
                json.dumps({**self.values(*each), **kept.values(text)}, ensure_ascii=False) + '\n'
                for each, text in zip(numbered, texts, strict=True)
            )
        if form is not None:
            rows = (self.text or self.rows) if form == 'text' else self.rows
            line = _text_line if form == 'text' else _csv_line
            return ''.join(
                line((*row, *cells))
                for each, cells in zip(numbered, map(kept.cells, texts), strict=True)
                for row in rows(*each)
            )
        lines = ''.join(line + '\n' for each in numbered for line in self.shown(*each))
        return lines if terminal.coloured(sys.stdout) else click.unstyle(lines)


def _text_line(cells: Sequence[str]) -> str:
    return '\t'.join(map(field, cells)) + '\n'


def _csv_line(cells: Sequence[str]) -> str:
    written = io.StringIO()
    # The csv module quotes what is in the end of its lines: with \r\n there, a \r alone too.
    csv.writer(written, lineterminator='\r\n').writerow(cells)
    return written.getvalue().removesuffix('\r\n') + '\n'
