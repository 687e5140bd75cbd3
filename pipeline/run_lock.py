"""The lock that allows one run at a time in a folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from vaiven.errors import UserError


class RootBusyError(UserError):
    """Another run is in progress in the same folder. It is not a usage error."""

    exit_status = 1


@contextlib.contextmanager
def run_lock(root: str) -> Iterator[None]:
    """Holds the lock of the folder of a run.

    The operating system releases the lock when the process ends, so a killed run never blocks the next one.

    Args:
        root: the folder, which must exist.

    Raises:
        RootBusyError: another process holds the lock.
    """
    # Not inherited by child processes, which would keep the lock after this process has ended.
    descriptor = os.open(os.path.join(root, '.lock'), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode('ascii', 'replace').strip() or 'unknown'
            raise RootBusyError(
                f'another run (process {owner}) is in progress in {root}; wait for it or choose another --root'
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
