"""Hostile HTTP clients: gzip bombs, half requests, resets, silence. All other requests are answered in the meantime."""

import contextlib
import gzip
import http.client
import json
import os
import signal
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from raw_clients import Grpc, Rest, wait_until

from vaiven.serving.common import http_body, ports
from vaiven.serving.common.http_body import BodyTooLargeError, inflate
from vaiven.serving.common.status import StatusError
from vaiven.serving.server import garbage_collection, json_document
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

PREDICT = '/v1/models/half:predict'
GOOD = b'{"instances": [1]}'
ANSWER = {'predictions': [2.5]}
# For a test machine whose two processors are busy; without protection, requests wait for the whole attack.
SECONDS = 1.0
HALF_HEAD = f'POST {PREDICT} HTTP/1.1\r\nHos'.encode()
HALF_BODY = f'POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{"inst'.encode()


def place(server: ServerProcess) -> tuple[str, int]:
    url = urlsplit(server.rest_url)
    return url.hostname or '', url.port or 0


@contextlib.contextmanager
def others(server: ServerProcess, grpc_client: Grpc) -> Iterator[list[float]]:
    """Sends REST and gRPC requests all the time, and measures the seconds of each."""
    waits: list[float] = []
    failures: list[BaseException] = []
    over = threading.Event()

    def go_on() -> None:
        connection = http.client.HTTPConnection(*place(server), timeout=30)
        try:
            while not over.is_set():
                began = time.perf_counter()
                connection.request('POST', PREDICT, GOOD)
                assert json.loads(connection.getresponse().read()) == ANSWER
                grpc_client('Check', messages.HealthCheckRequest())
                waits.append(time.perf_counter() - began)
                time.sleep(0.005)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=go_on)
    thread.start()
    wait_until(lambda: waits or failures)
    try:
        yield waits
    finally:
        over.set()
        thread.join()
    assert not failures


def at_once(count: int, work: Callable[[], Any]) -> list[Any]:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_bombs_are_refused_while_others_are_answered(
    server: ServerProcess, rest: Rest, grpc_client: Grpc
) -> None:
    bomb = gzip.compress(b'\0' * (1 << 29))
    with others(server, grpc_client) as waits:
        answers = at_once(8, lambda: rest(PREDICT, bomb, headers={'Content-Encoding': 'gzip'}))
    assert {status for status, _ in answers} == {413}
    assert answers[0][1] == {'error': f'the request is larger than {64 << 20} bytes'}
    assert max(waits) < SECONDS


def test_no_more_than_the_limit_is_ever_inflated() -> None:
    pieces: list[int] = []

    class Counting:
        def __init__(self, bits: int) -> None:
            self.inner = zlib_decoder(bits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            pieces.append(len(part := self.inner.decompress(data, most)))
            return part

    zlib_decoder = zlib.decompressobj
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_body.zlib, 'decompressobj', Counting)
        with pytest.raises(BodyTooLargeError):
            inflate(gzip.compress(b'\0' * (1 << 26)), 'gzip', 1 << 20)
    assert sum(pieces) == (1 << 20) + 1


WHOLE = gzip.compress(GOOD)
DAMAGED = WHOLE[:-6] + bytes([WHOLE[-6] ^ 1]) + WHOLE[-5:]
RAW = zlib.compressobj(wbits=-15)


@pytest.mark.parametrize(
    ('coding', 'body'),
    [
        ('gzip', WHOLE),
        ('GZIP', WHOLE),
        ('x-gzip', WHOLE),
        ('identity, gzip', WHOLE),
        ('gzip', gzip.compress(GOOD[:5]) + gzip.compress(b'') + gzip.compress(GOOD[5:])),
        ('deflate', zlib.compress(GOOD)),
        ('deflate', RAW.compress(GOOD) + RAW.flush()),
        ('identity', GOOD),
        ('gzip', gzip.compress(GOOD[:-1] + b' ' * 300_000 + b'}')),
    ],
)
def test_whole_compressed_bodies_are_read(rest: Rest, coding: str, body: bytes) -> None:
    assert rest(PREDICT, body, headers={'Content-Encoding': coding}) == (200, ANSWER)


@pytest.mark.parametrize(
    ('coding', 'body', 'says'),
    [
        ('gzip', WHOLE[:-9], 'the body is not whole gzip data: it is cut off'),
        ('gzip', WHOLE[:4], 'the body is not whole gzip data: it is cut off'),
        ('gzip', WHOLE + b'more', 'the body is not whole gzip data: bytes follow its end'),
        ('gzip', DAMAGED, 'the body is not whole gzip data: '),
        ('gzip', GOOD, 'the body is not whole gzip data: '),
        ('gzip', WHOLE * 1025, 'more than 1024 members'),
        ('gzip', WHOLE + WHOLE[:7], 'it is cut off'),
        ('deflate', zlib.compress(GOOD)[:-5], 'the body is not whole deflate data: it is cut off'),
        ('deflate', zlib.compress(GOOD) + b'x', 'the body is not whole deflate data: '),
        ('deflate', WHOLE, 'the body is not whole deflate data: '),
        ('gzip, gzip', gzip.compress(WHOLE), 'must be gzip, deflate or identity. Received: gzip, gzip'),
        ('br', b'\x0b\x08', 'Content-Encoding must be gzip, deflate or identity. Received: br'),
    ],
)  # fmt: skip
def test_damaged_bodies_are_refused_in_one_line(rest: Rest, coding: str, body: bytes, says: str) -> None:
    status, answer = rest(PREDICT, body, headers={'Content-Encoding': coding})
    assert status == 400
    assert says in answer['error']
    assert '\n' not in answer['error']


def test_a_tensor_of_many_rows_may_be_damaged_anywhere(rest: Rest) -> None:
    body = gzip.compress(json.dumps({'instances': [1.5] * 60_000}).encode())
    for cut in (len(body) // 2, len(body) - 1):
        with pytest.raises(StatusError):
            inflate(body[:cut], 'gzip', 1 << 26)
    status, answer = rest(PREDICT, body, headers={'Content-Encoding': 'gzip'})
    assert (status, len(answer['predictions'])) == (200, 60_000)


def expecting(server: ServerProcess, path: str, length: int, more: str = '') -> bytes:
    """The first response to a head with `Expect: 100-continue`."""
    head = (
        f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n{more}\r\n'
    )
    with socket.create_connection(place(server), timeout=10) as connection:
        connection.sendall(head.encode())
        first = connection.recv(65536)
        if first.startswith(b'HTTP/1.1 100 Continue\r\n\r\n'):
            connection.sendall(GOOD)
            first += connection.recv(65536)
        return first


def test_a_client_that_waits_for_100_continue_gets_it(server: ServerProcess) -> None:
    answer = expecting(server, PREDICT, len(GOOD))
    assert answer.startswith(b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n')
    assert answer.endswith(b'2.5]\n}')


@pytest.mark.parametrize(
    ('path', 'length', 'more', 'status'),
    [
        (PREDICT, (64 << 20) + 1, '', b'413'),
        ('/v1/models/half:other', 18, '', b'400'),
        (PREDICT, 18, 'Content-Encoding: br\r\n', b'400'),
        ('/other', 18, '', b'404'),
    ],
)
def test_errors_in_the_head_are_refused_before_the_body(
    server: ServerProcess, path: str, length: int, more: str, status: bytes
) -> None:
    answer = expecting(server, path, length, more)
    assert answer.startswith(b'HTTP/1.1 ' + status)
    assert b'Connection: close' in answer


def test_resets_half_requests_and_silence_delay_no_request_and_leave_nothing(
    server: ServerProcess, rest: Rest, grpc_client: Grpc
) -> None:
    files = Path(f'/proc/{server.pid}/fd')
    assert rest(PREDICT, GOOD) == (200, ANSWER)
    before = len(os.listdir(files))
    reset = struct.pack('ii', 1, 0)
    with others(server, grpc_client) as waits, contextlib.ExitStack() as open_ones:
        for number in range(900):
            connection = socket.create_connection(place(server), timeout=10)
            connection.sendall((HALF_HEAD, HALF_BODY, b'')[number % 3])
            if number % 2:
                open_ones.enter_context(connection)
            else:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                connection.close()
        assert rest('/healthz') == (200, {'status': 'serving'})
    assert sorted(waits)[int(len(waits) * 0.98)] < SECONDS
    wait_until(lambda: len(os.listdir(files)) <= before + 4)


def test_large_bodies_let_others_in_between() -> None:
    body = json.dumps({'instances': [[0.123456, 7.5] for _ in range(400_000)]}).encode()
    json.loads(body)
    began = time.perf_counter()
    json.loads(body)
    at_a_stretch = time.perf_counter() - began

    def read() -> None:
        with (
            garbage_collection.postpone_full_collections()
        ):  # as the server does: one would look at all of pytest
            json_document.release(json_document.parse(body))

    def longest_wait() -> float:
        longest = 0.0
        thread = threading.Thread(target=read)
        thread.start()
        while thread.is_alive():
            before = time.perf_counter()
            time.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)
        return longest

    assert min(longest_wait() for _ in range(3)) < at_a_stretch / 2


def test_a_large_request_has_a_large_answer(rest: Rest) -> None:
    rows = [index / 2 for index in range(200_000)]
    status, answer = rest(PREDICT, {'instances': rows})
    assert status == 200
    assert answer['predictions'] == [row / 2 + 2 for row in rows]


@pytest.mark.parametrize('host', ['0.0.0.0', '::', '', '[::]'])
def test_all_interfaces_are_those_of_ipv4_and_ipv6(host: str) -> None:
    (listening,) = ports.listen(host, 0)
    with listening:
        number = listening.getsockname()[1]
        for address in ('127.0.0.1', '::1') if socket.has_dualstack_ipv6() else ('127.0.0.1',):
            socket.create_connection((address, number), timeout=5).close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason='the machine has no IPv6')
def test_one_address_is_listened_on_alone() -> None:
    for host, other in (('::1', '127.0.0.1'), ('127.0.0.1', '::1')):
        (listening,) = ports.listen(host, 0)
        with listening:
            number = listening.getsockname()[1]
            socket.create_connection((host, number), timeout=5).close()
            with pytest.raises(OSError, match='refused'):
                socket.create_connection((other, number), timeout=5)


@pytest.mark.parametrize('known', [True, False])
def test_a_machine_without_ipv6_has_its_ipv4_interfaces(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def without_ipv6(address: Any, *, family: int = socket.AF_INET, **options: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, 'Address family not supported by protocol')
        return create(address, family=family, **options)

    monkeypatch.setattr(socket, 'create_server', without_ipv6)
    monkeypatch.setattr(socket, 'has_dualstack_ipv6', lambda: known)
    for host in ('0.0.0.0', '::', 'localhost'):
        for listening in ports.listen(host, 0):
            with listening:
                socket.create_connection(('127.0.0.1', listening.getsockname()[1]), timeout=5).close()


def test_no_kept_connection_is_reset_when_the_server_ends(base_path: Path) -> None:
    host = '::' if socket.has_dualstack_ipv6() else '0.0.0.0'
    with ServerProcess('half', base_path, host=host) as server:
        port = place(server)[1]
        addresses = ['127.0.0.1', '::1' if host == '::' else '127.0.0.1']
        connections = [http.client.HTTPConnection(addresses[i % 2], port, timeout=10) for i in range(20)]
        for connection in connections:
            assert post(connection) == (200, None)
        os.kill(server.pid, signal.SIGTERM)
        probe = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
        wait_until(lambda: readiness(probe) == 503, 5)
        # While the server ends, most ask once more: each gets its answer, and learns that it is the last.
        for connection in connections[:15]:
            assert post(connection) == (200, 'close')
            assert connection.sock is None
        for connection in connections[15:]:
            assert connection.sock.recv(1) == b'', 'an end, and no reset'
            connection.sock.sendall(HALF_HEAD)
        assert server.stop() == 0


def post(connection: http.client.HTTPConnection) -> tuple[int, str | None]:
    connection.request('POST', PREDICT, GOOD)
    answer = connection.getresponse()
    assert json.loads(answer.read()) == ANSWER
    return answer.status, answer.headers.get('Connection')


def readiness(connection: http.client.HTTPConnection) -> int:
    connection.request('GET', '/readyz')
    answer = connection.getresponse()
    answer.read()
    return answer.status
