"""Small files that others watch: replaced whole, so that nobody ever reads half of one."""

import contextlib
import os
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from vaiven.serving.errors import ServingError


def replace(path: Path, text: str) -> None:
    """Writes a file whole; it is on the disk then. Raises ServingError, and leaves the file as it was."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with temporary.open('w', encoding='utf-8') as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ServingError(f'cannot write {path}: {error.strerror}') from error
    finally:
        with contextlib.suppress(OSError):  # it may be that it could not even be named
            temporary.unlink(missing_ok=True)


def replace_message(path: Path, message: Any) -> None:
    """`replace` by a protobuf message in its text form."""
    replace(path, text_format.MessageToString(message, as_utf8=True))
