"""Rollouts of real models with classes of every kind: a worse version is undone, a good one is not."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving_client.rollout_classifiers import SPECS, make, rows
from vaiven.serving.client import Client
from vaiven.serving.commands.rollout_auto import entry_line
from vaiven.serving.rollout import configuration
from vaiven.serving.rollout import plan as plans
from vaiven.serving.rollout.auto import Auto
from vaiven.serving.rollout.delivery import ByFile, ByReload
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_run import Outcome
from vaiven.serving.server.server_process import ServerProcess

pytestmark = pytest.mark.slow

PLAN = {'requests': 'rows.tsv', 'steps': [20, 100], 'minimum_requests': 60, 'minimum_seconds': 0}
GATES = {'error_rate': 0.05, 'latency_ratio': None, 'p99_ratio': None, 'accuracy_drop': 0.05}
PERMUTED, CONSTANT, OTHER = 2, 3, 4


@pytest.fixture(scope='module')
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('kinds')
    make(folder)
    return folder


class Stage:
    """A serving folder of one model whose version 1 is stable, and a server that polls its configuration."""

    def __init__(self, kinds: Path, folder: Path, name: str, over: str) -> None:
        self.name, self.folder, self.over = name, folder, over
        self.base_path = folder / name
        for version, fault in enumerate(('stable', 'permuted', 'constant', 'other'), 1):
            shutil.copytree(kinds / name / fault, self.base_path / str(version))
        lines = ''.join(f'{text}\t{label}\n' for text, label in rows(name, 400))
        (folder / 'rows.tsv').write_text(f'text\tlabel\n{lines}')
        self.config = folder / 'models.config'
        self.config.write_text(
            f'model_config_list {{ config {{ name: "{name}" base_path: "{self.base_path}" '
            'model_platform: "tensorflow" model_version_policy { specific { versions: 1 } } '
            'version_labels { key: "stable" value: 1 } } }'
        )
        flags = {
            'model_config_file': self.config, 'model_config_file_poll_wait_seconds': 1,
            'allow_version_labels_for_unavailable_models': True,
        }  # fmt: skip
        self.server = ServerProcess(name, self.base_path, flags=flags)
        self.entries: list[dict[str, Any]] = []

    def rollout(self, client: Client) -> Rollout:
        delivery = ByFile(self.config) if self.over == 'rest' else ByReload(client, self.config)
        return Rollout(client, self.name, configuration.read(self.config), delivery=delivery)

    def auto(self, client: Client, version: int, **gates: float | None) -> Outcome:
        self.entries.clear()
        values = {**PLAN, 'model': self.name, 'gates': {**GATES, **gates}}
        plan = plans.from_values(values, self.folder)
        with Journal(self.base_path / 'rollout.jsonl') as journal:
            return Auto(self.rollout(client), plan, journal, self.entries.append).run(version, 60)


@pytest.fixture(params=[(name, over) for name in SPECS for over in ('grpc', 'rest')], ids='-'.join)
def stage(request: pytest.FixtureRequest, kinds: Path, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(kinds, tmp_path, *request.param)
    with made.server:
        yield made


def test_a_worse_version_is_undone_and_a_good_one_with_other_classes_is_promoted(stage: Stage) -> None:
    address = stage.server.rest_url if stage.over == 'rest' else stage.server.grpc_address
    with Client(address) as client:
        for version in (PERMUTED, CONSTANT):
            # Each gate on decisions and scores finds both faults; agreement is the first.
            outcome = stage.auto(client, version, **({} if version == PERMUTED else {'agreement': None}))
            assert (outcome.result, outcome.version) == ('rolled back', version)
            if version == PERMUTED:
                assert 'agreement' in outcome.reason
            else:
                assert 'accuracy_drop' in outcome.reason or 'drift of ' in outcome.reason
            state = stage.rollout(client).state()
            assert (state.labels, state.available) == ({'stable': 1}, [1])
            assert dict(stage.rollout(client).split().weights) == {'stable': 100}
            # What is permuted has the same names; their order is said, since columns are aligned by name.
            said = [entry for entry in stage.entries if entry['event'] == 'classes']
            assert [entry_line(entry)[10:] for entry in said] == (
                ['their order differs; classes are compared by name'] if version == PERMUTED else []
            )
        outcome = stage.auto(client, OTHER)
        assert (outcome.result, outcome.version) == ('promoted', OTHER), outcome.reason
        assert stage.rollout(client).state().labels == {'stable': OTHER}
        [line] = [entry_line(entry)[10:] for entry in stage.entries if entry['event'] == 'classes']
        assert line == 'only the new version has ¿nuevo?; their order differs; classes are compared by name'
        written = [json.loads(line) for line in (stage.base_path / 'rollout.jsonl').read_text().splitlines()]
        assert written[-1]['event'] == 'end'


@pytest.mark.parametrize('name', SPECS)
@pytest.mark.parametrize('has_files', [True, False])
def test_compare_reads_the_labels_of_the_version_and_shows_its_classes(
    kinds: Path, tmp_path: Path, name: str, has_files: bool
) -> None:
    stage = Stage(kinds, tmp_path, name, 'grpc')
    config = stage.config.read_text().replace('versions: 1', 'versions: 1 versions: 2 versions: 4')
    stage.config.write_text(config)
    if has_files:
        # The newest pushed version has other classes and is not compared.
        local = tmp_path / 'vaiven-runs' / name / 'serving' / name
        shutil.copytree(stage.base_path, local)
        shutil.copytree(local / '1', local / '9')
        (local / '9' / 'assets.extra' / 'vaiven.json').write_text('{"data": {}}')

    def compare(*arguments: str, status: int) -> 'subprocess.CompletedProcess[str]':
        answer = subprocess.run(
            [
                sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'compare', '--model', name, '--server',
                stage.server.grpc_address, '--requests', str(tmp_path / 'rows.tsv'), '--limit', '400', *arguments,
            ],
            capture_output=True, text=True, cwd=tmp_path, timeout=120,
        )  # fmt: skip
        assert answer.returncode == status, answer
        return answer

    with stage.server, Client(stage.server.grpc_address) as client:
        for version in (1, 2, 4):
            client.wait_until_available(name, version=version)
        lines = compare('--new', '2', status=1).stdout.splitlines()
        assert '  classes       their order differs; classes are compared by name' in lines
        [changed] = [line for line in lines if line.startswith('  changed ')]
        assert ' → ' in changed
        for class_name in SPECS[name].classes:
            assert any(line.startswith(f'  {class_name}: ') and 'recall' in line for line in lines)
        told = json.loads(compare('--new', '4', '--json', status=3).stdout)
        assert told['accuracy']['labelled'] == 360
        assert told['accuracy']['old'] == told['accuracy']['new'] > 0.85
        assert (told['agreement']['estimate'], told['changes']) == (1.0, [])
        assert told['class_differences']['added'] == ['¿nuevo?']
        [figures] = [each for each in told['classes'] if each['class'] == '¿nuevo?']
        assert figures['decided'] == {'old': 0.0, 'new': 0.0}
        wrong = tmp_path / 'wrong.csv'
        wrong.write_text('text,label\nx,positive\n')
        said = compare('--new', '4', '--requests', str(wrong), status=2).stderr
        assert said.count('\n') == 1
        assert "'positive' is not one of the labels of the model (" in said
