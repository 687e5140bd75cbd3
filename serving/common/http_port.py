"""An HTTP port and its connections: silent ones are closed, and shutdown resets none."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from vaiven.serving.common import ports

# Connections that wait to be accepted. Without room here a client retries after a second.
BACKLOG = 1024
# Connections accepted in one iteration of the event loop: a thousand at once would delay all others.
ACCEPTED_AT_ONCE = 16
# Idle time of a connection. Longer than that of proxies, so that they close it, not the server.
KEEPALIVE_SECONDS = 90.0
# At shutdown, responses announce for this long that their connection closes.
LAME_DUCK_SECONDS = 2.0
_LINGER_SECONDS = 0.5
_LOOK_SECONDS = 0.02

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connections(web.Server):
    """aiohttp's server with a time limit for the first request of a connection.

    aiohttp itself limits only the time after a response. A client that sends half a request could otherwise keep a
    connection open, and many such clients could use up all file descriptors.

    Attributes:
        draining: whether every response closes its connection.
    """

    def __init__(self, handler: Handler, seconds: float, **settings: Any) -> None:
        """Creates the server. Bodies are passed on compressed; `http_body` inflates them.

        Args:
            handler: responds to requests.
            seconds: time limit for the first request of a connection.
            **settings: of aiohttp's server.
        """
        super().__init__(
            self._handled,
            request_factory=self._request,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_SECONDS,
            **settings,
        )
        self._handler = handler
        self._seconds = seconds
        self._silent: dict[Any, asyncio.TimerHandle] = {}
        self._busy: set[Any] = set()
        self.draining = False

    async def _handled(self, request: web.BaseRequest) -> web.StreamResponse:
        self._busy.add(request.protocol)
        try:
            response = await self._handler(request)
        finally:
            self._busy.discard(request.protocol)
        # The unread rest of a body would be parsed as the next request.
        if self.draining or not request.content.is_eof():
            response.force_close()
        return response

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """Starts the time limit for the first request."""
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._seconds, handler.force_close)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Cancels the time limit."""
        self._has_spoken(handler)
        super().connection_lost(handler, exc)

    def end_idle(self) -> None:
        """Half-closes idle connections: a request that a client sends meanwhile is still read."""
        for handler in self.connections:
            transport = handler.transport
            if handler in self._busy or transport is None:
                continue
            handler.close()
            if transport.can_write_eof():
                transport.write_eof()

    def _request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: 'asyncio.Task[None]'
    ) -> web.BaseRequest:
        self._has_spoken(protocol)
        return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())

    def _has_spoken(self, handler: Any) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()


class HttpPort:
    """An HTTP port that listens from `open` to `close`."""

    def __init__(
        self, handler: Handler, *, silent_seconds: float, drain_seconds: float, **settings: Any
    ) -> None:
        """Creates a port that is not open yet.

        Args:
            handler: responds to requests.
            silent_seconds: time limit for the first request of a connection.
            drain_seconds: time limit for running requests at shutdown.
            settings: of aiohttp's server.
        """
        self._connections = Connections(handler, silent_seconds, **settings)
        self._lame_seconds = min(LAME_DUCK_SECONDS, drain_seconds)
        self._runner = web.ServerRunner(
            self._connections, shutdown_timeout=drain_seconds - self._lame_seconds
        )

    async def open(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        """Starts to listen.

        Args:
            host: address to listen on.
            port: port number.
            context: for TLS; None for plain HTTP.

        Raises:
            OSError: the port cannot be used.
        """
        await self._runner.setup()
        try:
            for listening in ports.listen(host, port):
                site = web.SockSite(self._runner, listening, ssl_context=context, backlog=ACCEPTED_AT_ONCE)
                await site.start()
                listening.listen(BACKLOG)
        except BaseException:
            await self._runner.cleanup()
            raise

    async def close(self) -> None:
        """Closes each connection after its next response, and waits for running requests.

        No request that was sent before its client saw the end of the connection is reset.
        """
        self._connections.draining = True
        await self._wait(self._lame_seconds)
        self._connections.end_idle()
        await self._wait(_LINGER_SECONDS)
        await self._runner.cleanup()

    async def _wait(self, seconds: float) -> None:
        """Waits until all connections are closed, for at most `seconds`."""
        deadline = time.monotonic() + seconds
        while self._connections.connections and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
