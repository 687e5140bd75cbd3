"""The REST port, in front of a real server, and of one that tells what it got."""

import gzip
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.gateway.conftest import MODEL, PLAN, before, wait_until
from vaiven.serving.gateway.gateway_process import GatewayProcess
from vaiven.serving.server.server_process import ServerProcess

VERSIONS = {'stable': 1, 'canary': 2}
EMBED = json.dumps({'signature_name': 'embed', 'instances': ['¿qué?']}).encode()


def ask(url: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request, as they come over the wire."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        method = headers.pop('method', 'GET' if body is None else 'POST')
        connection.request(
            method, path, body, {name.replace('_', '-'): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def version(gateway: GatewayProcess, path: str = f'/v1/models/{MODEL}:predict', **headers: str) -> int:
    status, _, body = ask(gateway.rest_url, path, EMBED, **headers)
    assert status == 200, body
    return int(json.loads(body)['predictions'][0][1])


def test_keys_have_the_same_side_as_over_grpc(gateway: GatewayProcess) -> None:
    for key in [f'k{number}' for number in range(30)]:
        assert version(gateway, vaiven_key=key) == VERSIONS[PLAN.label_of(key)]
        assert version(gateway, Vaiven_Key=key) == VERSIONS[PLAN.label_of(key)]


def test_keys_in_utf_8_are_hashed_as_they_are(gateway: GatewayProcess) -> None:
    keys = ['señora ñu', '😀', 'n\u0303', 'מפתח'] + [f'año {number}' for number in range(40)]
    assert {PLAN.label_of(key) for key in keys} == {'stable', 'canary'}
    for key in keys:
        assert version(gateway, vaiven_key=key.encode().decode('latin-1')) == VERSIONS[PLAN.label_of(key)]


def test_without_a_key_and_with_an_empty_one_both_sides_answer(gateway: GatewayProcess) -> None:
    assert {version(gateway) for _ in range(100)} == {1, 2}
    assert {version(gateway, vaiven_key='') for _ in range(100)} == {1, 2}


def test_callers_that_choose_get_what_they_chose(gateway: GatewayProcess) -> None:
    for number in range(8):
        key = f'k{number}'
        assert version(gateway, f'/v1/models/{MODEL}/versions/2:predict', vaiven_key=key) == 2
        assert version(gateway, f'/v1/models/{MODEL}/labels/stable:predict', vaiven_key=key) == 1
        assert (
            version(gateway, '/V1/Models/%72eviews:predict', vaiven_key=key) == VERSIONS[PLAN.label_of(key)]
        )


def test_all_forms_of_requests_are_answered_and_split(gateway: GatewayProcess) -> None:
    classify = json.dumps({'signature_name': 'classify', 'examples': [{'text': 'good'}]}).encode()
    for key in [f'k{number}' for number in range(10)]:
        status, _, body = ask(gateway.rest_url, f'/v1/models/{MODEL}/metadata', vaiven_key=key)
        assert status == 200
        assert json.loads(body)['model_spec']['version'] == str(VERSIONS[PLAN.label_of(key)])
    status, _, body = ask(gateway.rest_url, f'/v1/models/{MODEL}:classify', classify)
    assert (status, len(json.loads(body)['results'])) == (200, 1)
    status, _, body = ask(gateway.rest_url, f'/v1/models/{MODEL}')
    assert [each['version'] for each in json.loads(body)['model_version_status']] == ['2', '1']


@pytest.mark.parametrize(
    ('path', 'body'),
    [
        (f'/v1/models/{MODEL}:predict', b'{'),
        (f'/v1/models/{MODEL}:predict?x', EMBED),
        (f'/v1/models/{MODEL}:PREDICT', EMBED),
        (f'/v1/models/{MODEL}/versions/18446744073709551615:predict', EMBED),
        (f'/v1/models/{MODEL}/labels/%C3%B1:predict', EMBED),
        ('/v1/models/a%C3%B1o:predict', EMBED),
        ('/v1/models/%FF:predict', EMBED),
        ('/v1/models', None),
        ('/v1/', None),
        ('/v1/models//../x', None),
    ],
)
def test_what_is_wrong_is_answered_as_the_server_answers_it(
    gateway: GatewayProcess, server: ServerProcess, path: str, body: bytes | None
) -> None:
    told, wanted = ask(gateway.rest_url, path, body, vaiven_key='k1'), ask(server.rest_url, path, body)
    if ':PREDICT' in path:  # the path has got the label
        told = (*told[:2], re.sub(rb'/labels/[a-z]+', b'', told[2]))
    assert (told[0], told[2]) == (wanted[0], wanted[2])


def test_packed_bodies_go_on_as_they_are(gateway: GatewayProcess) -> None:
    status, _, body = ask(
        gateway.rest_url, f'/v1/models/{MODEL}:predict', gzip.compress(EMBED), Content_Encoding='gzip'
    )
    assert status == 200, body


def test_what_is_no_path_of_the_api_is_not_passed_on(gateway: GatewayProcess) -> None:
    for path in ('/', '/v2/x', '/healthz/x', 'http://127.0.0.1:1/v1/models'):
        status, _, body = ask(gateway.rest_url, path)
        assert (status, list(json.loads(body))) == (404, ['error'])


def raw(url: str, text: bytes) -> bytes:
    """What comes back for these bytes until the connection ends, or 2 seconds pass."""
    host, port = urlsplit(url).netloc.split(':')
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        connection.sendall(text)
        parts = []
        try:
            while part := connection.recv(65536):
                parts.append(part)
        except TimeoutError:
            pass
        return b''.join(parts)


def test_bytes_that_are_no_request_are_refused(gateway: GatewayProcess) -> None:
    assert raw(gateway.rest_url, b'\x00\xff\r\n\r\n').startswith(b'HTTP/1.0 400')
    both = b'POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
    assert b' 400 ' in raw(gateway.rest_url, both).split(b'\r\n')[0]
    assert b' 200' in raw(gateway.rest_url, b'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')


class Teller(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    got: list[Any]
    answer = b'{"ok": true}'
    wait = threading.Event()

    def do_POST(self) -> None:
        if self.headers.get('Transfer-Encoding') == 'chunked':
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b''.join(parts)
        else:
            body = self.rfile.read(int(self.headers['Content-Length']))
        self.got.append((self.path, dict(self.headers), body))
        if 'slow' in self.path:
            self.wait.wait(20)
        content = body if 'echo' in self.path else self.answer
        self.send_response(207, 'Muy bien')
        self.send_header('Content-Length', str(len(content)))
        self.send_header('Connection', 'x-private')
        self.send_header('X-Private', 'of this connection')
        self.send_header('X-Told', 'yes')
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def teller() -> Iterator[Any]:
    handler = type('Handler', (Teller,), {'got': [], 'wait': threading.Event()})
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.address = f'127.0.0.1:{server.server_port}'
    yield handler
    handler.wait.set()
    server.shutdown()
    server.server_close()


def teller_gateway(teller: Any, split_file: Path, *more: str) -> GatewayProcess:
    return GatewayProcess('--rest-server', teller.address, '--split', f'{MODEL}={split_file}', *more)


def test_headers_go_on_but_for_those_of_the_connection(teller: Any, split_file: Path) -> None:
    with teller_gateway(teller, split_file) as gateway:
        status, headers, body = ask(
            gateway.rest_url, f'/v1/models/{MODEL}:predict', b'{}', Authorization='Bearer geheim',
            traceparent='00-ab', vaiven_key='k1', Connection='X-Mine', X_Mine='1', TE='trailers',
            Accept_Encoding='identity',
        )  # fmt: skip
        path, sent, content = teller.got[0]
        assert path == f'/v1/models/{MODEL}/labels/{PLAN.label_of("k1")}:predict'
        assert content == b'{}'
        assert {name.lower(): value for name, value in sent.items()} == {
            'host': teller.address, 'accept-encoding': 'identity', 'authorization': 'Bearer geheim',
            'content-length': '2', 'traceparent': '00-ab', 'vaiven-key': 'k1',
        }  # fmt: skip
        assert (status, headers['x-told'], body) == (207, 'yes', Teller.answer)
        assert 'x-private' not in headers


def test_large_bodies_pass_whole_in_every_form(teller: Any, split_file: Path) -> None:
    large = b'0123456789' * 900_000
    with teller_gateway(teller, split_file, '--max-request-bytes', str(len(large))) as gateway:
        path = f'/v1/models/{MODEL}:echo'
        assert ask(gateway.rest_url, path, large)[2] == large
        connection = http.client.HTTPConnection(urlsplit(gateway.rest_url).netloc, timeout=30)
        connection.request('POST', path, iter([large[:70_000], large[70_000:]]), encode_chunked=True,
                           headers={'Transfer-Encoding': 'chunked'})  # fmt: skip
        assert connection.getresponse().read() == large
        connection.close()
        assert ask(gateway.rest_url, path, large + b'x')[0] == 413
        head = f'POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n'
        assert raw(gateway.rest_url, head.encode()).startswith(b'HTTP/1.1 100 Continue\r\n\r\n')


def test_too_slow_is_504_and_too_many_are_429(teller: Any, split_file: Path) -> None:
    with teller_gateway(
        teller, split_file, '--rest-timeout', '3', '--max-concurrent-requests', '1'
    ) as gateway:
        found: list[int] = []
        waiting = threading.Thread(
            target=lambda: found.append(ask(gateway.rest_url, '/v1/slow', b'1')[0]), daemon=True
        )
        waiting.start()
        wait_until(lambda: teller.got)
        assert ask(gateway.rest_url, '/v1/x', b'1')[0] == 429
        waiting.join(30)
        assert found == [504]
        assert ask(gateway.rest_url, '/v1/x', b'1')[0] == 207


def test_no_server_is_503_until_there_is_one(split_file: Path) -> None:
    with GatewayProcess('--rest-server', '127.0.0.1:1', '--split', f'{MODEL}={split_file}') as gateway:
        status, _, body = ask(gateway.rest_url, f'/v1/models/{MODEL}:predict', EMBED)
        assert status == 503
        assert 'no server answers' in json.loads(body)['error']


def test_metrics_count_by_model_label_and_code(server: ServerProcess, split_file: Path) -> None:
    with before(server, split=split_file) as gateway:
        keys = [f'k{number}' for number in range(20)]
        for key in keys:
            version(gateway, vaiven_key=key)
        version(gateway, f'/v1/models/{MODEL}/labels/stable:predict')
        ask(gateway.rest_url, '/v1/models/otro:predict', EMBED)
        ask(gateway.rest_url, f'/v1/models/{MODEL}/labels/%C3%B1:predict', EMBED)
        status, headers, body = ask(gateway.rest_url, '/metrics')
        assert (status, headers['content-type']) == (200, 'text/plain; version=0.0.4; charset=utf-8')
        lines = dict(line.rsplit(' ', 1) for line in body.decode().splitlines() if line[0] != '#')
        count = [PLAN.label_of(key) for key in keys].count
        for label, number in (('canary', count('canary')), ('stable', count('stable')), ('', 1)):
            cell = f'{{model="reviews",label="{label}",code="OK"}}'
            assert lines[f'vaiven_gateway_requests_total{cell}'] == str(number)
        assert lines['vaiven_gateway_requests_total{model="other",label="",code="NOT_FOUND"}'] == '1'
        assert lines['vaiven_gateway_requests_total{model="reviews",label="",code="INVALID_ARGUMENT"}'] == '1'
        assert lines['vaiven_gateway_request_seconds_count{model="reviews",label=""}'] == '2'
        assert lines['vaiven_gateway_request_seconds_bucket{model="reviews",label="",le="+Inf"}'] == '2'
        assert float(lines['vaiven_gateway_request_seconds_sum{model="reviews",label=""}']) > 0
        assert lines['vaiven_gateway_split_percent{model="reviews",label="canary"}'] == '20'
        assert lines['vaiven_gateway_requests_in_flight{port="rest"}'] == '0'
        assert any(name.startswith('vaiven_build_info{version="') for name in lines)


def test_bombs_are_refused_by_the_server_while_others_pass(gateway: GatewayProcess) -> None:
    bomb = gzip.compress(b'\0' * (1 << 29))
    path = f'/v1/models/{MODEL}:predict'
    statuses: list[int] = []

    def send() -> None:
        statuses.append(ask(gateway.rest_url, path, bomb, Content_Encoding='gzip')[0])

    senders = [threading.Thread(target=send) for _ in range(6)]
    waits = []
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        began = time.perf_counter()
        version(gateway)
        waits.append(time.perf_counter() - began)
    assert statuses == [413] * 6
    assert max(waits) < 1.5
