"""Invalid models, requests and clients: the server returns the right code and answers the next request."""

import contextlib
import gzip
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from raw_clients import Grpc, Rest, wait_until

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

PREDICT = '/v1/models/half:predict'
METHODS = ('Predict', 'Classify', 'Regress', 'MultiInference', 'GetModelMetadata')
TIMEOUT = 3
MAX_MEGABYTES = 1500


@pytest.fixture(scope='module')
def log_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('log') / 'log'


@pytest.fixture(scope='module')
def server(base_path: Path, log_path: Path) -> Iterator[ServerProcess]:
    flags = {'file_system_poll_wait_seconds': 1, 'rest_api_timeout_in_ms': 1000 * TIMEOUT}
    with ServerProcess('half', base_path, flags=flags, log_path=log_path) as running:
        yield running
        memory = megabytes(running)
    assert memory < MAX_MEGABYTES, f'{memory} MB are left in use'


@pytest.fixture(autouse=True)
def goes_on(server: ServerProcess, rest: Rest, grpc_client: Grpc) -> Iterator[None]:
    """After each test the server answers as before on both ports."""
    yield
    assert rest(PREDICT, {'instances': [1.0]})[0] == 200
    assert grpc_client('Predict', request([1.0])).outputs['y'].float_val


def request(value: Any) -> Any:
    made = messages.PredictRequest(model_spec=messages.ModelSpec(name='half'))
    made.inputs['x'].CopyFrom(tensors.to_proto(value))
    return made


def megabytes(server: ServerProcess) -> int:
    """Resident memory of the server."""
    status = Path(f'/proc/{server.pid}/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0]) >> 10


def connect(server: ServerProcess, seconds: float = 20) -> socket.socket:
    host, port = server.rest_url.removeprefix('http://').split(':')
    return socket.create_connection((host, int(port)), timeout=seconds)


def until_closed(sending: socket.socket) -> bytes:
    answer = b''
    with contextlib.suppress(ConnectionResetError):
        while part := sending.recv(1 << 16):
            answer += part
    return answer


# -- models --------------------------------------------------------------------------------------------


def state(rest: Rest, version: int) -> tuple[str, str]:
    status, answer = rest(f'/v1/models/half/versions/{version}')
    if status == 404:
        return '', ''
    found = answer['model_version_status'][0]
    return found['state'], found['status']['error_message']


@pytest.mark.parametrize('size', [0, 1, 1000, -1])
def test_a_cut_graph_does_not_load_and_the_old_version_stays(
    rest: Rest, base_path: Path, made_models: list[Path], tmp_path: Path, size: int
) -> None:
    folder = tmp_path / 'coming'
    shutil.copytree(made_models[1], folder)
    graph = (folder / 'saved_model.pb').read_bytes()
    (folder / 'saved_model.pb').write_bytes(graph[:size])
    number = 100 + abs(size)
    folder.rename(base_path / str(number))
    try:
        wait_until(lambda: state(rest, number)[0] == 'END')
        assert state(rest, number)[1]
        assert rest(PREDICT, {'instances': [1.0]}) == (200, {'predictions': [2.5]})
    finally:
        shutil.rmtree(base_path / str(number))


def test_variables_that_are_cut_do_not_load(
    rest: Rest, base_path: Path, made_models: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / 'coming'
    shutil.copytree(made_models[1], folder)
    for path in (folder / 'variables').iterdir():
        path.write_bytes(path.read_bytes()[:2])
    folder.rename(base_path / '90')
    try:
        wait_until(lambda: state(rest, 90)[0] == 'END')
        assert rest(PREDICT, {'instances': [1.0]}) == (200, {'predictions': [2.5]})
    finally:
        shutil.rmtree(base_path / '90')


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_version_that_may_not_be_read_does_not_load(
    rest: Rest, base_path: Path, made_models: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / 'coming'
    shutil.copytree(made_models[1], folder)
    (folder / 'saved_model.pb').chmod(0)
    folder.rename(base_path / '80')
    try:
        wait_until(lambda: state(rest, 80)[0] == 'END')
        assert rest(PREDICT, {'instances': [1.0]}) == (200, {'predictions': [2.5]})
    finally:
        shutil.rmtree(base_path / '80')


def test_a_base_path_that_is_removed_and_restored_with_odd_names_in_it(
    rest: Rest, base_path: Path, made_models: list[Path], log_path: Path
) -> None:
    away = base_path.with_name('away')
    base_path.rename(away)
    wait_until(lambda: 'error="No such file or directory"' in log_path.read_text())
    assert rest(PREDICT, {'instances': [1.0]}) == (200, {'predictions': [2.5]})
    (away / '70').symlink_to('70')  # a link to itself
    (away / '71').write_text('no folder')
    shutil.copytree(made_models[1], away / '2')
    away.rename(base_path)
    wait_until(lambda: state(rest, 2)[0] == 'AVAILABLE')
    wait_until(lambda: state(rest, 1)[0] == 'END')
    shutil.rmtree(base_path / '2')
    wait_until(lambda: rest(PREDICT, {'instances': [1.0]}) == (200, {'predictions': [2.5]}))


def test_a_base_path_that_can_be_none_is_refused(grpc_client: Grpc, base_path: Path) -> None:
    config = messages.ModelServerConfig()
    add = config.model_config_list.config.add
    add(name='half', base_path=str(base_path), model_platform='tensorflow')
    add(name='nul', base_path='/a\0b', model_platform='tensorflow')
    code, text = grpc_client.error('HandleReloadConfigRequest', messages.ReloadConfigRequest(config=config))
    assert code == 'INVALID_ARGUMENT'
    assert 'absolute path' in text


def test_two_servers_do_not_share_ports(server: ServerProcess, base_path: Path) -> None:
    grpc_port = server.grpc_address.rpartition(':')[2]
    rest_port = server.rest_url.rpartition(':')[2]
    for flags in (
        [f'--port={grpc_port}'],
        ['--port=0', f'--rest_api_port={rest_port}', '--grpc_socket_path=/none'],
    ):
        command = [sys.executable, '-m', 'vaiven.serving.server', '--host=127.0.0.1', *flags]
        ended = subprocess.run(
            [*command, f'--model_base_path={base_path}'],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 255
        assert 'Address already in use' in ended.stdout


# -- bodies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('body', 'headers', 'says'),
    [
        (b'', {}, 'The document is empty'),
        (b'\0' * 1000, {}, 'JSON Parse error'),
        (b'{"instances": ["\xff\xfe"]}', {}, 'is not of expected type: float'),
        (b'{"instances": [{"\\ud800": 1}]}', {}, 'The surrogate pair in string is invalid'),
        (b'{"\\ud800": 1, "instances": 1}', {}, 'The surrogate pair in string is invalid'),
        (b'{"instances": [{"\xff": 1}]}', {}, 'does not have named input'),
        (b'{"instances": [1e999]}', {}, 'Number too big to be stored in double'),
        (b'{"instances": ' + b'[' * 10_000 + b'1' + b']' * 10_000 + b'}', {}, ''),
        (b'{"a":' * 10_000, {}, 'Invalid value. at offset: 50000'),
        (b'{"a": Inf ' + b'\\"' * 32_000, {}, 'JSON Parse error'),
        (b'{"signature_name": "add", "instances": [{"b64": "YQ=="}]}', {}, 'instances is a plain list'),
        (b'{"signature_name": "\\ud800", "inputs": [1]}', {}, 'The surrogate pair in string is invalid'),
        (b'no gzip', {'Content-Encoding': 'gzip'}, 'the body is not whole gzip data'),
        (gzip.compress(b'{"instances": [1]}')[:18], {'Content-Encoding': 'gzip'}, 'it is cut off'),
        (b'no deflate', {'Content-Encoding': 'deflate'}, 'the body is not whole deflate data'),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_bodies_that_are_refused(rest: Rest, body: bytes, headers: dict[str, str], says: str) -> None:
    began = time.monotonic()
    status, answer = rest(PREDICT, body, headers=headers)
    assert status == 400, answer
    assert says in answer['error']
    assert time.monotonic() - began < TIMEOUT


def test_random_bodies_are_bad_requests(rest: Rest) -> None:
    dice = random.Random(1)
    good = b'{"signature_name": "upper", "instances": ["a", {"b64": "YQ=="}], "x": [1.5e3, NaN, null]}'
    for number in range(200):
        body = bytearray(dice.randbytes(dice.randrange(200)) if number % 2 else good)
        for _ in range(dice.randrange(1, 4)):
            if body:
                body[dice.randrange(len(body))] = dice.randrange(256)
        verb = ('predict', 'classify', 'regress')[number % 3]
        status, answer = rest(f'/v1/models/half:{verb}', bytes(body))
        assert status in ((200, 400) if verb == 'predict' else (400,)), (bytes(body), answer)


def test_random_messages_are_errors_of_the_client(grpc_client: Grpc) -> None:
    dice = random.Random(2)
    good = request([1.0, 2.0]).SerializeToString()
    codes, texts = set(), set()
    for number in range(200):
        body = bytearray(dice.randbytes(dice.randrange(200)) if number % 4 == 0 else good)
        for _ in range(dice.randrange(1, 4)):
            if body:
                body[dice.randrange(len(body))] = dice.randrange(256)
        call = grpc_client.channel.unary_unary(
            f'/tensorflow.serving.PredictionService/{METHODS[number % len(METHODS)]}'
        )
        try:
            call(bytes(body), timeout=20)
        except grpc.RpcError as error:
            codes.add(error.code().name)
            if error.code() is grpc.StatusCode.INTERNAL:
                texts.add(error.details())
    assert codes <= {'INVALID_ARGUMENT', 'NOT_FOUND', 'INTERNAL', 'FAILED_PRECONDITION', 'UNIMPLEMENTED'}
    assert texts <= {'the request cannot be parsed'}


def test_empty_requests_and_unknown_services(grpc_client: Grpc) -> None:
    for method in METHODS:
        with pytest.raises(grpc.RpcError) as caught:
            grpc_client.channel.unary_unary(f'/tensorflow.serving.PredictionService/{method}')(
                b'', timeout=20
            )
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        grpc_client.channel.unary_unary('/tensorflow.serving.SessionService/SessionRun')(b'', timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    'value', [['text'], [[True]], [1 + 2j], [1 << 40], [[[1.0]]], [], 'text'], ids=lambda value: str(value)
)
def test_wrong_dtypes_and_shapes(grpc_client: Grpc, value: Any) -> None:
    try:
        assert grpc_client('Predict', request(value)).outputs['y'].dtype
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT  # noqa: PT017 (a shape may be right)


def test_a_few_bytes_do_not_fill_the_memory(server: ServerProcess, grpc_client: Grpc) -> None:
    before = megabytes(server)
    for field, count, value in (
        ('upper', 1 << 25, b'x' * 50_000),
        ('upper', 1 << 14, b'x' * 50_000),
        ('', 1 << 26, b''),
    ):
        made = request([1.0])
        made.model_spec.signature_name = field
        made.inputs.clear()
        tensor = made.inputs['text' if field else 'x']
        tensor.CopyFrom(tensors.to_proto(value if field else 1.0))
        tensor.ClearField('tensor_content')
        tensor.tensor_shape.dim.add(size=count)
        assert grpc_client.error('Predict', made)[0] == 'INVALID_ARGUMENT'
    assert megabytes(server) - before < 100


def test_100_megabytes_are_refused_and_not_kept(server: ServerProcess, rest: Rest) -> None:
    before = megabytes(server)
    with connect(server) as sending:
        sending.sendall(
            b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n' % PREDICT.encode()
        )
        with contextlib.suppress(OSError):
            for _ in range(1000):
                sending.sendall(b' ' * 100_000)
        with contextlib.suppress(OSError):
            assert b' 413 ' in sending.recv(1000)
    assert megabytes(server) - before < 400


# -- clients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'raw',
    [
        b'\r\n\r\n', b'\0' * 100, b'GET\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n',
        b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
        b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'GET /v1/models/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        b'GET /v1/models/%FF%ED%A0%80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        b'GET /v1/models/half/labels/\xe9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        b'GET /v1/%s HTTP/1.1\r\n\r\n' % (b'x' * 20_000), b'GET /v1/models HTTP/1.1\r\nA: %s\r\n\r\n' % (b'x' * 20_000),
        b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n' % PREDICT.encode(),
        b'POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n' % PREDICT.encode(),
    ],
    ids=lambda raw: ascii(raw[:30]),
)  # fmt: skip
def test_bytes_that_are_not_http_are_an_error_of_the_client(server: ServerProcess, raw: bytes) -> None:
    with connect(server) as sending:
        sending.sendall(raw)
        answer = until_closed(sending)
    assert not answer or answer.startswith((b'HTTP/1.1 4', b'HTTP/1.0 4')), answer[:300]


def test_half_requests_are_ended(server: ServerProcess) -> None:
    halves = [b'', b'POST /v1/mod', b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Le' % PREDICT.encode()]
    body = b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"inst' % PREDICT.encode()
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(len(halves) + 1)]
        began = time.monotonic()
        for sending, half in zip(slow, [*halves, body], strict=True):
            sending.sendall(half)
        assert b' 504 ' in slow[-1].recv(1000)
        assert [until_closed(sending) for sending in slow[:-1]] == [b'', b'', b'']
        assert TIMEOUT - 1 < time.monotonic() - began < TIMEOUT + 10


def test_clients_that_vanish_in_the_middle_leave_nothing_behind(
    server: ServerProcess, grpc_client: Grpc, log_path: Path
) -> None:
    lines = log_path.read_text().count('request failed')
    before = descriptors(server)
    content = b'{"signature_name": "slow", "instances": [0.3]}'
    for number in range(60):
        with connect(server) as sending:
            head = b'POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n'
            sending.sendall(head % (PREDICT.encode(), len(content)))
            sending.sendall(content[: None if number % 2 else 20])
            if number % 3 == 0:  # with a reset rather than an orderly end
                sending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
    for _ in range(20):
        made = request([1.0])
        made.model_spec.signature_name = 'slow'
        del made.inputs['x']
        made.inputs['seconds'].CopyFrom(tensors.to_proto([0.3]))
        call = grpc_client.channel.unary_unary(
            '/tensorflow.serving.PredictionService/Predict', messages.PredictRequest.SerializeToString
        ).future(made, timeout=20)
        call.cancel()
    wait_until(lambda: descriptors(server) <= before + 2)
    assert log_path.read_text().count('request failed') == lines


def descriptors(server: ServerProcess) -> int:
    return len(os.listdir(f'/proc/{server.pid}/fd'))


def many() -> int:
    """10,000 connections, or what the limit of file descriptors allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 12_000 if hard == resource.RLIM_INFINITY else min(hard, 12_000)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return 10_000 if limit == 12_000 else min(2000, limit // 2)


def test_thousands_of_connections_that_ask_for_nothing(
    server: ServerProcess, rest: Rest, grpc_client: Grpc
) -> None:
    before, memory = descriptors(server), megabytes(server)
    count = many()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connect(server))
        assert rest(PREDICT, {'instances': [1.0]})[0] == 200
        assert grpc_client('Predict', request([1.0]))
        assert megabytes(server) - memory < 300
        wait_until(lambda: descriptors(server) <= before + 2)  # without a request they are closed


def test_a_server_without_file_descriptors_answers_again_when_it_has_some(
    server: ServerProcess, rest: Rest
) -> None:
    before = descriptors(server)
    limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (before + 50, limits[1]))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(connect(server))
            time.sleep(0.5)
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
    wait_until(lambda: answers(rest))
    wait_until(lambda: descriptors(server) <= before + 2)


def answers(rest: Rest) -> bool:
    try:
        return rest('/healthz')[0] == 200
    except OSError:
        return False
