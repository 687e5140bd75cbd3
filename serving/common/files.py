"""Atomic replacement of small files that other processes watch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from google.protobuf import text_format

from vaiven.atomic import replacing, temporary_path
from vaiven.serving.common.errors import ServingError


def replace(path: Path, text: str) -> None:
    """Replaces a file atomically and syncs it to disk. Raises ServingError and leaves the file unchanged on failure."""
    replace_with(path, lambda stream: stream.write(text))


def replace_with(path: Path, write: Callable[[TextIO], object]) -> None:
    """Replaces a file atomically by what `write` writes to a stream; on failure the file is unchanged."""
    try:
        with replacing(path) as stream:
            write(stream)
    except OSError as error:
        raise ServingError(f'cannot write {path}: {error.strerror}') from error


def check(path: Path) -> None:
    """Raises ServingError if `replace` could not write the file. Changes nothing."""
    temporary = temporary_path(path)
    try:
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise ServingError(f'cannot write {path}: {error.strerror}') from error


def replace_message(path: Path, message: Any) -> None:
    """Replaces a file atomically by a protobuf message in text format."""
    replace(path, text_format.MessageToString(message, as_utf8=True))
