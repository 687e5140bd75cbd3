"""`vaiven serve` that was killed after a rollout is what it was when it starts again."""

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vaiven.serving.client import Client, UnavailableError
from vaiven.serving.common import files, ports
from vaiven.serving.rollout import configuration
from vaiven.serving.rollout.delivery import ByReload
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.server_state import model_state

SERVE = [sys.executable, '-m', 'vaiven.pipeline.cli', 'serve']


@pytest.fixture
def base_path(pushed: Path, tmp_path: Path) -> Path:
    base = tmp_path / 'reviews'
    shutil.copytree(pushed, base)
    return base


@contextlib.contextmanager
def serving(log: Path, *arguments: object) -> Iterator[Client]:
    """A client of a server whose ports have just been opened; the server is killed at the end."""
    [port] = ports.free('127.0.0.1', 1)
    with log.open('wb') as stream:
        process = subprocess.Popen(
            [*SERVE, *map(str, arguments), '--port', str(port), '--rest-port', '0'],
            stdout=stream,
            stderr=stream,
        )
    try:
        with Client(f'127.0.0.1:{port}') as client:
            deadline = time.monotonic() + 120
            while True:
                try:
                    client.status('reviews')
                    break
                except UnavailableError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.02)
            yield client
    finally:
        process.kill()
        process.wait()


def stable_answers(client: Client) -> float:
    answer: Any = client.predict('reviews', {'text': ['g']}, signature='embed', label='stable')
    return float(answer['embedding'][0, 1])


def test_a_folder_is_served_as_the_rollout_left_it(base_path: Path, tmp_path: Path) -> None:
    log = tmp_path / 'log'
    with serving(log, base_path) as client:
        assert log.read_text().splitlines()[0] == f'reviews: the newest 2 versions of {base_path}'
        rollout = Rollout(client, 'reviews', configuration.single_model_config('reviews', base_path))
        rollout.promote(1)
        rollout.canary(2, 10)
    with serving(log, base_path) as client:
        assert stable_answers(client) == 1.0
        assert model_state(client, 'reviews').labels == {'stable': 1, 'canary': 2}
        assert '(canary 2, stable 1)' in log.read_text().splitlines()[0]
        assert rollout_again(client, base_path).stable == 2
    # A folder that was moved is served, and not the one that it was.
    base_path.rename(tmp_path / 'moved')
    with serving(log, tmp_path / 'moved', '--model-name', 'reviews') as client:
        assert stable_answers(client) == 2.0


def rollout_again(client: Client, base_path: Path) -> Any:
    return Rollout(client, 'reviews', configuration.single_model_config('reviews', base_path)).promote()


def test_a_configuration_file_with_labels_is_one_to_start_with(base_path: Path, tmp_path: Path) -> None:
    path = tmp_path / 'models.config'
    files.replace_message(path, configuration.single_model_config('reviews', base_path))
    with serving(tmp_path / 'log', '--config-file', path) as client:
        Rollout(client, 'reviews', configuration.read(path), delivery=ByReload(client, path)).promote(2)
    with serving(tmp_path / 'log', '--config-file', path) as client:
        assert stable_answers(client) == 2.0
        assert model_state(client, 'reviews').available == [3, 2]
    assert not (base_path / 'models.config').exists()


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('model_config_list {', 'Error parsing text-format tensorflow.serving.ModelServerConfig: '),
        ('model_config_list { config { name: "films" } }', "has no model 'reviews'; it has: films"),
        (
            'model_config_list { config { name: "reviews" model_version_policy { specific { versions: 9 } } } }',
            'has none of the versions that',
        ),
    ],
)
def test_a_kept_file_that_cannot_be_served_is_one_line(base_path: Path, text: str, line: str) -> None:
    (base_path / 'models.config').write_text(text)
    answer = subprocess.run([*SERVE, str(base_path)], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 2
    assert line in answer.stderr
    assert 'models.config the newest 2 versions are served' in answer.stderr
    assert answer.stderr.count('\n') == 1


def test_a_configuration_that_cannot_be_saved_is_used_and_logged(base_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path / 'log', base_path) as client:
        (base_path / 'models.config').mkdir()
        Rollout(client, 'reviews', configuration.single_model_config('reviews', base_path)).promote(3)
        assert stable_answers(client) == 3.0
        assert 'configuration not kept' in (tmp_path / 'log').read_text()
