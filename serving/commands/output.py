"""The output of a command: standard output, or a file that an interrupted command can resume."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import click

from vaiven.serving.commands.keep_columns import KeptColumns
from vaiven.serving.commands.options import Seconds, option_group
from vaiven.serving.commands.output_formats import FORMS, Form
from vaiven.serving.commands.resume_state import ResumeState
from vaiven.serving.commands.text_inputs import Texts
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tables.names import COMPRESSIONS, TABLES

PROGRESS_SECONDS = 0.5


@dataclass(frozen=True)
class Output:
    """The output options of a command.

    Attributes:
        to: one of `FORMS`; None for a table in a terminal and text elsewhere, or from the name of the file.
        out: name of the file; None for standard output.
        resume: whether to continue a file that an interrupted command left.
        patience: seconds to wait for a server that becomes unavailable.
    """

    to: str | None
    out: str | None = None
    resume: bool = False
    patience: float = 0.0

    def open(self, form: Form[Any], single: bool, stack: ExitStack, keep: tuple[str, ...] = ()) -> Writer:
        """Opens the output.

        Args:
            form: how the command formats results.
            single: whether a text has exactly one record in every format.
            stack: closes the file.
            keep: the input columns to copy to the output.

        Raises:
            click.UsageError: the options contradict each other.
            ServingError: the file cannot be written.
        """
        return self.destination(single, stack, keep).writer(form)

    def destination(self, single: bool, stack: ExitStack, keep: tuple[str, ...] = ()) -> Destination:
        """Opens the output of a command that learns the form of its results later, with the same arguments."""
        if self.out is None:
            if self.resume:
                raise click.UsageError('--resume continues a file: name it with --out')
            stdout_form = self.to or ('text' if not sys.stdout.isatty() else None)
            if keep and stdout_form is None:
                raise click.UsageError('--keep-columns needs --to csv or jsonl, or --out FILE')
            return Destination(stdout_form, sys.stdout.buffer, 'standard output', None, keep)
        file_form = _file_form(self.out, self.to)
        if self.resume and not single and file_form != 'jsonl':
            raise click.UsageError('--resume needs one line per text: add --to jsonl')
        try:
            path = Path(self.out)
            exists = path.is_file()  # not a device, which has no end
            if exists and not self.resume and path.stat().st_size:
                raise ServingError(
                    f'{self.out} exists already: add --resume to continue it, or name another file'
                )
            state = ResumeState(path, file_form) if exists and self.resume else None
            stream = stack.enter_context(path.open('ab'))
        except OSError as error:
            raise ServingError(f'cannot write {self.out}: {error.strerror}') from error
        return Destination(file_form, stream, self.out, state, keep)


@dataclass(frozen=True)
class Destination:
    """An open output.

    Attributes:
        form_name: one of `FORMS`; None for a terminal.
        stream: where to write.
        name: name of the stream, for messages.
        state: what an interrupted command has written; None to start.
        keep: the input columns to copy.
    """

    form_name: str | None
    stream: BinaryIO
    name: str
    state: ResumeState | None
    keep: tuple[str, ...]

    def writer(self, form: Form[Any]) -> Writer:
        """A writer of results.

        Args:
            form: how the command formats results.

        Raises:
            click.UsageError: a column to copy has the name of a column of the results.
        """
        return Writer(form, self, KeptColumns(self.keep, (*form.columns, *form.keys)))


_TO_OPTION = click.option(
    '--to',
    type=click.Choice(FORMS),
    help='Format of the output.  [default: a table in a terminal, else text]',
)
_PATIENCE_OPTION = click.option(
    '--patience',
    type=Seconds(min_open=False),
    default=60.0,
    show_default=True,
    metavar='SECONDS',
    help='How long to wait for a server that becomes unavailable.',
)
# `output: Output`, to standard output alone.
stream_options = option_group('output', Output, _TO_OPTION, _PATIENCE_OPTION)
# `output: Output`.
output_options = option_group(
    'output',
    Output,
    _TO_OPTION,
    click.option('--out', metavar='FILE', help='Write the results to this file.'),
    click.option('--resume', is_flag=True, help='Continue an --out FILE that was interrupted.'),
    _PATIENCE_OPTION,
)


def _file_form(name: str, to: str | None) -> str:
    """The format of an output file.

    Args:
        name: name of the file.
        to: value of `--to`; None to infer the format from the name.

    Raises:
        click.UsageError: the name has the ending of another format, or an unknown ending without `--to`.
    """
    suffix = Path(name).suffix.lower()
    form = _ENDINGS.get(suffix)
    if to is not None:
        # Other programs, and vaiven itself, read the file in the format of its ending.
        is_specific = form is not None and suffix not in _ANY_TEXT
        if (is_specific and form != to) or suffix in _NEVER:
            raise click.UsageError(
                f'--to {to} does not fit a name that ends in {suffix}: leave out --to, or rename the file. '
                f'Received: {name}'
            )
        return to
    if form is None:
        raise click.UsageError(
            f'the name of an output file must end in {", ".join(filter(None, _ENDINGS))}, not in {suffix}: rename it, '
            f'or give the format with --to. Received: {name}'
        )
    return form


# A name without an ending, or with .txt, fits every format.
_ENDINGS = {'.csv': 'csv', '.jsonl': 'jsonl', '.tsv': 'text', '.txt': 'text', '': 'text'}
_ANY_TEXT = ('', '.txt')
_NEVER = {*COMPRESSIONS, '.xz', *TABLES} - {*_ENDINGS}


class Writer:
    """Writes results batch by batch, and shows progress in a terminal.

    Attributes:
        written: number of texts with a result, those of the resumed command included.
    """

    def __init__(self, form: Form[Any], destination: Destination, kept: KeptColumns) -> None:
        """
        Args:
            form: how the command formats results.
            destination: where to write.
            kept: the input columns to copy.
        """
        self._form = form
        self._name = destination.name
        self._form_name = destination.form_name
        self._stream = destination.stream
        self._state, self._kept = destination.state, kept
        self.written = self._state.records if self._state is not None else 0
        self._start_time, self._written_at_start = time.monotonic(), self.written
        self._shows_progress = sys.stderr.isatty() and not (
            self._stream is sys.stdout.buffer and sys.stdout.isatty()
        )
        self._next_progress = self._start_time + PROGRESS_SECONDS

    def remaining(self, texts: Texts) -> Iterator[str | None]:
        """The texts that have no result yet.

        Raises:
            ServingError: the file has results of other texts.
        """
        items = iter(texts)
        last_answered = None
        if self._state is not None:
            last_answered = self._state.skip_answered(items)
            self._stream.truncate(self._state.bytes)
        return self._with_header(items, last_answered)

    def _with_header(self, items: Iterator[str | None], last_answered: str | None) -> Iterator[str | None]:
        """The texts. Writes the header before the first one, so that an invalid input leaves an empty file."""
        first = next((item for item in items if item is not None), None)
        self._kept.read_names(first if last_answered is None else last_answered)
        header = self._form.header(self._form_name or '', self._kept.names)
        if self._state is None or not self._state.bytes:
            self._write(header)
        else:
            columns = (*self._form.cell_names(self._form_name or ''), *self._kept.names)
            self._state.check_columns(header, columns, self._kept.names)
        yield first
        yield from items

    def write(self, results: Iterable[Any], texts: Sequence[str], share: float | None) -> None:
        """Writes the results of the next texts.

        Args:
            results: one for each text.
            texts: the texts.
            share: the part of the input that has been read, 0 to 1; None if unknown.

        Raises:
            ServingError: writing failed.
            BrokenPipeError: the reader has closed the pipe.
        """
        self._write(self._form.lines(self._form_name, results, self.written + 1, texts, self._kept))
        self.written += len(texts)
        if self._shows_progress and (now := time.monotonic()) >= self._next_progress:
            self._next_progress = now + PROGRESS_SECONDS
            self._show_progress(now, share)

    def _write(self, lines: str) -> None:
        rest = memoryview(lines.encode())
        try:
            while rest:
                # Bypasses the buffer of the stream, which would retry a failed write when it is closed.
                rest = rest[os.write(self._stream.fileno(), rest) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ServingError(f'cannot write {self._name}: {error.strerror}') from error

    def _show_progress(self, now: float, share: float | None) -> None:
        speed = (self.written - self._written_at_start) / (now - self._start_time)
        part = '' if share is None else f'  {share:.0%}'
        sys.stderr.write(f'\r{self.written:,} texts  {speed:,.0f} texts/s{part}\x1b[K')
        sys.stderr.flush()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shows_progress and self._next_progress > self._start_time + PROGRESS_SECONDS:
            self._show_progress(time.monotonic(), None)
            sys.stderr.write('\n')
