"""A whole gateway: opens the ports, follows the splits, and shuts down gracefully."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from vaiven.serving.client.connection import Connection
from vaiven.serving.common import health, log, ports, split, tls
from vaiven.serving.common.call_threads import CallThreads
from vaiven.serving.common.errors import ServerStartError, ServingError
from vaiven.serving.common.split import Split, SplitFile
from vaiven.serving.gateway.grpc_port import GrpcPort
from vaiven.serving.gateway.metrics import Metrics
from vaiven.serving.gateway.routing import Router
from vaiven.serving.gateway.servers import Addresses, Servers

SILENT_SECONDS = 30.0
# For calls that are refused, and for health.
OTHER_THREADS = 64


@dataclass(frozen=True)
class GatewayOptions:
    """The options of a gateway.

    Attributes:
        addresses: the servers behind it.
        splits: the split file of each model.
        connection: settings of the connections to the servers.
        host: address to listen on.
        port: of the gRPC API.
        rest_port: of the REST API; 0 for none.
        key_header: metadata or header with the key of a caller.
        ssl_config_file: SSLConfig for both ports; None for no encryption.
        max_concurrent_requests: limit of each port; further requests are refused.
        max_request_bytes: maximum size of a request.
        rest_timeout: seconds that a REST request may take; gRPC has its own deadlines.
        drain_seconds: time that running requests have to complete at shutdown.
        exit_with_stdin: whether to exit at the end of standard input.
    """

    addresses: Addresses
    splits: Mapping[str, Path]
    connection: Connection = field(default_factory=lambda: Connection(attempts=1))
    host: str = '127.0.0.1'
    port: int = 8600
    rest_port: int = 8601
    key_header: str = 'vaiven-key'
    ssl_config_file: Path | None = None
    max_concurrent_requests: int = 1024
    max_request_bytes: int = 64 << 20
    rest_timeout: float = 60.0
    drain_seconds: float = 30.0
    exit_with_stdin: bool = False


class Gateway:
    """One gateway process. `run` returns after `stop` was called."""

    def __init__(self, options: GatewayOptions) -> None:
        """Raises ServingError if a split file is invalid or of another model, or a certificate cannot be used."""
        self.options = options
        options.connection.grpc_credentials()
        options.connection.ssl_context()
        for model, path in options.splits.items():
            current = split.find(path)
            if current is not None and current.model != model:
                raise ServingError(
                    f'{path} is the split of {current.model!r}, not of {model!r}: name the file of {model!r}'
                )
        self._router = Router([SplitFile(path, model) for model, path in options.splits.items()])
        self._tls = tls.read(options.ssl_config_file) if options.ssl_config_file is not None else None
        self._metrics = Metrics()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Stops the gateway; safe to call more than once, from the event loop."""
        self._stop.set()

    async def run(self) -> None:
        """Serves until `stop` is called or SIGTERM or SIGINT arrives.

        Raises:
            ServingError: a certificate cannot be used.
            ServerStartError: a port is taken.
        """
        options = self.options
        start = time.monotonic()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        if options.exit_with_stdin:
            _call_at_end_of_input(loop, self.stop)
        ports.check(options.host, {options.port, options.rest_port})
        servers = Servers(options.addresses, options.connection)
        grpc_server, rest_server = None, None
        try:
            await servers.check_health()
            grpc_server = self._open_grpc(servers)
            if options.rest_port:
                rest_server = await self._open_rest(servers)
            log.event(
                'serving',
                grpc=ports.address(options.host, options.port),
                rest=ports.address(options.host, options.rest_port) if options.rest_port else 'off',
                seconds=time.monotonic() - start,
            )
            watching = [asyncio.create_task(servers.watch()), asyncio.create_task(self._log_splits())]
            await self._stop.wait()
            for task in watching:
                task.cancel()
        finally:
            servers.draining = True
            start = time.monotonic()
            closing: list[Any] = []
            if grpc_server is not None:
                closing.append(asyncio.to_thread(grpc_server.stop(options.drain_seconds).wait))
            if rest_server is not None:
                closing.append(rest_server())
            await asyncio.gather(*closing)
            log.event('drained', seconds=time.monotonic() - start)
            servers.close()
        log.event('stopped')

    def _open_grpc(self, servers: Servers) -> grpc.Server:
        options = self.options
        port = GrpcPort(
            self._router,
            servers,
            self._metrics,
            key_header=options.key_header,
            max_concurrent_requests=options.max_concurrent_requests,
        )
        threads: Any = CallThreads(options.max_concurrent_requests + health.MAX_WATCHES + OTHER_THREADS)
        server = grpc.server(
            threads,
            options=[
                ('grpc.max_receive_message_length', options.max_request_bytes),
                ('grpc.max_send_message_length', -1),
                # With SO_REUSEPORT, two gateways on one port would share the requests.
                ('grpc.so_reuseport', 0),
            ],
        )
        health_service = health.service(lambda: servers.takes_traffic, lambda: servers.draining)
        server.add_generic_rpc_handlers((*port.services(), health_service))
        address = ports.address(options.host, options.port)
        try:
            if self._tls is not None:
                server.add_secure_port(address, self._tls.grpc_credentials())
            else:
                server.add_insecure_port(address)
        except RuntimeError as error:
            ports.check(options.host, {options.port})
            raise ServerStartError(f'the port cannot be opened: {error}') from error
        server.start()
        return server

    async def _open_rest(self, servers: Servers) -> Any:
        """Opens the REST port; returns the function that closes it."""
        from vaiven.serving.common.http_port import HttpPort
        from vaiven.serving.gateway.rest_port import RestPort

        options = self.options
        port = RestPort(
            self._router,
            servers,
            self._metrics,
            options.connection,
            key_header=options.key_header,
            max_concurrent_requests=options.max_concurrent_requests,
            max_bytes=options.max_request_bytes,
            timeout=options.rest_timeout,
        )
        http = HttpPort(
            port.handle,
            silent_seconds=SILENT_SECONDS,
            drain_seconds=options.drain_seconds,
            handler_cancellation=True,
        )
        context = self._tls.ssl_context() if self._tls is not None else None
        try:
            await http.open(options.host, options.rest_port, context)
        except OSError as error:
            await port.close()
            raise ServerStartError(f'the REST port cannot be opened: {error.strerror}') from error

        async def close() -> None:
            await http.close()
            await port.close()

        return close

    async def _log_splits(self) -> None:
        """Logs the splits at the start and at every change."""
        last: dict[str, Split | None] = {}
        while True:
            splits = self._router.splits()
            for model, current in splits.items():
                if model not in last or current != last[model]:
                    shares = dict(current.weights) if current is not None else 'none'
                    log.event('split', model=model, percent=shares)
            last = splits
            await asyncio.sleep(split.WATCH_SECONDS)


def _call_at_end_of_input(loop: asyncio.AbstractEventLoop, stop: Any) -> None:
    def wait() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name='stdin', daemon=True).start()
