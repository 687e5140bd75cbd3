"""The REST port: adds the label to the path, and forwards bodies as bytes."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote, unquote_to_bytes

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from vaiven.serving.client.connection import Connection
from vaiven.serving.common.http_body import allow_body
from vaiven.serving.common.prometheus_text import CONTENT_TYPE
from vaiven.serving.common.status import HTTP_STATUS, Code
from vaiven.serving.gateway import health
from vaiven.serving.gateway.metrics import Metrics
from vaiven.serving.gateway.routing import UNSPLIT, Route, Router
from vaiven.serving.gateway.servers import Servers

SMALL_BYTES = 1 << 16
# Headers of one connection, not of the request. https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
HOP_BY_HOP = frozenset(
    {
        *('connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'),
        *('proxy-authenticate', 'proxy-authorization', 'host', 'expect'),
    }
)
OUR_OWN_CLIENT = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)
_FLAGS = re.IGNORECASE | re.ASCII
_SPLIT = re.compile(
    r'(/v1/models/([^/:?]+))(/versions/[^/:?]+|/labels/[^/:?]+)?(:(?:predict|classify|regress)|/metadata)',
    _FLAGS,
)
_API = re.compile(r'/v1/[!-~]*', _FLAGS)
_CODES = {status: code.name for code, status in reversed(HTTP_STATUS.items())}


class RestPort:
    """Handles requests of an aiohttp server."""

    def __init__(
        self,
        router: Router,
        servers: Servers,
        metrics: Metrics,
        connection: Connection,
        *,
        key_header: str,
        max_concurrent_requests: int,
        max_bytes: int,
        timeout: float,
    ) -> None:
        """Creates the port; call it and `close` in the event loop.

        Args:
            router: selects the label of a request.
            servers: the destinations.
            metrics: counts the requests; served at /metrics.
            connection: settings of the connections to the servers.
            key_header: the header with the key of a caller.
            max_concurrent_requests: maximum number of concurrent requests; further requests are 429.
            max_bytes: maximum size of a body; larger bodies are 413.
            timeout: seconds for one request, otherwise it is 504.
        """
        self._router = router
        self._servers = servers
        self._metrics = metrics
        self._running = metrics.in_flight('rest')
        self._key_header = key_header
        self._max_concurrent_requests = max_concurrent_requests
        self._max_bytes = max_bytes
        self._timeout = timeout
        scheme = 'https' if connection.encrypted else 'http'
        self._urls = {label: f'{scheme}://{address}' for label, address in servers.addresses.rest.items()}
        self._server_name = connection.server_name or None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=connection.ssl_context() or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=OUR_OWN_CLIENT,
            timeout=aiohttp.ClientTimeout(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path
        if request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
            place = path.partition('?')[0]
            if place == '/healthz':
                return _json(*health.liveness(self._servers))
            if place == '/readyz':
                return _json(*health.readiness(self._servers))
            if place == '/metrics':
                page = self._metrics.render(self._router.splits()).encode('utf-8', 'replace')
                return web.Response(body=page, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
        if not path.isascii():
            path = quote(path.encode('utf-8', 'surrogateescape'), safe='!"#$%&\'()*+,/:;<=>?@[]^`{|}')
        if not _API.fullmatch(path):
            return _error(404, f'there is nothing at {path}')
        return await self._counted(request, path)

    async def _counted(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        start = time.perf_counter()
        if self._running.value >= self._max_concurrent_requests:
            self._metrics.request(UNSPLIT, Code.RESOURCE_EXHAUSTED.name, 0.0)
            return _unread(_error(429, f'{self._max_concurrent_requests} requests are under way: try again'))
        route, url = self._routed(path, request.headers)
        code = Code.CANCELLED.name
        self._running.value += 1
        try:
            response = await self._answered(request, url)
            code = _CODES.get(response.status, Code.UNKNOWN.name)
            return response
        finally:
            self._running.value -= 1
            self._metrics.request(route, code, time.perf_counter() - start)

    def _routed(self, path: str, headers: Mapping[str, str]) -> tuple[Route, URL]:
        match = _SPLIT.fullmatch(path)
        if match is None:
            return UNSPLIT, URL(self._urls[''] + path, encoded=True)
        model, name, version, rest = match.groups()
        route = self._router.choose(unquote_to_bytes(name), bool(version), headers.get(self._key_header))
        url = self._urls.get(route.label)
        if url is None:
            url, path = self._urls[''], f'{model}/labels/{quote(route.label, safe="")}{rest}'
        return route, URL(url + path, encoded=True)

    async def _answered(self, request: web.BaseRequest, url: URL) -> web.StreamResponse:
        streamed: list[web.StreamResponse] = []
        try:
            async with asyncio.timeout(self._timeout):
                return await self._forwarded(request, url, streamed)
        except TimeoutError:
            failure = _error(504, f'no answer after {self._timeout:g} s')
        except web.RequestPayloadError as error:
            failure = _error(400, f'the body cannot be read: {error}')
        except (_TooLargeError, aiohttp.ClientError, OSError) as error:
            if request.transport is None:
                raise
            # An error of a streamed body is the cause of another error.
            if isinstance(error, _TooLargeError) or isinstance(error.__cause__, _TooLargeError):
                failure = _error(413, f'the request is larger than {self._max_bytes} bytes')
            else:
                failure = _error(503, f'no server answers: {error or type(error).__name__}')
        if streamed and request.transport is not None:
            # A partial response was sent and must not look complete: the failure is only counted.
            request.transport.abort()
        return _unread(failure)

    async def _forwarded(
        self, request: web.BaseRequest, url: URL, streamed: list[web.StreamResponse]
    ) -> web.StreamResponse:
        """Returns the response of the server; a streamed response is in `streamed` from its first byte on."""
        body = await self._body(request)
        answering = self._session.request(
            request.method,
            url,
            data=body,
            headers=_passed_on(request.headers),
            allow_redirects=False,
            server_hostname=self._server_name,
        )
        async with answering as answer:
            headers = _passed_on(answer.headers)
            length = answer.content_length
            if request.method == hdrs.METH_HEAD or (length is not None and length <= SMALL_BYTES):
                content = await answer.read()
                headers.popall(hdrs.CONTENT_LENGTH, None)
                return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=content)
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
            streamed.append(response)
            if self._servers.draining:
                response.force_close()  # later, the header would already be sent
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
            await response.write_eof()
            return response

    async def _body(self, request: web.BaseRequest) -> bytes | AsyncIterator[bytes] | None:
        if not request.can_read_body:
            return None
        length = request.content_length
        if length is not None and length > self._max_bytes:
            raise _TooLargeError
        await allow_body(request)
        if length is not None and length <= SMALL_BYTES:
            return await request.content.read()
        return self._parts(request)

    async def _parts(self, request: web.BaseRequest) -> AsyncIterator[bytes]:
        size = 0
        async for part in request.content.iter_any():
            size += len(part)
            if size > self._max_bytes:
                raise _TooLargeError
            yield part


class _TooLargeError(Exception):
    pass


def _passed_on(headers: MultiMapping[str]) -> CIMultiDict[str]:
    named = ','.join(headers.getall(hdrs.CONNECTION, ()))
    dropped = HOP_BY_HOP | {each.strip().lower() for each in named.split(',')} if named else HOP_BY_HOP
    return CIMultiDict([(name, value) for name, value in headers.items() if name.lower() not in dropped])


def _error(status: int, text: str) -> web.Response:
    return _json(status, json.dumps({'error': text}, indent=4))


def _json(status: int, text: str) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={hdrs.CONTENT_TYPE: 'application/json'})


def _unread(response: web.Response) -> web.Response:
    """Closes the connection: the rest of the body is not read, so it cannot be reused."""
    response.force_close()
    return response
