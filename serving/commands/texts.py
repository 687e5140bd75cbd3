"""Where a command takes its texts from: arguments, a file, or standard input; and how it shows one."""

from __future__ import annotations

import csv
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click

from vaiven.serving.commands.lines import MAX_LINE_BYTES, Lines
from vaiven.serving.common import terminal
from vaiven.serving.errors import ServingError

FORMS = ('lines', 'jsonl', 'csv', 'tsv')


@dataclass(frozen=True)
class Input:
    """What the options say of the texts.

    Attributes:
        file: its name; None or '-' for standard input.
        form: one of `FORMS`; None for the one that the file's name tells.
        field: the name of the text in each object or row.
    """

    file: str | None
    form: str | None
    field: str

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
        if arguments:
            return Texts(map(_checked, arguments))
        if self.file is None and sys.stdin.isatty():
            raise click.UsageError('give one or more texts, or --file, or lines on standard input')
        lines = stack.enter_context(Lines(None if self.file == '-' else self.file))
        return Texts(_READERS[self.form or _form(lines.name)](lines, self.field), lines.share)


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
    def with_source(*, file: str | None, form: str | None, field: str, **others: Any) -> Any:
        return command(source=Input(file, form, field), **others)

    for option in (
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
    suffix = name.lower().removesuffix('.gz').rpartition('.')[2]
    return suffix if suffix in FORMS else 'lines'


def _checked(text: str, where: str = 'a text') -> str:
    try:
        text.encode()  # bytes of an argument that are no UTF-8 arrive as lone surrogates, and so do some \u in JSON
    except UnicodeEncodeError:
        raise ServingError(f'{where} must be UTF-8. Received: {text[:40]!a}') from None
    return text


def _bare(lines: Lines) -> Iterator[str | None]:
    """Without the CR of lines that end in CRLF."""
    return (line if line is None else line.removesuffix('\r') for line in lines)


def _plain(lines: Lines, field: str) -> Iterator[str | None]:
    yield from _bare(lines)
    if not lines.number:
        raise ServingError(f'{lines.name} holds no text: give one text a line')


def _jsonl(lines: Lines, field: str) -> Iterator[str | None]:
    for line in _bare(lines):
        if line is None:
            yield None
        elif line and not line.isspace():
            yield _of_json(line, field, f'line {lines.number} of {lines.name}')
    if not lines.number:
        raise ServingError(f'{lines.name} holds no text: give one JSON object a line')


def _of_json(line: str, field: str, where: str) -> str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ServingError(f'{where} is no JSON: {error}') from None
    if not isinstance(found, dict):
        raise ServingError(f'{where} must be an object as {{"{field}": …}}. Received: {line[:40]}')
    if field not in found:
        raise ServingError(f'{where} has no {field!r}; it has: {", ".join(found)}. Name one with --field')
    if not isinstance(found[field], str):
        raise ServingError(
            f'{field!r} in {where} must be a string. Received: {json.dumps(found[field])[:40]}'
        )
    return _checked(found[field], f'{field!r} in {where}')


def _csv(lines: Lines, field: str) -> Iterator[str | None]:
    """RFC 4180. A pause goes through the csv module as an empty line, of which it makes a row without fields."""
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(('' if line is None else line + '\n' for line in lines), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            raise ServingError(f'{lines.name} is empty: its first line must name the columns') from None
        except csv.Error as error:
            raise _no_csv(lines, error) from None
        if row:
            break
    place, size = _place(row, field, lines), len(row)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _no_csv(lines, error) from None
        if not row:
            yield None
        elif len(row) != size:
            raise _uneven(lines, len(row), size, 'quote fields that contain a comma')
        else:
            yield row[place]


def _no_csv(lines: Lines, error: csv.Error) -> ServingError:
    return ServingError(
        f'line {lines.number} of {lines.name} is not csv ({error}): a mark inside a quoted field is doubled, ""'
    )


def _tsv(lines: Lines, field: str) -> Iterator[str | None]:
    """Quotation marks are characters like others. An empty line is a text where there is but one column."""
    place, size = -1, 0
    for line in _bare(lines):
        if line is None or (not line and size != 1):
            yield None
            continue
        row = line.split('\t')
        if place < 0:
            place, size = _place(row, field, lines), len(row)
        elif len(row) != size:
            raise _uneven(lines, len(row), size, 'a tab inside a text must become a space')
        else:
            yield row[place]
    if place < 0:
        raise ServingError(f'{lines.name} is empty: its first line must name the columns')


def _place(header: list[str], field: str, lines: Lines) -> int:
    names = [name.strip() for name in header]
    if field not in names:
        raise ServingError(
            f'{lines.name} has no column {field!r}; it has: {", ".join(names)}. Name one with --field'
        )
    return names.index(field)


def _uneven(lines: Lines, fields: int, size: int, rule: str) -> ServingError:
    return ServingError(f'line {lines.number} of {lines.name} has {fields} fields, the header {size}: {rule}')


_READERS: dict[str, Callable[[Lines, str], Iterator[str | None]]] = {
    'lines': _plain,
    'jsonl': _jsonl,
    'csv': _csv,
    'tsv': _tsv,
}


def printable(text: str, width: int | None = None) -> str:
    """One line for a terminal: no control characters, and cut to `width` columns."""
    line = text if text.isprintable() else ''.join(each if each.isprintable() else ' ' for each in text)
    return line if width is None else terminal.cut(line, width)


def field(text: str) -> str:
    """A text as one field of a tab-separated line."""
    if text.isprintable() and '\\' not in text:
        return text
    return text.replace('\\', '\\\\').replace('\t', '\\t').replace('\n', '\\n').replace('\r', '\\r')
