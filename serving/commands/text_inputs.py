"""Where a command takes its texts from: arguments, a file, or standard input; and how it shows one."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click

from vaiven.serving.commands.keep_columns import kept_text
from vaiven.serving.commands.options import encoding_option
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
# An object of jsonl need not have each key, so one that no object has is told after so many.
_ROWS_LOOKED_AT = 100
_REMEDIES = Remedies(column='name one with --field {name}', encoding='--encoding {value}')


@dataclass(frozen=True)
class Input:
    """What the options say of the texts.

    Attributes:
        file: its name; None or '-' for standard input.
        form: one of `FORMS`; None for the one that the file's name tells.
        field: the name of the text in each object or row.
        encoding: of the file; None for UTF-8.
        keep: names of columns of a table that come along as `KeptText`; `ALL` for all.
    """

    file: str | None
    form: str | None
    field: str
    encoding: str | None = None
    keep: tuple[str, ...] = ()

    def given(self, arguments: tuple[str, ...]) -> bool:
        """Whether there is anything to read but a terminal."""
        return bool(arguments) or self.file is not None

    def texts(self, arguments: tuple[str, ...], stack: ExitStack) -> Texts:
        """The arguments, or else what the file or standard input holds, which `stack` closes.

        Raises:
            click.UsageError: there is nothing to ask.
            ServingError: the file cannot be read.
        """
        if arguments and (self.file is not None or self.form is not None):
            raise click.UsageError('give texts or --file and --from, not both')
        if arguments and self.keep:
            raise click.UsageError('--keep-columns goes with a table, in --file or on standard input')
        if arguments:
            return Texts(map(_checked, arguments))
        if self.file is None and sys.stdin.isatty():
            raise click.UsageError('give one or more texts, or --file, or lines on standard input')
        path = None if self.file == '-' else self.file
        name = STANDARD_INPUT if path is None else path
        form = self.form or _form(name)
        if self.keep and form in ('lines', 'ft'):
            raise click.UsageError(
                '--keep-columns goes with a table: lines have no columns. Name a .csv, .tsv, .jsonl or .parquet file, '
                'or say with --from what comes'
            )
        blocks = stack.enter_context(Blocks(open_path(path), name, path or ''))
        options = Options({'text': self.field}, keep=self.keep, encoding=self.encoding, remedies=_REMEDIES)
        if form != 'lines':
            return Texts(_rows(blocks, form, options), blocks.share)
        if self.form is not None:
            return Texts(_lines(blocks, options), blocks.share)
        # A name that ends in .txt says that these are lines, though fastText's tables have such names, too.
        items = _lines_if_so(blocks, options, only='ft' if split_name(name)[0] == '.txt' else None)
        return Texts(items, blocks.share)


@dataclass(frozen=True)
class Texts:
    """Texts as they come; None where the input pauses. `share` tells how much has been read, 0 to 1, if that is known.

    Iterating raises ServingError where a text cannot be read or is not UTF-8, or there is none at all.
    """

    items: Iterable[str | None]
    share: Callable[[], float | None] = lambda: None

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.items)


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--file`, `--from` and `--field`, which reach the command as one `Input` called `source`."""

    @functools.wraps(command)
    def with_source(
        *, file: str | None, form: str | None, field: str, encoding: str | None, **others: Any
    ) -> Any:
        return command(source=Input(file, form, field, encoding), **others)

    for option in (
        encoding_option,
        click.option(
            '--field', default='text', show_default=True, help='Where the text is in each JSON object or row.'
        ),
        click.option(
            '--from',
            'form',
            type=click.Choice(FORMS),
            help='How texts come.  [default: as the name of FILE says]',
        ),
        click.option('--file', metavar='FILE', help='Take the texts from this file; - is standard input.'),
    ):
        with_source = option(with_source)
    return with_source


def batches(texts: Iterable[str | None], size: int, *, fixed: bool = False) -> Iterator[list[str]]:
    """Lists of at most `size` texts; a pause passes on what there is, unless the sizes are to be `fixed`.

    What came before a fault is passed on before the fault is raised.
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


def _checked(text: str, where: str = 'a text') -> str:
    try:
        text.encode()  # bytes of an argument that are no UTF-8 arrive as lone surrogates, and so do some \u in JSON
    except UnicodeEncodeError:
        raise ServingError(f'{where} must be UTF-8. Received: {text[:40]!a}') from None
    return text


def _lines(blocks: Blocks, options: Options) -> Iterator[str | None]:
    """One text a line, without the CR of lines that end in CRLF."""
    # In a pipe a CR may be what a program shows its progress with.
    lines = Lines(blocks, options, carriage_returns=not blocks.pausing)
    for line in lines:
        yield line if line is None else line.removesuffix('\r')
    if not lines.number:
        raise ServingError(f'{blocks.name} holds no text: give one text a line')


def _lines_if_so(blocks: Blocks, options: Options, only: str | None = None) -> Iterator[str | None]:
    """The lines of an input that may be a table (of the form `only`): refused where it surely is one, else told."""
    column = options.columns['text']
    guessed = guess(start(blocks, options), column)
    if guessed is not None and only in (None, guessed.form):
        line = f'{blocks.name}: {_table_advice(guessed, column)}'
        if guessed.sure:
            raise ServingError(f'{line}; where each line is a text, add --from lines')
        print(f'vaiven: {line}', file=sys.stderr)
    yield from _lines(blocks, options)


def _table_advice(guessed: Guess, column: str) -> str:
    if guessed.form == 'ft':
        return 'looks like lines of fastText: give a file that is named NAME.ft.txt'
    if guessed.form == 'json':
        return 'looks like an array of JSON: give a file that is named NAME.json'
    if guessed.form == 'jsonl':
        return 'looks like jsonl: add --from jsonl'
    named = f' with a column {guessed.column!r}' if guessed.column else ''
    field = '' if guessed.column in ('', column) else f' --field {shlex.quote(guessed.column)}'
    separator = ''
    if guessed.form == 'csv' and guessed.delimiter != ',':
        separator = f', with a first line sep={guessed.delimiter}'
    seems = 'looks like' if guessed.sure else 'was read as lines, and its first line may be the header of'
    return f'{seems} {guessed.form}{named}: add --from {guessed.form}{field}{separator}'


def _rows(blocks: Blocks, form: str, options: Options) -> Iterator[str | None]:
    """The texts of a table. What was noticed in it is said at its end."""
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
            text = kept_text(text, record.kept, record.where)
            if missing:
                missing -= record.kept.keys()
                _require_kept(missing if rows == _ROWS_LOOKED_AT else (), blocks.name, rows)
        yield text
    _require_kept(missing if rows else (), blocks.name, rows)
    if not rows and form in ('jsonl', 'json', 'ft'):
        raise ServingError(f'{blocks.name} holds no text: give one JSON object a line')
    for line in notes.lines():
        print(f'vaiven: {line}', file=sys.stderr)


def _require_kept(missing: Collection[str], name: str, rows: int) -> None:
    if missing:
        raise ServingError(
            f'{name}: no key is named {min(missing)!r}, which is to be kept, in the first {rows:,} rows; '
            'correct --keep-columns'
        )


def printable(text: str, width: int | None = None) -> str:
    """One line for a terminal: no control characters, and cut to `width` columns."""
    line = text if text.isprintable() else ''.join(each if each.isprintable() else ' ' for each in text)
    return line if width is None else terminal.cut(line, width)


def field(text: str) -> str:
    """A text as one field of a tab-separated line."""
    if text.isprintable() and '\\' not in text:
        return text
    return text.replace('\\', '\\\\').replace('\t', '\\t').replace('\n', '\\n').replace('\r', '\\r')
