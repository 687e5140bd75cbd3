"""What is made once for all processes of a test run, also where pytest-xdist runs two."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def locked(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """The folder that the processes of this test run share, held by one of them at a time.

    Args:
        factory: pytest's fixture `tmp_path_factory`.
        name: what is held; other names are held by others.
    """
    folder = factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        folder = folder.parent  # that of a worker lies inside that of the run
    with (folder / f'{name}.lock').open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield folder


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first caller fills by `make`; do not change it."""
    with locked(factory, name) as shared:
        folder, done = shared / 'shared' / name, shared / f'{name}.done'
        if not done.exists():
            folder.mkdir(parents=True)
            make(folder)
            done.touch()
    return folder
