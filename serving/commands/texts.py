"""Where a command takes its texts from: arguments, a file, or standard input; and how it shows one."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from vaiven.serving.errors import ServingError


def texts(arguments: tuple[str, ...], file: str | None) -> Iterator[str]:
    """The arguments, or else each line of the file or of standard input, as they come.

    Raises:
        click.UsageError: there is nothing to ask.
        ServingError: the file cannot be read, holds nothing, or a text is not UTF-8.
    """
    if arguments and file is not None:
        raise click.UsageError('give texts or --file, not both')
    if arguments:
        yield from map(_checked, arguments)
    elif file is not None and file != '-':
        try:
            with Path(file).open('rb') as stream:
                yield from _lines(stream, file)
        except OSError as error:
            raise ServingError(f'cannot read {file}: {error.strerror}') from error
    elif file is None and sys.stdin.isatty():
        raise click.UsageError('give one or more texts, or --file, or lines on standard input')
    else:
        yield from _lines(sys.stdin.buffer, 'standard input')


def _checked(text: str) -> str:
    try:
        text.encode()  # bytes of an argument that are no UTF-8 arrive as lone surrogates
    except UnicodeEncodeError:
        raise ServingError(f'a text must be UTF-8. Received: {text[:40]!a}') from None
    return text


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    number = 0
    for number, line in enumerate(stream, 1):
        try:
            text = line.decode('utf-8-sig' if number == 1 else 'utf-8')
        except UnicodeDecodeError as error:
            raise ServingError(
                f'line {number} of {name} is not UTF-8 (byte {error.start + 1}): convert it, as with iconv'
            ) from None
        yield text.rstrip('\r\n')
    if not number:
        raise ServingError(f'{name} holds no text: give one text a line')


def batches(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    """Lists of at most `size` texts. What came before a fault is passed on before the fault is raised."""
    batch: list[str] = []
    try:
        for line in lines:
            batch.append(line)
            if len(batch) == size:
                yield batch
                batch = []
    except ServingError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def printable(text: str, width: int | None = None) -> str:
    """One line for a terminal: no control characters, and cut to `width` characters."""
    line = ''.join(each if each.isprintable() else ' ' for each in text)
    return line if width is None or len(line) <= width else line[: max(width - 1, 0)] + '…'


def field(text: str) -> str:
    """A text as one field of a tab-separated line."""
    return text.replace('\\', '\\\\').replace('\t', '\\t').replace('\n', '\\n').replace('\r', '\\r')
