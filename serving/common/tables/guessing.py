"""What an input looks like whose name does not tell its format."""

import csv
import re
from itertools import islice
from typing import NamedTuple

from vaiven.serving.common.tables.columns import near
from vaiven.serving.common.tables.delimited import SEPARATOR
from vaiven.serving.common.tables.fasttext import PREFIX
from vaiven.serving.common.tables.quoted import NO_BOUND

_OBJECT, _ARRAY = re.compile(r'\s*\{\s*"[^"\n]*"\s*:'), re.compile(r'\s*\[\s*\{\s*"')
_LINE_END = re.compile(r'\r\n|\n|\r')
# Names of columns: a few words that start with a letter. A sentence has more of them, or punctuation.
_NAME = re.compile(r'[^\W\d]\w*(?:[ ./:-]\w+){0,2}')
_MAX_NAME = 40
_MAX_ROWS = 3


class Guess(NamedTuple):
    """What lines look like.

    Attributes:
        form: `jsonl`, `json` (an array), `csv`, `tsv` or `ft`.
        sure: whether lines of ordinary text never look so.
        column: the name of the column of texts, as the header spells it; '' where it is not known.
        delimiter: of csv, where the input does not say it.
    """

    form: str
    sure: bool
    column: str = ''
    delimiter: str = ','


def guess(start: str, column: str) -> Guess | None:
    """The format of a table, or None for lines of text.

    Only what is hardly ever a text counts: a JSON object, or a header with the `column` and others beside it. Commas in
    sentences do not.

    Args:
        start: the first characters of the input.
        column: the name of the column of texts.
    """
    start = start.removeprefix('\ufeff')
    if _OBJECT.match(start):
        return Guess('jsonl', True)
    if _ARRAY.match(start):
        return Guess('json', True)
    if start.startswith(PREFIX):
        return Guess('ft', True)
    lines = _LINE_END.split(start)
    if SEPARATOR.fullmatch(lines[0]):
        return Guess('csv', True)
    if lines[0].strip(' "') == column and any(lines[1:]):
        return Guess('csv', False, column)
    guesses = (_delimited(lines, column, delimiter) for delimiter in '\t,;|')
    return next((each for each in guesses if each), None)


def _delimited(lines: list[str], column: str, delimiter: str) -> Guess | None:
    csv.field_size_limit(NO_BOUND)
    rows = csv.reader((line + '\n' for line in lines), delimiter=delimiter)
    header = next(rows)
    if len(header) < 2:
        return None
    names = [name.strip() for name in header]
    named = [name for name in names if name]
    # pandas writes its index first, in a column without a name.
    if len(named) < (2 if names[0] else 1) or len(set(named)) < len(named):
        return None
    if not all(len(name) <= _MAX_NAME and _NAME.fullmatch(name) for name in named):
        return None
    spelling = column if column in names else next((name for name in names if near(name, column)), None)
    if spelling is None:
        return None
    sizes = [len(row) for row in islice(rows, _MAX_ROWS + 1) if row]
    if len(lines) > 2 and len(sizes) <= _MAX_ROWS:
        sizes = sizes[:-1] or sizes  # what was read may end in the middle of a row
    same_size = all(size == len(names) for size in sizes[:_MAX_ROWS])
    form = 'tsv' if delimiter == '\t' else 'csv'
    # People write a space after a comma, and programs none.
    if header == names:
        return Guess(form, same_size, spelling, delimiter) if same_size or spelling == column else None
    words = all(' ' not in name for name in named)
    unsure = words and sizes and same_size and spelling == column
    return Guess(form, False, spelling, delimiter) if unsure else None
