"""Atomic replacement of files."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[TextIO]:
    """Opens a text stream whose content replaces a file at the end of the `with` block.

    The content is synced to disk and then renamed, so readers see the old file or the new one. If the block raises, the
    file is unchanged. The temporary file is beside it, named `.NAME.PID`.

    Args:
        path: the file to replace; it need not exist.

    Raises:
        OSError: the file cannot be written.

    Example:
        with replacing('split.json') as stream:
            stream.write('{}')
    """
    target = Path(path)
    temporary = temporary_path(target)
    try:
        with temporary.open('w', encoding='utf-8', newline='') as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):  # the name itself may be too long
            temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Returns the path of the temporary file that `replacing` writes."""
    return path.with_name(f'.{path.name}.{os.getpid()}')
