"""A server as a child process that ends with its parent."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from vaiven.serving.common.log import READY_LINE

POLL_SECONDS = 0.02


class ChildProcess:
    """Starts a server that logs READY_LINE once its ports are open, and stops it.

    The child has its own session, so that Ctrl-C in the terminal reaches the parent only. Its standard input is a pipe
    from the parent: a server that exits at the end of its input exits when the parent dies, even by SIGKILL.

    Attributes:
        pid: process ID of the child.
        popen: the child.
    """

    def __init__(
        self,
        command: Sequence[str],
        log_path: str | os.PathLike[str] | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        """Starts the child.

        Args:
            command: program and arguments.
            log_path: file for its output; None for a temporary one.
            inherited: file descriptors that the child inherits under the same numbers.
        """
        self._log: IO[bytes] = (
            tempfile.TemporaryFile('w+b') if log_path is None else Path(log_path).open('w+b')  # noqa: SIM115 (closed by `stop`)
        )
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # also makes the child the leader of a process group that `killpg` reaches
            pass_fds=tuple(inherited),
        )
        self.pid = self.popen.pid

    def exit_status(self) -> int | None:
        """Returns the exit status, negative for a signal; None while the child runs."""
        return self.popen.poll()

    def log(self) -> str:
        """Returns the log so far."""
        # `pread`, since the child shares the position of the file: a read must not move it.
        descriptor = self._log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode('utf-8', 'replace')

    def wait_until_ready(self, timeout: float) -> bool:
        """Waits for READY_LINE: a health check would need the TLS key and a token.

        Args:
            timeout: seconds to wait.

        Returns:
            Whether the child is ready. If not, it has exited or the time is up.
        """
        deadline = time.monotonic() + timeout
        while not re.search(READY_LINE, self.log(), re.MULTILINE):
            if self.exit_status() is not None or time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def stop(self, timeout: float) -> int:
        """Sends SIGTERM, and SIGKILL if the child is still running after `timeout` seconds.

        Returns:
            Its exit status, negative for a signal.
        """
        process = self.popen
        try:
            if process.poll() is None:
                process.terminate()
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._kill()
            return process.wait()
        except BaseException:
            self._kill()
            process.wait()
            raise
        finally:
            self._close()

    def detach(self) -> None:
        """Lets the child continue after the parent. It must not exit at the end of its input."""
        self._close()
        self.popen.returncode = 0  # otherwise Popen warns that the child is still running

    def _close(self) -> None:
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        self._log.close()

    def _kill(self) -> None:
        """Kills the child and its own children."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            self.popen.kill()
