"""Serving folders on this machine: the numbered versions that were pushed, and one command at a time on them."""

import contextlib
import fcntl
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from vaiven.serving.common import version_folders
from vaiven.serving.common.errors import ServingError

RUNS = 'vaiven-runs'
LOCK = '.rollout-lock'


def versions(folder: Path) -> list[int]:
    """Its versions, newest first; empty where there is no such folder. Raises ServingError if unreadable."""
    try:
        return sorted(version_folders.versions(folder), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ServingError(f'cannot read {folder}: {error.strerror}') from error


def newest(model: str | None = None, root: Path | None = None) -> Path | None:
    """The serving folder below `vaiven-runs/` that was pushed to last, for one model or for any."""
    found = [
        ((folder / str(numbers[0])).stat().st_mtime, folder)
        for folder in (root or Path()).glob(
            f'{RUNS}/*/serving/{"*" if model is None else glob.escape(model)}'
        )
        if (numbers := [n for n in versions(folder) if (folder / str(n)).is_dir()])
    ]
    return max(found)[1].absolute() if found else None


@contextlib.contextmanager
def alone(base_path: Path) -> Iterator[None]:
    """Waits until no other command changes what lies in `base_path`; does nothing where it cannot be locked."""
    try:
        handle = os.open(base_path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        yield  # the folder is on another machine, or for reading only
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
