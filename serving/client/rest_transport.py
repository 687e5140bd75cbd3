"""REST over persistent HTTP connections, with the standard library only."""

import http.client
import json
import random
import threading
import time
import urllib.parse
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

from vaiven.serving.client import rest_flows
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.deadlines import Timed, within
from vaiven.serving.client.errors import request_error
from vaiven.serving.client.rest_flows import HttpRequest
from vaiven.serving.client.results import Target
from vaiven.serving.client.transport import Call, RequestFlows
from vaiven.serving.common.errors import ServingError

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
    """A `Transport` over HTTP. It keeps as many connections open as there were concurrent callers."""

    flows: RequestFlows = rest_flows

    def __init__(self, url: str, connection: Connection) -> None:
        """Raises ServingError if the address or the connection is not valid."""
        self.address = url.rstrip('/')
        self._secure, self._host, self._port, self._prefix = _parts(self.address)
        if connection.server_name:
            raise ServingError('server_name is for gRPC: over REST, the address is the name')
        if connection.encrypted and not self._secure:
            raise ServingError(f'tls, ca and certificate need https://. Received: {self.address!r}')
        self._context = connection.ssl_context()
        self._max_bytes = connection.max_message_bytes
        self._attempts = connection.attempts
        self._headers = {'Content-Type': 'application/json', **dict(connection.headers())}
        self._idle: SimpleQueue[http.client.HTTPConnection] = SimpleQueue()
        self._busy: set[http.client.HTTPConnection] = set()
        self._closed = threading.Event()

    def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        asked: HttpRequest = call.request
        data = None if asked.body is None else json.dumps(asked.body).encode()
        if data is not None and len(data) > self._max_bytes:
            details = f'the request has {len(data)} bytes; the most allowed is {self._max_bytes}'
            raise request_error('INVALID_ARGUMENT', details, self.address, timeout, target)
        if self._closed.is_set():
            raise request_error('CANCELLED', 'the client is closed', self.address, timeout, target)
        deadline = time.monotonic() + timeout
        for attempt in range(self._attempts):
            code, details, answer = self._try(asked, data, deadline, dict(headers))
            pause = 0.1 * 3**attempt * random.uniform(0.8, 1.2)
            if code != 'UNAVAILABLE' or attempt + 1 == self._attempts or time.monotonic() + pause > deadline:
                break
            self._closed.wait(pause)
        if code:
            raise request_error(code, details, self.address, timeout, target)
        return answer

    def close(self) -> None:
        """Closes the connections. Requests in flight end with CANCELLED."""
        self._closed.set()
        for connection in list(self._busy):
            if isinstance(connection.sock, Timed):
                connection.sock.shutdown()
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _try(
        self, asked: HttpRequest, data: bytes | None, deadline: float, headers: dict[str, str]
    ) -> tuple[str, str, Any]:
        """Sends one request; returns code and details of its failure ('' for success), and the parsed body."""
        try:
            status, reason, body = self._exchange(asked.path, data, deadline, headers)
        except TimeoutError as error:
            return 'DEADLINE_EXCEEDED', str(error), None
        except (OSError, http.client.HTTPException) as error:
            if self._closed.is_set():
                return 'CANCELLED', 'the client is closed', None
            return 'UNAVAILABLE', f'cannot connect: {error}', None
        if len(body) > self._max_bytes:
            return 'RESOURCE_EXHAUSTED', f'the answer has more than {self._max_bytes} bytes', None
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
            if status == 200:
                return 'UNIMPLEMENTED', 'its response is not JSON', None
        if status == 200 or (status == 503 and isinstance(answer, dict) and asked.in_503 in answer):
            return '', '', answer
        details = answer.get('error', reason) if isinstance(answer, dict) else reason
        return CODES.get(status, 'UNKNOWN'), str(details), None

    def _exchange(
        self, path: str, data: bytes | None, deadline: float, headers: dict[str, str]
    ) -> tuple[int, str, bytes]:
        """Returns status, reason and body, over an idle connection or a new one.

        Of a body that is too long, one byte too many is read.
        """
        while True:
            try:
                connection, kept = self._idle.get_nowait(), True
            except Empty:
                connection, kept = self._connection(), False
            self._busy.add(connection)
            try:
                within(connection, deadline)
                if self._closed.is_set():  # while it was opened
                    raise ConnectionAbortedError
                connection.request(
                    'GET' if data is None else 'POST', self._prefix + path, data, self._headers | headers
                )
                response = connection.getresponse()
                body = response.read(self._max_bytes + 1)
                if response.length and len(body) <= self._max_bytes:
                    raise http.client.IncompleteRead(body, response.length)
            except BaseException as error:
                connection.close()
                if kept and isinstance(error, ConnectionError) and not self._closed.is_set():
                    continue  # the server had closed it meanwhile
                raise
            finally:
                self._busy.discard(connection)
            if self._closed.is_set() or len(body) > self._max_bytes:
                connection.close()
            elif connection.sock is not None:  # else the server closes it after this answer
                self._idle.put(connection)
            return response.status, response.reason, body

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, context=self._context)
        return http.client.HTTPConnection(self._host, self._port)


def _parts(url: str) -> tuple[bool, str, int | None, str]:
    """Splits an address into scheme, host, port and path. Raises ServingError if it is not valid."""
    if '@' in url.split('/')[2]:
        raise ServingError('an address carries no user and no password: give a token or metadata instead')
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or '', parts.port
        host.encode('idna')
    except ValueError:
        raise ServingError(f'an address is http://host:port. Received: {url!r}') from None
    return parts.scheme == 'https', host, port, parts.path
