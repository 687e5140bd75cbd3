"""Serving folders on this machine: the numbered versions in them, and a lock for the commands that change them."""

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
    """Returns the versions in a serving folder, newest first; empty if the folder does not exist.

    Raises:
        ServingError: the folder cannot be read.
    """
    try:
        return sorted(version_folders.versions(folder), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ServingError(f'cannot read {folder}: {error.strerror}') from error


def newest(model: str | None = None, root: Path | None = None) -> Path | None:
    """Returns the serving folder below `vaiven-runs` that was pushed to last.

    Args:
        model: name of the model; None for any model.
        root: folder that contains `vaiven-runs`; None for the current folder.

    Returns:
        The absolute path; None if there is no such folder with a version.
    """
    candidates = [
        ((folder / str(numbers[0])).stat().st_mtime, folder)
        for folder in (root or Path()).glob(
            f'{RUNS}/*/serving/{"*" if model is None else glob.escape(model)}'
        )
        if (numbers := [n for n in versions(folder) if (folder / str(n)).is_dir()])
    ]
    return max(candidates)[1].absolute() if candidates else None


@contextlib.contextmanager
def locked(base_path: Path) -> Iterator[None]:
    """Holds the lock of a serving folder, so that only one command changes it; without a lock file it does nothing."""
    try:
        handle = os.open(base_path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        yield  # the folder is on another machine, or read-only
        return
    try:
        # Some network file systems have no locks; commands must work there, too.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
