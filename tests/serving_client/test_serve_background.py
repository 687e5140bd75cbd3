"""`vaiven serve --background` and `--stop`, and commands that come before the server is ready."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vaiven.serving.common import ports, running_servers
from vaiven.serving.common.running_servers import Running

COMMAND = [sys.executable, '-m', 'vaiven.pipeline.cli']

pytestmark = pytest.mark.usefixtures('started_processes')


class Place:
    """A folder with pushed models, two free ports, and records of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.rest_port = ports.free('127.0.0.1', 2)
        self.ports = ('--port', str(self.port), '--rest-port', str(self.rest_port))
        self.address = f'127.0.0.1:{self.port}'
        self.environment = {**os.environ, 'XDG_STATE_HOME': str(folder / 'state')}
        self.environment.pop('VAIVEN_SERVER', None)

    def run(self, *arguments: str, status: int = 0) -> 'subprocess.CompletedProcess[str]':
        answer = subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True, text=True, cwd=self.folder, env=self.environment, timeout=240,
            start_new_session=True,
        )  # fmt: skip
        assert answer.returncode == status, answer
        if status:
            assert answer.stderr.startswith('vaiven: ')
            assert answer.stderr.count('\n') == 1
        return answer

    def record(self) -> Running:
        return Running(**json.loads((self.folder / f'state/vaiven/{self.port}.json').read_text()))


@pytest.fixture
def place(pushed: Path, tmp_path: Path) -> Iterator[Place]:
    shutil.copytree(pushed.parents[2], tmp_path / 'vaiven-runs')
    made = Place(tmp_path)
    yield made
    path = tmp_path / f'state/vaiven/{made.port}.json'
    if path.exists() and (server := made.record()).alive():
        os.kill(server.pid, signal.SIGKILL)


def test_a_background_server_is_ready_at_once_and_stops_on_request(place: Place) -> None:
    started = place.run('serve', '--background', *place.ports)
    server = place.record()
    assert started.stderr == ''
    assert started.stdout.splitlines() == [
        f'reviews: the newest 2 versions of {place.folder}/vaiven-runs/reviews/serving/reviews',
        f'serving reviews: gRPC {place.address}, REST http://127.0.0.1:{place.rest_port}',
        f'process {server.pid}, log {place.folder}/state/vaiven/{place.port}.log',
        f'to end it: vaiven serve --stop --port {place.port}',
    ]
    # It leads a session of its own: a terminal that closes ends those of its own session.
    assert os.getsid(server.pid) == server.pid
    assert place.run('predict', '--server', place.address, 'gg').stdout == 'positive\t1.000000\tgg\n'
    # The model's name is known where it is served, also to a command whose models have another as a rule.
    assert place.run('generate', '--server', place.address, '--length', '3', 'x').stdout.startswith('x ñ 3')
    second = place.run('serve', '--background', *place.ports, status=1).stderr
    assert f'a server is running at {place.address} (process {server.pid}, reviews)' in second
    assert f'vaiven serve --stop --port {place.port}' in second
    [other] = ports.free('127.0.0.1', 1)
    place.run('serve', '--port', str(other), '--rest-port', str(place.rest_port), status=1)
    assert "has no model 'films' (it has: reviews)" in (
        place.run('predict', '--server', place.address, '--model', 'films', 'g', status=2).stderr
    )
    stopped = place.run('serve', '--stop').stdout
    assert stopped == f'the server at {place.address} (process {server.pid}, reviews) has stopped\n'
    assert not server.alive()
    assert 'drained' in Path(server.log).read_text()
    assert 'no server of `vaiven serve` is running' in place.run('serve', '--stop', status=1).stderr


def test_a_command_waits_for_a_server_that_is_starting(place: Place) -> None:
    with (place.folder / 'log').open('wb') as log:
        process = subprocess.Popen(
            [*COMMAND, 'serve', *place.ports], cwd=place.folder, env=place.environment, stdout=log, stderr=log
        )
    try:
        answer = place.run('predict', '--server', place.address, 'gg')
        assert (answer.stdout, answer.stderr) == ('positive\t1.000000\tgg\n', '')
        assert str(process.pid) in place.run('serve', '--stop').stdout
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    began = time.monotonic()
    assert 'no server answers' in place.run('predict', '--server', place.address, 'g', status=1).stderr
    assert time.monotonic() - began < 20  # nothing runs there any more: it does not wait for a start


def test_a_terminal_shows_what_a_command_waits_for(place: Place) -> None:
    # This process is one that starts and never listens.
    with subprocess.Popen(['sleep', '60']) as process:
        (place.folder / 'state/vaiven').mkdir(parents=True)
        record = Running(process.pid, running_servers.start_of(process.pid), '127.0.0.1', place.port, 0)
        os.environ['XDG_STATE_HOME'], kept = str(place.folder / 'state'), os.environ.get('XDG_STATE_HOME')
        try:
            running_servers.write(record)
        finally:
            os.environ.pop('XDG_STATE_HOME')
            if kept is not None:
                os.environ['XDG_STATE_HOME'] = kept
        parent, child = pty.openpty()
        asking = subprocess.Popen(
            [*COMMAND, 'predict', '--server', place.address, 'gg'],
            env=place.environment, cwd=place.folder, stdin=child, stdout=child, stderr=child,
        )  # fmt: skip
        os.close(child)
        said = os.read(parent, 4096).decode()
        assert f'the server (process {process.pid}) is starting: waiting for it' in said
        process.kill()  # and the wait ends with it
        assert asking.wait(60) == 1
        os.close(parent)


def test_stop_leaves_a_process_alone_that_got_the_id_of_a_server(place: Place) -> None:
    with subprocess.Popen(['sleep', '60']) as process:
        folder = place.folder / 'state/vaiven'
        folder.mkdir(parents=True)
        stale = {'pid': process.pid, 'started': 'another-boot/1', 'host': '127.0.0.1', 'port': place.port}
        (folder / f'{place.port}.json').write_text(
            json.dumps({**stale, 'rest_port': 0, 'models': {}, 'log': ''})
        )
        (folder / '1.json').write_text('{"pid"')
        place.run('serve', '--stop', status=1)
        assert process.poll() is None
        process.kill()


def test_a_server_that_cannot_start_is_one_line_with_its_reason(place: Place) -> None:
    (place.folder / 'vaiven-runs/reviews/serving/reviews/3/saved_model.pb').write_bytes(b'broken')
    for version in ('1', '2'):
        shutil.rmtree(place.folder / 'vaiven-runs/reviews/serving/reviews' / version)
    line = place.run('serve', '--background', *place.ports, status=1).stderr
    assert 'the server did not start: ' in line
    assert f'{place.port}.log' in line
    assert not (place.folder / f'state/vaiven/{place.port}.json').exists()


@pytest.mark.parametrize(
    ('arguments', 'line'),
    [
        (('--stop', '--background'), '--stop can only be combined with --port'),
        (('--background', '--port', '9000', '--rest-port', '9000'), '--rest-port must differ from --port'),
        (('gs://bucket/models',), 'gs:// is not supported'),
    ],
)
def test_serve_refuses_contradicting_options(place: Place, arguments: tuple[str, ...], line: str) -> None:
    assert line in place.run('serve', *arguments, status=2).stderr
    assert not (place.folder / 'gs:').exists()
