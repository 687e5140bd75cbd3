"""What a client over REST makes of servers that are slow, cut off, too talkative, or no model servers at all."""

import asyncio
import contextlib
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from tests.serving_client.listening import Listening, head, page, saying
from vaiven.serving.client import AsyncClient, Client, DeadlineError, RequestError, UnavailableError
from vaiven.serving.common.errors import ServingError

STATUS = b'{"model_version_status": [{"version": "7", "state": "AVAILABLE"}]}'


def rest(server: Listening, **settings: Any) -> Client:
    return Client(f'http://127.0.0.1:{server.port}', **settings)


@pytest.mark.parametrize('begins', [b'', b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'])
def test_the_timeout_holds_for_the_whole_of_a_slow_answer(begins: bytes) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(begins)
        for _ in range(100):
            connection.sendall(b' ' if begins else b'H')
            time.sleep(0.1)

    with Listening(drip) as server, rest(server) as client:
        began = time.monotonic()
        with pytest.raises(DeadlineError, match=r'within 0\.5 s'):
            client.status('m', timeout=0.5)
        assert time.monotonic() - began < 2


def test_an_answer_that_comes_in_pieces_in_time_is_whole() -> None:
    def pieces(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        for byte in STATUS:
            connection.sendall(b'1\r\n%c\r\n' % byte)
            time.sleep(0.001)
        connection.sendall(b'0\r\n\r\n')
        if head(connection):
            connection.sendall(page(STATUS))

    with Listening(pieces) as server, rest(server) as client:
        assert client.status('m')[0].version == client.status('m')[0].version == 7
        assert server.connections == 1


def test_an_answer_that_ends_with_the_connection_is_whole_too() -> None:
    def old(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n' + STATUS)

    with Listening(old) as server, rest(server) as client:
        assert client.status('m')[0].version == client.status('m')[0].version == 7
        assert server.connections == 2


def test_an_answer_that_is_cut_off_is_none() -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(page(STATUS)[:-5])

    with (
        Listening(cut) as server,
        rest(server, attempts=1) as client,
        pytest.raises(UnavailableError, match='no server answers'),
    ):
        client.status('m')


@pytest.mark.parametrize(
    'length', ['Content-Length: 2000', 'Transfer-Encoding: chunked', 'Connection: close']
)
def test_an_answer_that_is_too_long_is_not_read(length: str) -> None:
    def long(connection: socket.socket) -> None:
        connection.sendall(f'HTTP/1.1 200 OK\r\n{length}\r\n\r\n'.encode())
        connection.sendall(b'7d0\r\n' * (length[0] == 'T') + b' ' * 2000)

    with (
        Listening(long) as server,
        rest(server, max_message_bytes=1000) as client,
        pytest.raises(RequestError, match='more than 1000 bytes') as caught,
    ):
        client.status('m')
    assert caught.value.code == 'RESOURCE_EXHAUSTED'


@pytest.mark.parametrize(
    'body', [b'[]', b'{}', b'{"outputs": null}', b'{"outputs": [1, "a"]}', b'7', b'<html>']
)
def test_the_answers_of_other_servers_are_told(body: bytes) -> None:
    with Listening(saying(body)) as server, rest(server) as client:
        for ask in (
            lambda: client.status('m'),
            lambda: client.metadata('m'),
            lambda: client.predict('m', {'x': ['a']}),
            lambda: client.classify('m', [{'x': 'a'}]),
            lambda: client.regress('m', [{'x': 'a'}]),
        ):
            with pytest.raises(RequestError, match='is not a TensorFlow Serving server') as caught:
                ask()
            assert caught.value.code == 'UNIMPLEMENTED'
        with pytest.raises(RequestError) as caught:
            client.health()
        assert caught.value.code == 'UNIMPLEMENTED'


@pytest.mark.parametrize('body', [b'<html>', b'{"error": "later"}', b'[]', b''])
def test_a_503_that_says_nothing_of_health_is_no_answer(body: bytes) -> None:
    with Listening(saying(body, '503 Later')) as server, rest(server, attempts=1) as client:
        for ask in (client.health, lambda: client.status('m')):
            with pytest.raises(UnavailableError, match=r'takes no requests now: [Ll]ater'):
                ask()
    with Listening(saying(b'{"ready": false}', '503 Later')) as server, rest(server) as client:
        assert client.health() is False


def test_a_certificate_that_is_not_trusted_is_told(certificates: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / 'server.pem', certificates / 'server.key')

    class Secure(Listening):
        def _serve(self, connection: socket.socket) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
                super()._serve(secure)

    with Secure(saying(STATUS)) as server:
        address = f'https://localhost:{server.port}'
        with Client(address, ca=certificates / 'server.pem', token='t') as client:
            assert client.status('m')[0].version == client.status('m')[0].version == 7
        with (
            Client(address, attempts=1) as client,
            pytest.raises(UnavailableError, match=r'cannot encrypt the connection .* ca.*verify failed'),
        ):
            client.status('m')


@pytest.mark.parametrize('settings', [{'tls': True}, {'ca': '/a'}, {'certificate': '/a', 'key': '/b'}])
def test_no_setting_for_encryption_is_dropped(settings: dict[str, Any]) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ServingError, match=r'need https://\. Received: .http://localhost:1'):
            kind('http://localhost:1', token='t', **settings)


@pytest.mark.parametrize('address', ['http://[::1', 'http://a..b:8501', 'http://h:port', 'http://h:70000'])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ServingError, match='an address is http://host:port'):
        Client(address)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ServingError, match='no user and no password') as caught:
        Client('http://me:secret@localhost:8501/path')
    assert 'secret' not in str(caught.value)


def test_the_wait_for_a_thread_is_a_part_of_the_timeout() -> None:
    with Listening(lambda connection: time.sleep(5)) as server:

        async def work() -> list[float]:
            async with AsyncClient(f'http://127.0.0.1:{server.port}', attempts=1) as client:

                async def ask() -> float:
                    began = time.monotonic()
                    with pytest.raises(DeadlineError, match=r'within 0\.5 s'):
                        await client.status('m', timeout=0.5)
                    return time.monotonic() - began

                return await asyncio.gather(*(ask() for _ in range(80)))

        assert max(asyncio.run(work())) < 0.9
