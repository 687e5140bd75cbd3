"""A model server as a child process that ends with its parent.

with ServerProcess('reviews', folder) as server:
    client = Client(server.grpc_address)
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from vaiven.serving.common import ports
from vaiven.serving.common.child_process import ChildProcess
from vaiven.serving.common.errors import ServerStartError

# A free port may be taken before the child opens it; three times in a row is another problem.
PORT_ATTEMPTS = 3


class ServerProcess:
    """Starts a server on loopback ports, waits until its model is AVAILABLE, and stops it at the end.

    The child exits when the parent dies, even by SIGKILL; see `ChildProcess`.

    Attributes:
        grpc_address: `host:port` of the gRPC API.
        rest_url: `http://host:port` of the REST API.
        pid: process ID of the child.
    """

    def __init__(
        self,
        model_name: str,
        base_path: str | os.PathLike[str],
        *,
        port: int | None = None,
        rest_port: int | None = None,
        host: str = '127.0.0.1',
        flags: Mapping[str, object] | None = None,
        log_path: str | os.PathLike[str] | None = None,
        timeout: float = 120.0,
        inherited: Sequence[int] = (),
    ) -> None:
        """Prepares a server; `with` or `start` starts it.

        Args:
            model_name: name of the model.
            base_path: folder with its numbered versions.
            port: port of the gRPC API; None for a free one.
            rest_port: port of the REST API; None for a free one, 0 for none.
            host: address to listen on.
            flags: further flags of the server, by name without dashes.
            log_path: file for the server's log; None for a temporary one.
            timeout: seconds to wait for an AVAILABLE version.
            inherited: file descriptors that the child inherits under the same numbers.
        """
        self._model_name = model_name
        self._base_path = Path(base_path).absolute()
        self._ports = (port, rest_port)
        self._host = host
        # A failed load is an error at once, and is not retried for minutes. Without TensorFlow's graph optimisation the
        # project's models are as fast, and start in two thirds of the time.
        self._flags = {'max_num_load_retries': 0, 'optimize_graphs': False, **(flags or {})}
        self._log_path = log_path
        self._timeout = timeout
        self._inherited = tuple(inherited)
        self._child: ChildProcess | None = None
        self._address = ''
        self._url = ''

    @property
    def grpc_address(self) -> str:
        """`host:port` of the gRPC API."""
        return self._address

    @property
    def rest_url(self) -> str:
        """`http://host:port` of the REST API."""
        return self._url

    @property
    def pid(self) -> int:
        """Process ID of the child. Raises ServerStartError if it is not running."""
        if self._child is None:
            raise ServerStartError('the server is not running: start it first')
        return self._child.pid

    def __enter__(self) -> 'ServerProcess':
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, started: Callable[[int], None] | None = None) -> None:
        """Starts the server and waits for it.

        Args:
            started: called with the process ID of the child, before the server is ready.

        Raises:
            ServerStartError: it ended or was not ready in time. The message has the last lines of its log.
        """
        if self._child is not None:
            raise ServerStartError('the server is running already: stop it first')
        for attempt in range(PORT_ATTEMPTS):
            try:
                self._start(started)
                return
            except _PortTakenError:
                # Another process took the free port before the child opened it.
                if None not in self._ports or attempt == PORT_ATTEMPTS - 1:
                    raise

    def stop(self, timeout: float = 15.0) -> int | None:
        """Sends SIGTERM, and SIGKILL if the server is still running after `timeout` seconds.

        Returns:
            Its exit status, negative for a signal; None if it was not running.
        """
        child, self._child = self._child, None
        return None if child is None else child.stop(timeout)

    def detach(self) -> None:
        """Detaches the server, which continues to run after the parent. Start it with `exit_with_stdin` off."""
        child, self._child = self._child, None
        if child is not None:
            child.detach()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log."""
        return '' if self._child is None else '\n'.join(self._child.log().splitlines()[-lines:])

    def _start(self, started: Callable[[int], None] | None) -> None:
        free_ports = iter(ports.free(self._host, 2) if None in self._ports else ())
        port, rest_port = (next(free_ports) if number is None else number for number in self._ports)
        self._address = ports.address(self._host, port)
        self._url = f'http://{ports.address(self._host, rest_port)}'
        flags = {
            'port': port,
            'rest_api_port': rest_port,
            'host': self._host,
            'model_name': self._model_name,
            'model_base_path': self._base_path,
            'exit_with_stdin': True,
            **self._flags,
        }
        command = [sys.executable, '-m', 'vaiven.serving.server', *map(argument, flags, flags.values())]
        self._child = ChildProcess(command, self._log_path, self._inherited)
        try:
            if started is not None:
                started(self._child.pid)
            if not self._child.wait_until_ready(self._timeout):
                raise self._start_error()
        except BaseException:
            self.stop()
            raise

    def _start_error(self) -> ServerStartError:
        assert self._child is not None
        status, tail = self._child.exit_status(), self.log_tail()
        if status is None:
            return ServerStartError(
                f'the server of model {self._model_name} was not ready after {self._timeout:.0f} s. '
                f'Its log ends:\n{tail}'
            )
        kind = _PortTakenError if 'cannot be used' in tail else ServerStartError
        return kind(
            f'the server of model {self._model_name} ended with status {status}. Its log ends:\n{tail}'
        )


class _PortTakenError(ServerStartError):
    pass


def argument(name: str, value: object) -> str:
    """A flag in the syntax of the server: `--name=value`, with lower-case booleans."""
    return f'--{name}={str(value).lower() if isinstance(value, bool) else value}'
