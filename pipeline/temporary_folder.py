"""The temporary folder of a run, for this process and its child processes.

Libraries leave temporary files behind (AutoGraph alone some thirty a run). They are removed with the folder of the
run. A killed run cannot remove its folder, so the next run removes every such folder whose lock is free.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator

from vaiven.errors import UserError

PREFIX = 'vaiven-run-'
_NEW_PREFIX = '.vaiven-new-'
_LOCK = '.lock'
# A run with a small network takes 1 MB.
_MIN_BYTES = 8 * 1024 * 1024


class TemporaryFolderError(UserError):
    """The temporary folder cannot be created, or its disk is full. It is not a usage error."""

    exit_status = 1


@contextlib.contextmanager
def temporary_folder() -> Iterator[str]:
    """Creates a folder for the temporary files of this process and its children, and removes it at the end.

    Yields:
        The path of the folder.

    Raises:
        TemporaryFolderError: the system's folder for temporary files is full or cannot be written.
    """
    previous = os.environ.get('TMPDIR')
    folder, lock = _create()
    try:
        os.environ['TMPDIR'] = tempfile.tempdir = folder
        yield folder
    finally:
        if previous is None:
            del os.environ['TMPDIR']
        else:
            os.environ['TMPDIR'] = previous
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _create() -> tuple[str, int]:
    """Creates and locks the folder.

    It gets its final name after it is locked, so that no other run removes it in between.

    Returns:
        The path of the folder, and the file descriptor of its lock.

    Raises:
        TemporaryFolderError: the system's folder for temporary files is full or cannot be written.
    """
    try:
        parent = os.path.abspath(tempfile.gettempdir())
        _remove_abandoned(parent)
        free = shutil.disk_usage(parent).free
        if free < _MIN_BYTES:
            raise OSError(errno.ENOSPC, 'No space left on device')
        new = tempfile.mkdtemp(prefix=_NEW_PREFIX, dir=parent)
        lock = os.open(os.path.join(new, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = os.path.join(parent, PREFIX + os.path.basename(new).removeprefix(_NEW_PREFIX))
        os.rename(new, folder)
    except OSError as error:
        parent = os.environ.get('TMPDIR') or tempfile.tempdir or '/tmp'
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TemporaryFolderError(
                f'no space for temporary files: the disk of {parent} is full (a run needs '
                f'{_MIN_BYTES // 1024**2} MB there); free some space, or set TMPDIR to another folder'
            ) from error
        raise TemporaryFolderError(
            f'cannot write temporary files to {parent}: {error.strerror or error}; set TMPDIR to another folder'
        ) from error
    return folder, lock


def _remove_abandoned(parent: str) -> None:
    """Removes the folders of killed runs."""
    for entry in os.scandir(parent):
        if not entry.name.startswith(PREFIX) or not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(OSError):
            lock = os.open(os.path.join(entry.path, _LOCK), os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry.path, ignore_errors=True)
            finally:
                os.close(lock)
