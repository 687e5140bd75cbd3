"""Child processes of the serving benchmark and their resource usage; no child outlives its parent."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.serving_load import Job
from vaiven.serving.server.server_process import ServerProcess

ROOT = Path(__file__).parent.parent
MEGABYTE = 1 << 20


class ChildError(Exception):
    """A child exited or did not respond in time; the message ends with its last output."""


class Child:
    """A module of this folder in a child process, which writes JSON lines and ends with its input."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> None:
        """Starts it.

        Args:
            module: its name below `benchmarks`.
            arguments: of the command line.
            python: the interpreter.
            environment: variables besides those of this process.
            timeout: seconds to wait for each line.
        """
        self._timeout = timeout
        self._log = tempfile.TemporaryFile('w+b')  # noqa: SIM115 (closed by `stop`)
        self._process = subprocess.Popen(
            [python, '-m', f'benchmarks.{module}', *arguments],
            cwd=ROOT,
            env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> 'Child':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + '\n')
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ChildError(f'a child ended: {self._tail()}') from error

    def read(self) -> dict[str, Any]:
        """The next line. Raises ChildError."""
        assert self._process.stdout is not None
        late = threading.Timer(self._timeout, self._kill)
        late.start()
        try:
            line = self._process.stdout.readline()
        finally:
            late.cancel()
        if not line:
            self._process.wait()
            raise ChildError(f'a child ended with status {self._process.returncode}: {self._tail()}')
        return json.loads(line)

    def stop(self, timeout: float = 10.0) -> None:
        """Ends its input, and kills it (and what it started) if it still runs after `timeout` seconds."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(timeout)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            pass
        finally:
            if self._process.poll() is None:
                self._kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._log.close()

    def _kill(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._process.kill()

    def _tail(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode('utf-8', 'replace').strip().splitlines()
        return '\n'.join(lines[-5:]) or 'it wrote nothing'


class Load:
    """The load generator; one job at a time."""

    def __init__(self) -> None:
        self._child = Child('serving_load')
        self._child.read()
        self.pid = self._child.pid

    def run(self, job: Job) -> dict[str, Any]:
        """Runs a job that ends by itself."""
        self.start(job)
        return self._child.read()

    def start(self, job: Job) -> None:
        self._child.tell(json.dumps(asdict(job)))

    def finish(self) -> dict[str, Any]:
        """Ends a job that was started without `seconds`, and returns its result."""
        self._child.tell('stop')
        return self._child.read()

    def stop(self) -> None:
        self._child.stop()


def encoded(payloads: Sequence[bytes]) -> list[str]:
    """Encodes requests for a `Job`."""
    return [base64.b64encode(payload).decode() for payload in payloads]


def start_together(stack: ExitStack, servers: Sequence[ServerProcess]) -> None:
    """Starts servers at the same time; `stack` stops them. Raises ServerStartError of the first that fails."""
    for server in servers:
        stack.callback(server.stop)
    with ThreadPoolExecutor(len(servers)) as pool:
        for started in [pool.submit(server.start) for server in servers]:
            started.result()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, user and system."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory(pid: int) -> dict[str, float]:
    """Resident memory of a process in MB (2²⁰ bytes): `rss`, and `pss`, where shared pages count in part."""
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]
    sizes = {line.partition(':')[0].lower(): int(line.split()[1]) * 1024 / MEGABYTE for line in lines}
    return {name: sizes[name] for name in ('rss', 'pss')}
