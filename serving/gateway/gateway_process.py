"""A gateway as a child process that never outlives its parent.

with GatewayProcess('--server', server.grpc_address, '--split', f'reviews={file}') as gateway:
    client = Client(gateway.grpc_address)
"""

import itertools
import sys
from types import TracebackType

from vaiven.serving.common import ports
from vaiven.serving.common.child_process import ChildProcess
from vaiven.serving.common.errors import ServerStartError


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
        command = [sys.executable, '-m', 'vaiven.pipeline.cli', 'gateway', *own, *arguments]
        self._child = ChildProcess(command)
        self.process = self._child.popen
        if not self._child.wait_until_ready(timeout):
            text = self._child.log()
            self.stop()
            raise ServerStartError(f'the gateway did not start. Its log ends:\n{text[-2000:]}')

    def log(self) -> str:
        """The log so far."""
        return self._child.log()

    def stop(self, timeout: float = 15.0) -> int:
        """Sends SIGTERM, kills the process after `timeout` seconds, and returns its exit status."""
        return self._child.stop(timeout)

    def __enter__(self) -> 'GatewayProcess':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
