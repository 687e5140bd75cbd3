"""Connections of the REST port: one that asks for nothing is not kept."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web


class Connections(web.Server):
    """aiohttp's server, which closes a connection whose first request has not come after some seconds.

    aiohttp itself has a limit only from the first answer on; until then a client could keep a connection, and with
    many of them every file descriptor, by sending half a request.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        seconds: float,
        **settings: Any,
    ) -> None:
        super().__init__(handler, request_factory=self._request, access_log=None, **settings)
        self._seconds = seconds
        self._silent: dict[Any, asyncio.TimerHandle] = {}

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(self._seconds, handler.force_close)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self._has_spoken(handler)
        super().connection_lost(handler, exc)

    def _request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: 'asyncio.Task[None]'
    ) -> web.BaseRequest:
        self._has_spoken(protocol)
        return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())

    def _has_spoken(self, handler: Any) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()
