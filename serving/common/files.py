"""Small files that others watch: replaced whole, so that nobody ever reads half of one."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from google.protobuf import text_format

from vaiven.serving.common.errors import ServingError


def replace(path: Path, text: str) -> None:
    """Writes a file whole; it is on the disk then. Raises ServingError, and leaves the file as it was."""
    replace_with(path, lambda stream: stream.write(text))


def replace_with(path: Path, write: Callable[[TextIO], object]) -> None:
    """`replace` by what `write` puts into the stream that it is given. An error of `write` leaves the file, too."""
    temporary = _temporary(path)
    try:
        with temporary.open('w', encoding='utf-8', newline='') as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ServingError(f'cannot write {path}: {error.strerror}') from error
    finally:
        with contextlib.suppress(OSError):  # it may be that it could not even be named
            temporary.unlink(missing_ok=True)


def check(path: Path) -> None:
    """Raises ServingError where `replace` could not write the file; changes nothing."""
    temporary = _temporary(path)
    try:
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise ServingError(f'cannot write {path}: {error.strerror}') from error


def _temporary(path: Path) -> Path:
    return path.with_name(f'.{path.name}.{os.getpid()}')


def replace_message(path: Path, message: Any) -> None:
    """`replace` by a protobuf message in its text form."""
    replace(path, text_format.MessageToString(message, as_utf8=True))
