"""REST over HTTP connections that are kept, with the standard library alone."""

import http.client
import json
import random
import time
import urllib.parse
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

from vaiven.serving.client import rest_exchanges
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import request_error
from vaiven.serving.client.rest_exchanges import Asked
from vaiven.serving.client.results import Target
from vaiven.serving.client.transport import Call, Exchanges
from vaiven.serving.errors import ServingError

CODES = {
    400: 'INVALID_ARGUMENT',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
    409: 'ABORTED',
    413: 'RESOURCE_EXHAUSTED',
    429: 'RESOURCE_EXHAUSTED',
    501: 'UNIMPLEMENTED',
    503: 'UNAVAILABLE',
    504: 'DEADLINE_EXCEEDED',
}


class RestTransport:
    """A `Transport` over HTTP. As many connections are kept as there were callers at the same time."""

    exchanges: Exchanges = rest_exchanges

    def __init__(self, url: str, connection: Connection) -> None:
        """Raises ServingError where the address is none, or the settings cannot be used."""
        self.address = url.rstrip('/')
        parts = urllib.parse.urlsplit(self.address)
        try:
            self._host, self._port = parts.hostname or '', parts.port
        except ValueError:
            raise ServingError(f'an address is http://host:port. Received: {url!r}') from None
        if connection.server_name:
            raise ServingError('server_name is for gRPC: over REST, the address is the name')
        self._secure, self._prefix = parts.scheme == 'https', parts.path
        self._context = connection.ssl_context() if self._secure else None
        self._max_bytes = connection.max_message_bytes
        self._attempts = connection.attempts
        self._headers = {'Content-Type': 'application/json', **dict(connection.headers())}
        self._idle: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()
        self._closed = False

    def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        asked: Asked = call.request
        data = None if asked.body is None else json.dumps(asked.body).encode()
        if data is not None and len(data) > self._max_bytes:
            details = f'the request has {len(data)} bytes; the most allowed is {self._max_bytes}'
            raise request_error('INVALID_ARGUMENT', details, self.address, timeout, target)
        if self._closed:
            raise request_error('CANCELLED', 'the client is closed', self.address, timeout, target)
        deadline = time.monotonic() + timeout
        for attempt in range(self._attempts):
            code, details, answer = self._try(asked, data, deadline, dict(headers))
            pause = 0.1 * 3**attempt * random.uniform(0.8, 1.2)
            if code != 'UNAVAILABLE' or attempt + 1 == self._attempts or time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        if code:
            raise request_error(code, details, self.address, timeout, target)
        return answer

    def close(self) -> None:
        self._closed = True
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _try(
        self, asked: Asked, data: bytes | None, deadline: float, headers: dict[str, str]
    ) -> tuple[str, str, Any]:
        """Code and details of what went wrong, '' for nothing; and the answer."""
        try:
            status, reason, body = self._exchange(asked.path, data, deadline, headers)
            if status in (200, asked.answers):
                return '', '', json.loads(body)
        except TimeoutError as error:
            return 'DEADLINE_EXCEEDED', str(error), None
        except ValueError:
            return 'UNIMPLEMENTED', 'its answer is no JSON', None
        except (OSError, http.client.HTTPException) as error:
            return 'UNAVAILABLE', f'cannot connect: {error}', None
        return CODES.get(status, 'UNKNOWN'), _details(body, reason), None

    def _exchange(
        self, path: str, data: bytes | None, deadline: float, headers: dict[str, str]
    ) -> tuple[int, str, bytes]:
        """Status, reason and body, over a connection that is idle, or over a new one."""
        while True:
            try:
                connection, kept = self._idle.get_nowait(), True
            except Empty:
                connection, kept = self._connection(), False
            try:
                connection.timeout = max(0.001, deadline - time.monotonic())
                if connection.sock is not None:
                    connection.sock.settimeout(connection.timeout)
                connection.request(
                    'GET' if data is None else 'POST', self._prefix + path, data, self._headers | headers
                )
                response = connection.getresponse()
                body = response.read()
            except BaseException as error:
                connection.close()
                if kept and isinstance(error, ConnectionError):
                    continue  # the server had closed it meanwhile
                raise
            if self._closed:
                connection.close()
            elif connection.sock is not None:  # else the server closes it after this answer
                self._idle.put(connection)
            return response.status, response.reason, body

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, context=self._context)
        return http.client.HTTPConnection(self._host, self._port)


def _details(content: bytes, reason: str) -> str:
    try:
        return str(json.loads(content)['error'])
    except (ValueError, KeyError, TypeError):
        return reason
