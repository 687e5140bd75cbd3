"""Where answers are written to: standard output, or a file that an interrupted run can go on with."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import click

from vaiven.serving.commands.keep_columns import KeptColumns
from vaiven.serving.commands.options import Seconds
from vaiven.serving.commands.output_formats import FORMS, Form
from vaiven.serving.commands.resume_state import Found
from vaiven.serving.commands.text_inputs import Texts
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tables.names import COMPRESSIONS, TABLES

SHOW_SECONDS = 0.5


@dataclass(frozen=True)
class Output:
    """What the options say of the answers; `form` None is a table in a terminal and text elsewhere."""

    form: str | None
    out: str | None = None
    resume: bool = False
    patience: float = 0.0

    def open(self, form: Form[Any], single: bool, stack: ExitStack, keep: tuple[str, ...] = ()) -> Writer:
        """Ready to write.

        Args:
            form: of the answers.
            single: whether a text has one record in every form.
            stack: closes the file.
            keep: the columns of the input that the answers keep.

        Raises:
            click.UsageError: the options do not go together.
            ServingError: the file cannot be written.
        """
        kept = KeptColumns(keep, (*form.columns, *form.keys))
        if self.out is None:
            if self.resume:
                raise click.UsageError('--resume goes on with a file: name it with --out')
            shown_as = self.form or ('text' if not sys.stdout.isatty() else None)
            if keep and shown_as is None:
                raise click.UsageError('--keep-columns goes with --to csv or jsonl, or with --out FILE')
            return Writer(form, shown_as, sys.stdout.buffer, 'standard output', None, kept)
        written_as = _form(self.out, self.form)
        if self.resume and not single and written_as != 'jsonl':
            raise click.UsageError('--resume needs one line a text: add --to jsonl')
        try:
            path = Path(self.out)
            there = path.is_file()  # not a device, which has no end
            if there and not self.resume and path.stat().st_size:
                raise ServingError(
                    f'{self.out} is there already: add --resume to go on with it, or name another'
                )
            found = Found(path, written_as) if there and self.resume else None
            stream = stack.enter_context(path.open('ab'))
        except OSError as error:
            raise ServingError(f'cannot write {self.out}: {error.strerror}') from error
        return Writer(form, written_as, stream, self.out, found, kept)


def stream_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--to` and `--patience`, which reach the command as one `Output` called `output`."""

    @functools.wraps(command)
    def with_output(*, to: str | None, patience: float, **others: Any) -> Any:
        return command(output=Output(to, patience=patience), **others)

    return _to(_patience(with_output))


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--to`, `--out`, `--resume` and `--patience`, which reach the command as one `Output` called `output`."""

    @functools.wraps(command)
    def with_output(*, to: str | None, out: str | None, resume: bool, patience: float, **others: Any) -> Any:
        return command(output=Output(to, out, resume, patience), **others)

    for option in (
        _patience,
        click.option('--resume', is_flag=True, help='Go on where an interrupted --out FILE ends.'),
        click.option('--out', metavar='FILE', help='Write the answers to this file, as they come.'),
        _to,
    ):
        with_output = option(with_output)
    return with_output


_patience = click.option(
    '--patience',
    type=Seconds(min_open=False),
    default=60.0,
    show_default=True,
    metavar='SECONDS',
    help='How long to wait for a server that goes away in the middle.',
)
_to = click.option(
    '--to', type=click.Choice(FORMS), help='How answers are written.  [default: a table; text in a pipe]'
)


def _form(name: str, to: str | None) -> str:
    """The form that `--to` or else the name of a file tells. Raises UsageError where the name promises another one."""
    suffix = Path(name).suffix.lower()
    form = _ENDINGS.get(suffix)
    if to is not None:
        # Other programs, and our own commands, would read the file as what its name promises.
        promises = form is not None and suffix not in _ANY_TEXT
        if (promises and form != to) or suffix in _NEVER:
            raise click.UsageError(
                f'--to {to} does not fit a name that ends in {suffix}: leave --to out, or name the file otherwise. '
                f'Received: {name}'
            )
        return to
    if form is None:
        raise click.UsageError(
            f'answers are written as {", ".join(filter(None, _ENDINGS))}, not as {suffix}: name the file so, or say '
            f'with --to what to write in it. Received: {name}'
        )
    return form


# A name without an ending promises nothing.
_ENDINGS = {'.csv': 'csv', '.jsonl': 'jsonl', '.tsv': 'text', '.txt': 'text', '': 'text'}
_ANY_TEXT = ('', '.txt')
_NEVER = {*COMPRESSIONS, '.xz', *TABLES} - {*_ENDINGS}


class Writer:
    """Writes answers, and in a terminal tells how far it is. Each batch is written as soon as it is there."""

    def __init__(
        self,
        form: Form[Any],
        written_as: str | None,
        stream: BinaryIO,
        name: str,
        found: Found | None,
        kept: KeptColumns,
    ) -> None:
        self._form = form
        self._name = name
        self._as = written_as
        self._stream = stream
        self._found, self._kept = found, kept
        self.written = found.records if found is not None else 0
        self._began, self._at_begin = time.monotonic(), self.written
        self._shows = sys.stderr.isatty() and not (stream is sys.stdout.buffer and sys.stdout.isatty())
        self._next_show = self._began + SHOW_SECONDS

    def left(self, texts: Texts) -> Iterator[str | None]:
        """The texts that have not been answered. Raises ServingError where the answers are to other texts."""
        items = iter(texts)
        answered = None
        if self._found is not None:
            answered = self._found.check(items)
            self._stream.truncate(self._found.bytes)
        return self._begun(items, answered)

    def _begun(self, items: Iterator[str | None], answered: str | None) -> Iterator[str | None]:
        """The texts, and the header before the first of them: an input that is refused leaves no file to go on with."""
        first = next((item for item in items if item is not None), None)
        self._kept.begin(first if answered is None else answered)
        header = self._form.header(self._as or '', self._kept.names)
        if self._found is None or not self._found.bytes:
            self._write(header)
        else:
            self._found.check_columns(header, (*self._form.columns, *self._kept.names), self._kept.names)
        yield first
        yield from items

    def write(self, answers: Iterable[Any], texts: Sequence[str], share: float | None) -> None:
        """Writes the answers to the next texts; `share` is how much of the input has been read.

        Raises:
            ServingError: they cannot be written.
            BrokenPipeError: nobody reads them any more.
        """
        self._write(self._form.lines(self._as, answers, self.written + 1, texts, self._kept))
        self.written += len(texts)
        if self._shows and (now := time.monotonic()) >= self._next_show:
            self._next_show = now + SHOW_SECONDS
            self._show(now, share)

    def _write(self, lines: str) -> None:
        left = memoryview(lines.encode())
        try:
            while left:
                # Past the buffer of the stream, which would try what failed once more when it is closed.
                left = left[os.write(self._stream.fileno(), left) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ServingError(f'cannot write {self._name}: {error.strerror}') from error

    def _show(self, now: float, share: float | None) -> None:
        speed = (self.written - self._at_begin) / (now - self._began)
        part = '' if share is None else f'  {share:.0%}'
        sys.stderr.write(f'\r{self.written:,} texts  {speed:,.0f} a second{part}\x1b[K')
        sys.stderr.flush()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shows and self._next_show > self._began + SHOW_SECONDS:
            self._show(time.monotonic(), None)
            sys.stderr.write('\n')
