"""The first rollout on a server that has no labels yet, and what requests without a label get meanwhile."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving_client.fake_rollout import FakeStage
from tests.serving_client.test_serve_restarts import SERVE, serving
from vaiven.serving.client import Client
from vaiven.serving.common import ports, running_servers
from vaiven.serving.common import split as splits
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.server_state import ModelState, VersionStatus
from vaiven.serving.rollout.version_choice import default_stable
from vaiven.serving.server.server_process import ServerProcess


@pytest.fixture
def base_path(pushed: Path, tmp_path: Path) -> Path:
    """As two runs leave it: versions 1 and 2."""
    base = tmp_path / 'vaiven-runs' / 'reviews' / 'serving' / 'reviews'
    for version in ('1', '2'):
        shutil.copytree(pushed / version, base / version)
    return base


@pytest.fixture
def first_alone(base_path: Path, tmp_path: Path) -> Iterator[Client]:
    """A server as the stock one, told to serve version 1 alone, without labels."""
    config = tmp_path / 'models.config'
    config.write_text(
        f'model_config_list {{ config {{ name: "reviews" base_path: "{base_path}" model_platform: "tensorflow" '
        'model_version_policy { specific { versions: 1 } } } }'
    )
    server = ServerProcess('reviews', base_path, flags={'model_config_file': config})
    with server as running, Client(running.grpc_address) as client:
        yield client


def rollout(client: Client, folder: Path, *arguments: str, status: int = 0) -> str:
    command = [
        sys.executable,
        '-m',
        'vaiven.pipeline.cli',
        'rollout',
        arguments[0],
        '--server',
        client.address,
    ]
    answer = subprocess.run(
        [*command, *arguments[1:]], capture_output=True, text=True, cwd=folder, timeout=120
    )
    assert answer.returncode == status, answer
    return answer.stdout if status == 0 else answer.stderr


def plain(client: Client) -> float:
    """The version that answers a request without version and label."""
    return float(client.predict('reviews', {'text': ['g']}, signature='embed')['embedding'][0, 1])


def test_the_commands_of_the_readme_work_after_two_runs_and_serve(base_path: Path, tmp_path: Path) -> None:
    with serving(tmp_path / 'log', base_path) as client:
        # The server is ready with version 2, and may still be loading version 1: the canary waits for that.
        client.wait_until_available('reviews', version=2, timeout=60)
        assert plain(client) == 2.0  # no label: as TensorFlow Serving, the newest
        assert 'no version is stable' in rollout(client, tmp_path, 'status')
        assert rollout(client, tmp_path, 'canary', '2', '--percent', '10').splitlines() == [
            'reviews: version 1 is now stable, since no version had that label',
            'reviews: version 2 gets 10 %, version 1 the rest',
            'requests without a label get version 1, the stable one',
        ]
        assert plain(client) == 1.0
        assert 'version 2 is stable (previously 1)' in rollout(client, tmp_path, 'promote')
        assert plain(client) == 2.0
        assert 'version 1 is stable (previously 2)' in rollout(client, tmp_path, 'rollback')
        assert plain(client) == 1.0
        assert 'there is no lower version' in rollout(client, tmp_path, 'rollback', status=2)


@pytest.mark.usefixtures('started_processes')
def test_a_command_that_is_given_while_the_server_starts_waits_for_it(
    base_path: Path, tmp_path: Path
) -> None:
    [port] = ports.free('127.0.0.1', 1)
    process = subprocess.Popen(
        [*SERVE, str(base_path), '--port', str(port), '--rest-port', '0'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while running_servers.at(port) is None:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        answer = subprocess.run(
            [sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'status', '--server', f'127.0.0.1:{port}'],
            capture_output=True, text=True, cwd=tmp_path, timeout=180,
        )  # fmt: skip
    finally:
        process.kill()
        process.wait()
    assert answer.returncode == 0, answer.stderr
    assert 'AVAILABLE' in answer.stdout


def test_the_version_that_is_served_alone_becomes_stable_and_the_canary_says_who_gets_plain_requests(
    first_alone: Client, base_path: Path, tmp_path: Path
) -> None:
    note = rollout(first_alone, tmp_path, 'status').splitlines()[-1]
    assert 'version 1 is the only available version' in note
    refused = rollout(first_alone, tmp_path, 'canary', '1', '--percent', '10', status=2)
    assert refused.count('\n') == 1
    assert 'version 1 is the only available version' in refused
    lines = rollout(first_alone, tmp_path, 'canary', '2', '--percent', '10').splitlines()
    assert lines[0] == 'reviews: version 1 is now stable, since no version had that label'
    assert lines[2] == (
        'requests without a label get version 2, the newest loaded version: '
        'clients must ask for the label stable, or use `vaiven gateway`'
    )
    assert plain(first_alone) == 2.0  # TensorFlow Serving's rule, labels or not
    told = json.loads(rollout(first_alone, tmp_path, 'canary', '2', '--percent', '33.3', '--json'))
    assert (told['stable'], told['canary'], told['named_stable'], told['plain']) == (1, 2, None, 2)


def test_a_canary_that_cannot_be_loaded_names_no_stable_version(first_alone: Client, base_path: Path) -> None:
    (base_path / '3').mkdir()
    (base_path / '3' / 'saved_model.pb').write_bytes(b'no model')
    folder = base_path.parents[3]
    rollout(first_alone, folder, 'canary', '3', '--percent', '10', status=2)
    assert first_alone.label_version('reviews', 'stable') is None
    assert [each.version for each in first_alone.status('reviews') if each.available] == [1]


@pytest.mark.parametrize(
    ('loaded', 'canary', 'stable'),
    [([1], 2, 1), ([2, 1], 2, 1), ([3, 2, 1], 3, 2), ([3, 2], 2, 3), ([5], 9, 5)],
)
def test_stable_is_what_plain_requests_got(loaded: list[int], canary: int, stable: int) -> None:
    now = ModelState([VersionStatus(version, 'AVAILABLE') for version in loaded])
    assert default_stable('m', now, canary) == stable


@pytest.mark.parametrize(
    ('loaded', 'why'), [([2], 'version 2 is the only available version'), ([], 'no version is loaded')]
)
def test_without_another_loaded_version_none_can_be_stable(loaded: list[int], why: str) -> None:
    now = ModelState([VersionStatus(version, 'AVAILABLE') for version in loaded])
    with pytest.raises(ServingError, match=why):
        default_stable('m', now, 2)


def test_a_canary_waits_for_a_version_that_is_being_loaded_beside_it(tmp_path: Path) -> None:
    stage = FakeStage(tmp_path)
    stage.server.labels = {}
    answers = [VersionStatus(2, 'AVAILABLE', ''), VersionStatus(1, 'LOADING', '')]
    looks: list[int] = []

    def status(model: str) -> list[VersionStatus]:
        looks.append(1)
        if len(looks) < 3:
            return answers
        stage.server.loaded = {1, 2}
        return [VersionStatus(version, 'AVAILABLE', '') for version in (2, 1)]

    stage.server.status = status  # type: ignore[method-assign]
    change = stage.rollout().canary(2, 10)
    assert (change.named_stable, change.canary) == (1, 2)


def test_the_split_never_names_a_label_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = FakeStage(tmp_path)
    stage.server.loaded, stage.server.labels = {1}, {}
    written: list[tuple[set[str], set[str]]] = []

    def write(path: Path, split: splits.Split) -> None:
        named = {label for label, share in split.weights.items() if share}
        written.append((named, set(stage.server.labels)))

    monkeypatch.setattr(splits, 'write', write)
    change = stage.rollout().canary(2, 10)
    assert (change.named_stable, change.canary) == (1, 2)
    assert written
    assert all(named <= labels for named, labels in written)


def test_without_a_place_for_the_split_no_version_is_named_stable(tmp_path: Path) -> None:
    stage = FakeStage(tmp_path)
    stage.server.loaded, stage.server.labels = {1}, {}
    elsewhere = Rollout(stage.server, 'm', stage.config, split_path=tmp_path / 'none' / 'split.json')  # type: ignore[arg-type]
    with pytest.raises(ServingError, match=r'cannot write .*split\.json: No such file'):
        elsewhere.canary(2, 10)
    assert (stage.server.loaded, stage.server.labels) == ({1}, {})


def test_an_automatic_rollout_names_the_version_that_is_served_alone(tmp_path: Path) -> None:
    stage = FakeStage(tmp_path)
    stage.server.loaded, stage.server.labels = {1}, {}
    assert stage.auto().result == 'promoted'
    assert stage.events()[:3] == ['begin', 'named', 'step']
    assert (stage.entries[0]['stable'], stage.entries[0]['version']) == (1, 2)
    assert 'restoring' not in stage.events()
    assert stage.server.labels == {'stable': 2}
