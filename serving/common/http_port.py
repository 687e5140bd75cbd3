"""An HTTP port and its connections: none is kept that asks for nothing, and none is reset at the end."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from vaiven.serving.common import ports

# Connections that wait to be taken: where there is no room for one, it is a second late.
BACKLOG = 1024
# Connections that are taken in one turn of the event loop: a thousand at once would hold all others up.
ACCEPTED_AT_ONCE = 16
# Of a connection without a request. Longer than proxies keep theirs, so that they and not we close it.
KEEPALIVE_SECONDS = 90.0
# At shutdown, the time in which callers with an open connection are told that it closes.
LAME_DUCK_SECONDS = 2.0
_LINGER_SECONDS = 0.5
_LOOK_SECONDS = 0.02

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connections(web.Server):
    """aiohttp's server, which closes a connection whose first request has not come after some seconds.

    aiohttp itself has a limit only from the first answer on; until then a client could keep a connection, and with
    many of them every file descriptor, by sending half a request.

    Attributes:
        draining: whether every answer closes its connection.
    """

    def __init__(self, handler: Handler, seconds: float, **settings: Any) -> None:
        """Bodies come as they were sent; see `rest_body`."""
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
        # What is not read of a body would be taken for the next request.
        if self.draining or not request.content.is_eof():
            response.force_close()
        return response

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._seconds, handler.force_close)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self._has_spoken(handler)
        super().connection_lost(handler, exc)

    def end_idle(self) -> None:
        """Ends what we send on connections without a request, and still takes what their clients send meanwhile."""
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
    """A port that is open from `open` to `close`."""

    def __init__(
        self, handler: Handler, *, silent_seconds: float, drain_seconds: float, **settings: Any
    ) -> None:
        """The port, closed.

        Args:
            handler: answers the requests.
            silent_seconds: in which the first request of a connection must come.
            drain_seconds: how long running requests may go on at the end.
            settings: of aiohttp's server.
        """
        self._connections = Connections(handler, silent_seconds, **settings)
        self._lame_seconds = min(LAME_DUCK_SECONDS, drain_seconds)
        self._runner = web.ServerRunner(
            self._connections, shutdown_timeout=drain_seconds - self._lame_seconds
        )

    async def open(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        """Listens, with TLS where there is a `context`. Raises OSError if it cannot."""
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
        """Answers what comes and closes each connection after its answer; then lets running requests end.

        Nobody whose request is under way, or sets out before he sees the end of the connection, gets a reset.
        """
        self._connections.draining = True
        await self._wait(self._lame_seconds)
        self._connections.end_idle()
        await self._wait(_LINGER_SECONDS)
        await self._runner.cleanup()

    async def _wait(self, seconds: float) -> None:
        """Until all connections are closed, at most so long."""
        deadline = time.monotonic() + seconds
        while self._connections.connections and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
