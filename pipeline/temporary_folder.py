"""One temporary folder for a run: of this process and of those that it starts.

Libraries leave files in the folder for temporary files (AutoGraph alone some thirty a run). Here they go with the run.
A killed run cannot remove its folder: the next run does, as nobody holds the lock in it.
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
_NEW = '.vaiven-new-'
_LOCK = '.lock'
# A run with a small network was seen to take 1 MB; below this even that is in doubt.
_MIN_BYTES = 8 * 1024 * 1024


class TemporaryFolderError(UserError):
    """No temporary folder can be made, or it has too little room: not a usage error."""

    exit_status = 1


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """Makes a folder, has this process and its children use it for temporary files, and removes it at the end.

    Yields:
        The folder.

    Raises:
        TemporaryFolderError: the folder for temporary files is full or cannot be written.
    """
    before = os.environ.get('TMPDIR')
    folder, lock = _made()
    try:
        os.environ['TMPDIR'] = tempfile.tempdir = folder
        yield folder
    finally:
        if before is None:
            del os.environ['TMPDIR']
        else:
            os.environ['TMPDIR'] = before
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made() -> tuple[str, int]:
    """The folder and the descriptor of its lock. It gets its name once it is locked, so no other run removes it."""
    try:
        parent = os.path.abspath(tempfile.gettempdir())
        _clear(parent)
        free = shutil.disk_usage(parent).free
        if free < _MIN_BYTES:
            raise OSError(errno.ENOSPC, 'No space left on device')
        new = tempfile.mkdtemp(prefix=_NEW, dir=parent)
        lock = os.open(os.path.join(new, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = os.path.join(parent, PREFIX + os.path.basename(new).removeprefix(_NEW))
        os.rename(new, folder)
    except OSError as error:
        parent = os.environ.get('TMPDIR') or tempfile.tempdir or '/tmp'
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TemporaryFolderError(
                f'too little room for temporary files: the disk of {parent} is full (a run needs '
                f'{_MIN_BYTES // 1024**2} MB there); make room, or set TMPDIR to another folder'
            ) from error
        raise TemporaryFolderError(
            f'cannot write temporary files to {parent}: {error.strerror or error}; set TMPDIR to another folder'
        ) from error
    return folder, lock


def _clear(parent: str) -> None:
    """Removes the folders of runs that were killed."""
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
