"""The status tells what is served, who gets it, and where it came from."""

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving_client.run_folder import make_run
from vaiven.serving.client import Client
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration, lineage
from vaiven.serving.rollout.lineage import Origin
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def base_path(pushed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp('status') / 'vaiven-runs' / 'reviews'
    base = run / 'serving' / 'reviews'
    shutil.copytree(pushed, base)
    make_run(run)
    return base


@pytest.fixture(scope='module')
def client(base_path: Path) -> Iterator[Client]:
    with ServerProcess('reviews', base_path) as running, Client(running.grpc_address) as made:
        rollout = Rollout(made, 'reviews', configuration.single_model_config('reviews', base_path))
        rollout.promote(2)
        rollout.canary(3, 12.5)
        yield made


def shown(client: Client, folder: Path, *arguments: str, status: int = 0) -> str:
    answer = subprocess.run(
        [
            sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'status', '--server', client.address, *arguments
        ],
        capture_output=True, text=True, cwd=folder, timeout=60,
    )  # fmt: skip
    assert answer.returncode == status, answer
    return answer.stdout if status == 0 else answer.stderr


def test_the_store_of_a_run_says_what_its_versions_came_from(base_path: Path) -> None:
    found = lineage.origins(lineage.store_path(base_path), base_path)
    assert found == {
        number: Origin(
            f'2026-01-0{number}T12:00:00', ['reseñas.csv'], f'sha256:{number}', 1000 * number,
            {'binary_accuracy': accuracy},
        )
        for number, accuracy in ((1, 0.75), (2, 0.8125))
    }  # fmt: skip


def test_status_as_a_table(client: Client, base_path: Path) -> None:
    lines = shown(client, base_path.parents[3]).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ['version', 'state', 'labels', 'traffic', 'accuracy', 'rows', 'data', 'run'],
        ['3', 'AVAILABLE', 'canary', '12.5', '%'],
        ['2', 'AVAILABLE', 'stable', '87.5', '%', '81.2%', '2,000', 'reseñas.csv', '2026-01-02T12:00'],
        ['1', '-', '75.0%', '1,000', 'reseñas.csv', '2026-01-01T12:00'],
    ]


def test_status_as_json(client: Client, base_path: Path) -> None:
    told = json.loads(shown(client, base_path, '--json', '--base-path', '.'))
    assert told['notes'] == []
    versions = [
        (each['version'], each['state'], each['labels'], each['percent']) for each in told['versions']
    ]
    assert versions == [
        (3, 'AVAILABLE', ['canary'], 12.5),
        (2, 'AVAILABLE', ['stable'], 87.5),
        (1, '-', [], 0),
    ]
    assert told['versions'][0]['origin'] is None
    assert told['versions'][1]['origin']['fingerprint'] == 'sha256:2'


def test_a_server_elsewhere_is_shown_without_origins(client: Client, tmp_path: Path) -> None:
    told = json.loads(shown(client, tmp_path, '--json'))
    assert [each['version'] for each in told['versions']] == [3, 2]
    assert {each['origin'] for each in told['versions']} == {None}
    (tmp_path / 'split.json').write_text('{"model": "otro", "weights": {"stable": 100}}')
    told = json.loads(shown(client, tmp_path, '--json', '--split', 'split.json'))
    assert "is the split of model 'otro', not 'reviews'" in told['notes'][0]
    (tmp_path / 'split.json').write_text('{"model": "reviews", "weights": {"gold": 5, "stable": 95}}')
    assert '5 % of the traffic asks for gold, which names no version' in shown(
        client, tmp_path, '--split', 'split.json'
    )


def test_a_store_that_is_none_is_told(client: Client, base_path: Path, tmp_path: Path) -> None:
    (tmp_path / 'metadata.sqlite').write_text('no store')
    message = shown(client, base_path.parents[3], '--metadata', str(tmp_path / 'metadata.sqlite'), status=2)
    assert 'cannot read the metadata store' in message
    assert message.count('\n') == 1
    with pytest.raises(ServingError, match='unable to open'):
        lineage.origins(tmp_path / 'none', base_path)


def test_metrics_that_have_gone_leave_the_rest(tmp_path: Path) -> None:
    assert lineage.metrics(tmp_path / 'gone') == {}


def test_a_damaged_evaluation_is_a_note(client: Client, base_path: Path, tmp_path: Path) -> None:
    run = base_path.parent.parent
    shutil.copytree(run, tmp_path / 'run')
    store = tmp_path / 'run' / 'metadata.sqlite'
    evaluations = (tmp_path / 'run' / 'artifacts' / 'Evaluator' / 'ModelEvaluation').glob('*/metrics-*')
    [_, path, _] = sorted(evaluations, key=lambda each: int(each.parent.name))
    path.write_bytes(struct.pack('<QI', 5, 0) + b'\xff' * 9)
    told = json.loads(
        shown(client, tmp_path, '--json', '--base-path', str(base_path), '--metadata', str(store))
    )
    assert told['notes'] == [f'version 2: {path} is damaged: a record is not a MetricsForSlice']
    by_version = {each['version']: each['origin'] for each in told['versions']}
    assert by_version[2]['rows'] == 2000
    assert by_version[1]['metrics'] == {'binary_accuracy': 0.75}


def test_names_that_no_file_can_have_are_one_line(client: Client, tmp_path: Path) -> None:
    long = tmp_path / ('x' * 300)
    told = json.loads(shown(client, tmp_path, '--json', '--split', str(long)))
    assert told['notes'] == [f'cannot read {long}: File name too long']
    message = shown(client, tmp_path, '--base-path', str(long), status=2)
    assert message == f'vaiven: cannot read {long}: File name too long\n'
