"""`vaiven gateway`: what it takes, and what it refuses in one line."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import MODEL, PLAN, Asking, Upstream, embed
from tests.gateway.test_rest_port import ask as rest
from vaiven.serving.common.split import write
from vaiven.serving.gateway.gateway_process import GatewayProcess
from vaiven.serving.wire import messages


def vaiven(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-m', 'vaiven.pipeline.cli', 'gateway', *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_help_shows_an_example_and_needs_neither_grpc_nor_tensorflow(tmp_path: Path) -> None:
    answer = vaiven(tmp_path, '--help')
    assert answer.returncode == 0
    assert 'vaiven gateway --base-path' in answer.stdout
    code = (
        'import sys, vaiven.serving.commands.gateway; '
        'print([name for name in ("grpc", "aiohttp", "numpy", "tensorflow") if name in sys.modules]); '
        'import vaiven.serving.gateway.gateway, vaiven.serving.gateway.rest_port; print("tensorflow" in sys.modules)'
    )
    told = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert told.split('\n')[:2] == ['[]', 'False']


@pytest.mark.parametrize(
    ('arguments', 'status', 'words'),
    [
        ([], 2, 'there is no pushed model'),
        (['--split', 'reviews'], 2, "--split must be MODEL=FILE. Received: 'reviews'"),
        (['--split', '=a.json'], 2, '--split must be MODEL=FILE'),
        (['--split', 'r=a', '--split', 'r=b'], 2, "model 'r' has two split files"),
        (['--split', 'r=nowhere/a.json'], 2, 'there is no folder nowhere'),
        (['--split', f'r={"x" * 300}/a.json'], 2, 'there is no folder xxx'),
        (['--split', 'r=a', '--server', 'nowhere'], 2, "--server must be HOST:PORT. Received: 'nowhere'"),
        (['--split', 'r=a', '--server', 'http://a:1'], 2, '--server must be HOST:PORT'),
        (['--split', 'r=a', '--rest-server', 'a:1/x'], 2, '--rest-server must be HOST:PORT'),
        (['--split', 'r=a', '--route', 'a:1'], 2, '--route must be LABEL=HOST:PORT'),
        (['--split', 'r=a', '--route', 'b=a:1'], 2, '--route and --rest-route must have the same labels'),
        (['--split', 'r=a', '--route', 'b=a:1', '--route', 'b=a:2'], 2, "--route has the label 'b' twice"),
        (['--split', 'r=a', '--key-header', 'X-Key'], 2, '--key-header must be a name in lower-case ASCII'),
        (['--split', 'r=a', '--key-header', 'key-bin'], 2, '--key-header must be a name'),
        (['--split', 'r=a', '--port', '0'], 2, '--port'),
        (['--split', 'r=a', '--port', '9000', '--rest-port', '9000'], 2, '--rest-port must differ'),
        (['--split', 'r=a', '--key', 'a'], 2, 'mutual TLS needs a certificate and its key'),
        (['--split', 'r=a', '--ssl-config-file', 'none'], 2, 'cannot read none'),
        (['--split', 'r=a', '--ca', 'none'], 2, 'cannot read none'),
        (['--split', 'r=broken.json'], 2, 'broken.json is not a traffic split'),
        (['--split', 'r=other.json'], 2, "other.json is the split of 'reviews', not of 'r'"),
        (['--split', '\udcff=a'], 2, "'--split': must be UTF-8. Received: '\\udcff=a'"),
        (['--split', 'r=a', '--route', '\udcff=a:1'], 2, "'--route': must be UTF-8"),
        (['--split', 'r=a', '--server', '\udcff:1'], 2, "'--server': must be UTF-8"),
        (['--split', 'r=a', '--rest-server', '\udcff:1'], 2, "'--rest-server': must be UTF-8"),
        (['--split', 'r=a', '--server-name', '\udcff'], 2, "'--server-name': must be UTF-8"),
        (['--split', 'r=a', '--host', '\udcff'], 2, "'--host': must be UTF-8"),
        (['--split', 'r=a', '--rest-timeout', 'nan'], 2, "'--rest-timeout'"),
        (['--split', 'r=a', '--drain-seconds', 'inf'], 2, "'--drain-seconds'"),
        (['--split', 'r=a', '--max-request-bytes', str(2**31)], 2, "'--max-request-bytes'"),
        (['--split', 'r=a', '--host', 'no.such.host.invalid'], 1, 'no such address to listen on'),
        (['extra'], 2, 'extra'),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(
    tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    (tmp_path / 'broken.json').write_text('{"año": ')
    write(tmp_path / 'other.json', PLAN)
    answer = vaiven(tmp_path, *arguments)
    assert (answer.returncode, words in answer.stderr) == (status, True), answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(('127.0.0.1', 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize('option', ['--port', '--rest-port'])
def test_a_port_that_is_taken_is_told(tmp_path: Path, taken: int, option: str) -> None:
    answer = vaiven(tmp_path, '--split', 'r=a', option, str(taken))
    assert answer.returncode == 1
    assert f'port {taken} on 127.0.0.1 cannot be used' in answer.stderr.splitlines()[-1]
    assert 'Traceback' not in answer.stderr


def test_a_serving_folder_names_the_model_and_holds_its_split(tmp_path: Path) -> None:
    base = tmp_path / 'vaiven-runs' / 'a' / 'serving' / MODEL
    (base / '1').mkdir(parents=True)
    (base / '1' / 'saved_model.pb').touch()
    write(base / 'split.json', PLAN)
    os.utime(base / '1')
    with (
        Upstream() as upstream,
        GatewayProcess('--base-path', str(base), '--server', upstream.address, '--rest-port', '0') as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        ask.raw(embed().SerializeToString(), metadata=[('vaiven-key', 'k1')])
        got = messages.PredictRequest.FromString(upstream.requests[0])
        assert got.model_spec.version_label == PLAN.label_of('k1')
        assert 'rest=off' in gateway.log()


def test_it_listens_on_an_address_of_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(('::1', 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip('needs IPv6')
    split = f'{MODEL}={tmp_path / "split.json"}'
    with (
        Upstream() as upstream,
        GatewayProcess('--split', split, '--server', upstream.address, '--host', '::1') as gateway,
        Asking(gateway.grpc_address.replace('127.0.0.1', '[::1]')) as ask,
    ):
        assert ask.raw(embed().SerializeToString())[0] == b'answer'
        assert rest(gateway.rest_url.replace('127.0.0.1', '[::1]'), '/healthz')[0] == 200
