"""The input texts of a command, from its arguments, a file or standard input; and how a text is printed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import click

from vaiven.serving.commands.keep_columns import text_with_columns
from vaiven.serving.commands.options import encoding_option, option_group
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tables.blocks import STANDARD_INPUT, Blocks, open_path
from vaiven.serving.common.tables.guessing import Guess, guess
from vaiven.serving.common.tables.lines import Lines
from vaiven.serving.common.tables.names import TABLES, split_name
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import ALL, Options, Remedies
from vaiven.serving.common.tables.reading import start, table_rows

FORMS = ('lines', 'jsonl', 'csv', 'tsv')
# A jsonl object may lack a key, so a key to keep is only reported as missing if none of the first rows has it.
_MAX_ROWS_WITHOUT_KEY = 100
_REMEDIES = Remedies(column='name one with --field {name}', encoding='--encoding {value}')


@dataclass(frozen=True)
class Input:
    """The input options of a command.

    Attributes:
        file: name of the file; None or '-' for standard input.
        form: one of `FORMS`; None to infer it from the name of the file.
        field: name of the column or key with the text.
        encoding: encoding of the file; None for UTF-8.
        keep: names of the columns that each text carries as a `KeptText`; `ALL` for all.
    """

    file: str | None
    form: str | None
    field: str
    encoding: str | None = None
    keep: tuple[str, ...] = ()

    def is_given(self, arguments: tuple[str, ...]) -> bool:
        """Whether the user gave texts as arguments or named a file."""
        return bool(arguments) or self.file is not None

    def texts(self, arguments: tuple[str, ...], stack: ExitStack) -> Texts:
        """The texts of the arguments, or else of the file or standard input.

        Args:
            arguments: texts on the command line.
            stack: closes the file.

        Raises:
            click.UsageError: there are no texts, or the options contradict each other.
            ServingError: the file cannot be read.
        """
        if arguments and (self.file is not None or self.form is not None):
            raise click.UsageError('give texts or --file and --from, not both')
        if arguments and self.keep:
            raise click.UsageError('--keep-columns needs a table, in --file or on standard input')
        if arguments:
            return Texts(map(_require_utf8, arguments))
        if self.file is None and sys.stdin.isatty():
            raise click.UsageError('give one or more texts, or --file, or lines on standard input')
        path = None if self.file == '-' else self.file
        name = STANDARD_INPUT if path is None else path
        form = self.form or _form(name)
        if self.keep and form in ('lines', 'ft'):
            raise click.UsageError(
                '--keep-columns needs a table: lines have no columns. Name a .csv, .tsv, .jsonl or .parquet file, '
                'or give the format with --from'
            )
        blocks = stack.enter_context(Blocks(open_path(path), name, path or ''))
        options = Options({'text': self.field}, keep=self.keep, encoding=self.encoding, remedies=_REMEDIES)
        if form != 'lines':
            return Texts(_rows(blocks, form, options), blocks.share)
        if self.form is not None:
            return Texts(_lines(blocks, options), blocks.share)
        # A name that ends in .txt means lines, although fastText tables have such names, too.
        items = _lines_unless_table(blocks, options, only='ft' if split_name(name)[0] == '.txt' else None)
        return Texts(items, blocks.share)


@dataclass(frozen=True)
class Texts:
    """A stream of input texts.

    Iterating raises ServingError if a text cannot be read or is not UTF-8, or if there is no text at all.

    Attributes:
        items: the texts; None while the input pauses.
        share: returns the part of the input that has been read, 0 to 1; None if the size is unknown.
    """

    items: Iterable[str | None]
    share: Callable[[], float | None] = lambda: None

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.items)


# `source: Input`.
input_options = option_group(
    'source',
    Input,
    click.option('--file', metavar='FILE', help='Read the texts from this file; - is standard input.'),
    click.option(
        '--from',
        'form',
        type=click.Choice(FORMS),
        help='Format of the input.  [default: from the name of FILE, or lines]',
    ),
    click.option(
        '--field', default='text', show_default=True, help='Column or JSON key that holds the text.'
    ),
    encoding_option,
)


def batches(texts: Iterable[str | None], size: int, *, fixed: bool = False) -> Iterator[list[str]]:
    """Groups texts into batches.

    Texts before an error are yielded before the error is raised.

    Args:
        texts: the texts; None while the input pauses.
        size: the largest batch.
        fixed: whether a batch is only yielded once it is full. Otherwise a pause yields an incomplete one.
    """
    batch: list[str] = []
    try:
        for text in texts:
            if text is not None:
                batch.append(text)
            if len(batch) == size or (text is None and batch and not fixed):
                yield batch
                batch = []
    except ServingError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _form(name: str) -> str:
    suffix = split_name(name)[0]
    return suffix.removeprefix('.') if suffix in TABLES else 'lines'


def _require_utf8(text: str, where: str = 'a text') -> str:
    try:
        text.encode()  # bytes of an argument that are not UTF-8 arrive as lone surrogates, as do some \u in JSON
    except UnicodeEncodeError:
        raise ServingError(f'{where} must be UTF-8. Received: {text[:40]!a}') from None
    return text


def _lines(blocks: Blocks, options: Options) -> Iterator[str | None]:
    """One text per line, without the CR of lines that end in CRLF."""
    # In a pipe, programs print CR to overwrite a progress line.
    lines = Lines(blocks, options, carriage_returns=not blocks.pausing)
    for line in lines:
        yield line if line is None else line.removesuffix('\r')
    if not lines.number:
        raise ServingError(f'{blocks.name} holds no text: give one text per line')


def _lines_unless_table(blocks: Blocks, options: Options, only: str | None = None) -> Iterator[str | None]:
    """The lines of an input, with a check whether it is a table.

    Args:
        blocks: the input.
        options: how a table would be read.
        only: the only form of table to look for; None for all.

    Raises:
        ServingError: the input is certainly a table. If it only may be one, a warning is printed.
    """
    column = options.columns['text']
    guessed = guess(start(blocks, options), column)
    if guessed is not None and only in (None, guessed.form):
        line = f'{blocks.name}: {_table_advice(guessed, column)}'
        if guessed.sure:
            raise ServingError(f'{line}; if each line is a text, add --from lines')
        print(f'vaiven: {line}', file=sys.stderr)
    yield from _lines(blocks, options)


def _table_advice(guessed: Guess, column: str) -> str:
    if guessed.form == 'ft':
        return 'looks like fastText lines: use a file named NAME.ft.txt'
    if guessed.form == 'json':
        return 'looks like a JSON array: use a file named NAME.json'
    if guessed.form == 'jsonl':
        return 'looks like jsonl: add --from jsonl'
    named = f' with a column {guessed.column!r}' if guessed.column else ''
    field = '' if guessed.column in ('', column) else f' --field {shlex.quote(guessed.column)}'
    separator = ''
    if guessed.form == 'csv' and guessed.delimiter != ',':
        separator = f', and a first line sep={guessed.delimiter}'
    seems = 'looks like' if guessed.sure else 'is read as lines, but its first line may be the header of'
    return f'{seems} {guessed.form}{named}: add --from {guessed.form}{field}{separator}'


def _rows(blocks: Blocks, form: str, options: Options) -> Iterator[str | None]:
    """The texts of a table. Warnings about it are printed at its end."""
    notes = Notes()
    rows = 0
    missing = set() if options.keep == ALL else set(options.keep)
    for record in table_rows(blocks, f'.{form}', options, notes):
        if record is None:
            yield None
            continue
        rows += 1
        text = record.fields['text'] or ''
        if options.keep:
            text = text_with_columns(text, record.kept, record.where)
            if missing:
                missing -= record.kept.keys()
                _require_kept(missing if rows == _MAX_ROWS_WITHOUT_KEY else (), blocks.name, rows)
        yield text
    _require_kept(missing if rows else (), blocks.name, rows)
    if not rows and form in ('jsonl', 'json', 'ft'):
        raise ServingError(f'{blocks.name} holds no text: give one JSON object per line')
    for line in notes.lines():
        print(f'vaiven: {line}', file=sys.stderr)


def _require_kept(missing: Collection[str], name: str, rows: int) -> None:
    if missing:
        raise ServingError(
            f'{name}: none of the first {rows:,} rows has the key {min(missing)!r}; correct --keep-columns'
        )


def printable(text: str, width: int | None = None) -> str:
    """A text as one line for a terminal: without control characters, and cut to `width` columns."""
    line = (
        text
        if text.isprintable()
        else ''.join(character if character.isprintable() else ' ' for character in text)
    )
    return line if width is None else terminal.cut(line, width)


def field(text: str) -> str:
    """A text as one field of a tab-separated line; tabs, line breaks and backslashes are escaped."""
    if text.isprintable() and '\\' not in text:
        return text
    return text.replace('\\', '\\\\').replace('\t', '\\t').replace('\n', '\\n').replace('\r', '\\r')
