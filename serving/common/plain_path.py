"""Paths that libraries take for patterns: TensorFlow and Beam look for files with `glob`, brackets and all."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


def is_pattern(path: str) -> bool:
    """Whether a library may take this path for a pattern."""
    return any(sign in path for sign in '*?[\\')


@contextlib.contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """A path to a folder without the signs of a pattern: its own, or a link that lasts as long as the context."""
    if not is_pattern(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix='vaiven-link-') as links:
        link = Path(links, 'folder')
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link
