"""One run at a time in one folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from vaiven.errors import UserError


class RootBusyError(UserError):
    """Another run is at work in the same folder: no fault of the asking."""

    exit_status = 1


@contextlib.contextmanager
def locked(root: str) -> Iterator[None]:
    """Holds the lock of a run's folder, which exists.

    The system lets go of it when the process ends, however it ends; so a killed run never blocks the next.

    Raises:
        RootBusyError: if another process holds it.
    """
    # Inheritable by none of the processes that are started: the lock is this process' own.
    descriptor = os.open(os.path.join(root, '.lock'), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode('ascii', 'replace').strip() or 'unknown'
            raise RootBusyError(
                f'another run (process {owner}) is at work in {root}; wait for it or give another --root'
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
