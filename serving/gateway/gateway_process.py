"""A gateway as a child process that never outlives its parent.

with GatewayProcess('--server', server.grpc_address, '--split', f'reviews={file}') as gateway:
    client = Client(gateway.grpc_address)
"""

import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from types import TracebackType

from vaiven.serving.common import ports
from vaiven.serving.common.errors import ServerStartError
from vaiven.serving.common.log import READY_LINE


class GatewayProcess:
    """Runs `vaiven gateway` on free loopback ports. The child exits with the parent, even if that is killed.

    Attributes:
        grpc_address: `host:port` of the gRPC API.
        rest_url: `http://host:port` of the REST API.
        process: the child.
    """

    def __init__(self, *arguments: str, timeout: float = 30.0) -> None:
        """Starts the gateway, and waits up to `timeout` seconds for its ports.

        Args:
            arguments: of the command; `--port` and `--rest-port` override the free ports.
            timeout: seconds to wait.

        Raises:
            ServerStartError: the gateway exited or was not ready in time; with the last lines of its log.
        """
        port, rest_port = ports.free('127.0.0.1', 2)
        given = dict(itertools.pairwise(arguments))
        self.grpc_address = f'127.0.0.1:{given.get("--port", port)}'
        self.rest_url = f'http://127.0.0.1:{given.get("--rest-port", rest_port)}'
        own = ['--port', str(port), '--rest-port', str(rest_port), '--exit-with-stdin']
        self._log = tempfile.TemporaryFile('w+b')  # noqa: SIM115 (closed by `stop`)
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'vaiven.pipeline.cli', 'gateway', *own, *arguments],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout
        while not re.search(READY_LINE, self.log(), re.MULTILINE):
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log()
                self.stop()
                raise ServerStartError(f'the gateway did not start. Its log ends:\n{text[-2000:]}')
            time.sleep(0.02)

    def log(self) -> str:
        """The log so far."""
        # The child writes where the file's position is, which it shares: reading must not move it.
        number = self._log.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode('utf-8', 'replace')

    def stop(self, timeout: float = 15.0) -> int:
        """Sends SIGTERM, kills the process after `timeout` seconds, and returns its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._log.close()
        return status

    def __enter__(self) -> 'GatewayProcess':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
