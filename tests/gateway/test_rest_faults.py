"""The REST port where a server or a caller breaks off, waits for ever, or says its headers in several parts."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.gateway.conftest import wait_until
from tests.gateway.test_rest_port import ask, raw
from vaiven.serving.gateway.gateway_process import GatewayProcess

HEAD = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
LARGE = b'Content-Length: 200000\r\n\r\n' + b'x' * 150_000
MEGABYTE = b'100000\r\n' + b'x' * (1 << 20) + b'\r\n'


class Server:
    """Answers a request on each connection, as `ANSWERS` says of its path; keeps the heads that it got."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.released = threading.Event()
        self._listening = socket.create_server(('127.0.0.1', 0))
        self.address = f'127.0.0.1:{self._listening.getsockname()[1]}'
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                head = b''
                while b'\r\n\r\n' not in head and (part := connection.recv(65536)):
                    head += part
                self.heads.append(head.partition(b'\r\n\r\n')[0].decode())
                path = head.split(b' ')[1].decode()
                ANSWERS[path](self, connection)
        except (OSError, IndexError):
            pass  # the gateway has hung up

    def stop(self) -> None:
        self.released.set()
        self._listening.close()


def _slow(server: Server, connection: socket.socket) -> None:
    connection.sendall(HEAD + LARGE)
    server.released.wait(30)


def _endless(server: Server, connection: socket.socket) -> None:
    connection.sendall(HEAD + b'Transfer-Encoding: chunked\r\n\r\n' + b'5\r\nfirst\r\n')
    server.released.wait(30)
    connection.sendall(MEGABYTE * 20 + b'0\r\n\r\n')


def _upload(server: Server, connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


ANSWERS: dict[str, Callable[[Server, socket.socket], None]] = {
    '/v1/cut': lambda server, connection: connection.sendall(HEAD + LARGE),
    '/v1/cut-chunks': lambda server, connection: connection.sendall(
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n' + MEGABYTE
    ),
    '/v1/slow': _slow,
    '/v1/endless': _endless,
    '/v1/upload': _upload,
    '/v1/headers': lambda server, connection: connection.sendall(
        HEAD
        + b'Connection: close\r\nConnection: x-up\r\nX-Up: 1\r\nX-Told: yes\r\nContent-Length: 2\r\n\r\n{}'
    ),
}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def gateway(server: Server, tmp_path: Path) -> Iterator[GatewayProcess]:
    split = f'a={tmp_path / "split.json"}'
    more = ('--rest-timeout', '2', '--max-concurrent-requests', '2', '--max-request-bytes', '100000')
    with GatewayProcess('--rest-server', server.address, '--split', split, *more) as running:
        yield running


def counted(gateway: GatewayProcess, code: str) -> int:
    page = ask(gateway.rest_url, '/metrics')[2].decode()
    found = re.search(rf'requests_total{{.*code="{code}"}} (\d+)', page)
    return int(found[1]) if found else 0


def parts(answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """What came of a body, and whether it looks whole."""
    got = b''
    try:
        while part := answer.read1(65536):
            got += part
    except (http.client.IncompleteRead, ConnectionResetError):
        return got, False
    return got, not answer.length


@pytest.mark.parametrize(
    ('path', 'code'),
    [
        ('/v1/cut', 'UNAVAILABLE'),
        ('/v1/cut-chunks', 'UNAVAILABLE'),
        ('/v1/slow', 'DEADLINE_EXCEEDED'),
    ],
)
def test_half_an_answer_does_not_look_whole(gateway: GatewayProcess, path: str, code: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(gateway.rest_url).netloc, timeout=30)
    connection.request('GET', path)
    answer = connection.getresponse()
    assert answer.status == 200
    got, whole = parts(answer)
    assert not whole
    assert set(got) <= {ord('x')}  # nothing of another answer
    connection.close()
    wait_until(lambda: counted(gateway, code) == 1)
    assert 'Traceback' not in gateway.log()


def test_a_body_that_does_not_come_is_504_and_holds_no_place(gateway: GatewayProcess) -> None:
    host, port = urlsplit(gateway.rest_url).netloc.split(':')
    for size in (100, 90_000):
        head = f'POST /v1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n'.encode()
        idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(2)]
        began = time.monotonic()
        for each in idle:
            each.sendall(head)
        wait_until(lambda: ask(gateway.rest_url, '/v1/headers')[0] == 429)
        for each in idle:
            assert each.recv(65536).startswith(b'HTTP/1.1 504 ')
            each.close()
        assert 1.5 < time.monotonic() - began < 8
        assert ask(gateway.rest_url, '/v1/headers')[0] == 200


def test_an_answer_in_chunks_is_passed_on_as_it_comes(gateway: GatewayProcess, server: Server) -> None:
    connection = http.client.HTTPConnection(urlsplit(gateway.rest_url).netloc, timeout=30)
    connection.request('GET', '/v1/endless')
    answer = connection.getresponse()
    assert answer.read1() == b'first'  # the server has not come to the end
    server.released.set()
    assert len(answer.read()) == 20 << 20
    connection.close()


def test_a_body_in_chunks_that_is_too_large_is_413(gateway: GatewayProcess) -> None:
    head = b'POST /v1/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
    assert raw(gateway.rest_url, head + MEGABYTE).startswith(b'HTTP/1.1 413 ')


def test_headers_named_in_several_connection_headers_stay_behind(
    gateway: GatewayProcess, server: Server
) -> None:
    connection = b'Connection: close\r\nConnection: x-mine\r\nX-Mine: 1\r\nX-Other: 1\r\n\r\n'
    answer = raw(gateway.rest_url, b'GET /v1/headers HTTP/1.1\r\nHost: x\r\n' + connection).lower()
    assert b'x-told' in answer
    assert b'x-up' not in answer
    assert 'x-other' in server.heads[0].lower()
    assert 'x-mine' not in server.heads[0].lower()
