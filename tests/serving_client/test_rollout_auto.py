"""Rollouts that decide by themselves, on a real server, with planted faults, stops, kills and restarts."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vaiven.serving.client import Client, RequestError
from vaiven.serving.common import ports
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import configuration
from vaiven.serving.rollout import plan as plans
from vaiven.serving.rollout.auto import Auto
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.rollout import Rollout
from vaiven.serving.rollout.rollout_run import Outcome
from vaiven.serving.rollout.server_state import label_version
from vaiven.serving.server.server_process import ServerProcess

ROOT = Path(__file__).parent.parent.parent
PLAN = {
    'model': 'reviews', 'requests': 'rows.tsv', 'steps': [10, 50, 100], 'minimum_requests': 60,
    'minimum_seconds': 0.2,
    'gates': {'error_rate': 0.05, 'agreement': 0.9, 'latency_ratio': None, 'p99_ratio': None, 'drift': None},
}  # fmt: skip


@pytest.fixture(scope='module')
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions with planted faults, see `benchmarks.rollout_models`."""
    folder = tmp_path_factory.mktemp('kinds')
    subprocess.run(
        [sys.executable, '-m', 'benchmarks.rollout_models', str(folder)],
        check=True,
        cwd=ROOT,
        env={**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '3', 'CUDA_VISIBLE_DEVICES': ''},
        capture_output=True,
    )
    return folder


class Stage:
    """A serving folder with version 1 stable, a server, and rows whose labels are what version 1 says."""

    def __init__(self, kinds: Path, folder: Path) -> None:
        self.kinds = kinds
        self.folder = folder
        self.base_path = folder / 'reviews'
        self.port = ports.free('127.0.0.1', 1)[0]
        self.put(1, 'stable')
        rows = ''.join(f'{word} {number}\t{label}\n' for number in range(500)
                       for word, label in (('good', 'positive'), ('bad', 'negative')))  # fmt: skip
        (folder / 'rows.tsv').write_text('text\tlabel\n' + rows)
        self.server = ServerProcess('reviews', self.base_path, port=self.port)
        self.client = Client(f'127.0.0.1:{self.port}')
        self.entries: list[dict[str, Any]] = []

    def put(self, version: int, kind: str) -> None:
        shutil.copytree(self.kinds / kind, self.base_path / str(version))

    def rollout(self) -> Rollout:
        return Rollout(self.client, 'reviews', configuration.single_model_config('reviews', self.base_path))

    def auto(
        self,
        version: int | None = None,
        when: Callable[[dict[str, Any]], object] | None = None,
        **plan: Any,
    ) -> Outcome:
        """`when` is told every entry of the record."""

        def say(entry: dict[str, Any]) -> None:
            self.entries.append(entry)
            if when is not None:
                when(entry)

        with Journal(self.base_path / 'rollout.jsonl') as record:
            wanted = plans.from_values({**PLAN, **plan}, self.folder)
            return Auto(self.rollout(), wanted, record, say).run(version, 60)

    def events(self) -> list[str]:
        return [entry['event'] for entry in self.entries]

    def weights(self) -> dict[str, float]:
        return dict(self.rollout().split().weights)


@pytest.fixture
def stage(kinds: Path, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(kinds, tmp_path)
    with made.server, made.client:
        made.rollout().promote(1)
        yield made


def test_a_good_version_goes_all_the_way(stage: Stage) -> None:
    stage.put(2, 'good')
    outcome = stage.auto()
    assert (outcome.result, outcome.version, outcome.stable) == ('promoted', 2, 1)
    assert stage.rollout().state().labels == {'stable': 2}
    assert stage.weights() == {'stable': 100}
    steps = [entry['percent'] for entry in stage.entries if entry['event'] == 'step']
    assert steps == [10, 50, 100]
    decisions = [entry for entry in stage.entries if entry['event'] == 'decision']
    assert [entry['action'] for entry in decisions] == ['next step', 'next step', 'promote']
    assert all(entry['requests'] >= 60 and entry['seconds'] >= 0.2 for entry in decisions)
    assert {gate['verdict'] for gate in decisions[-1]['gates']} == {'pass'}
    written = [json.loads(line) for line in (stage.base_path / 'rollout.jsonl').read_text().splitlines()]
    assert written == json.loads(json.dumps(stage.entries))
    with pytest.raises(ServingError, match='no version above 2'):
        stage.auto()


@pytest.mark.parametrize(
    ('kind', 'gate', 'gates'),
    [
        ('swapped', 'agreement', {}),
        ('swapped', 'accuracy_drop', {'agreement': None}),
        ('failing', 'error_rate', {'error_rate': 0.001}),
        ('slower_2.5', 'latency_ratio', {'latency_ratio': 1.2}),
    ],
)
def test_a_bad_version_goes_back_and_is_not_tried_again(
    stage: Stage, kind: str, gate: str, gates: dict[str, float | None]
) -> None:
    stage.put(2, kind)
    outcome = stage.auto(gates={**PLAN['gates'], **gates})  # type: ignore[dict-item]
    assert outcome.result == 'rolled back'
    assert gate in outcome.reason
    now = stage.rollout().state()
    assert now.labels == {'stable': 1}
    assert 2 not in now.available
    assert stage.weights() == {'stable': 100}
    with pytest.raises(ServingError, match='that was not rolled back before: name one'):
        stage.auto()


def test_what_cannot_be_shown_to_be_good_goes_back(stage: Stage) -> None:
    stage.put(2, 'good')
    outcome = stage.auto(gates={'error_rate': 0.0001}, maximum_requests=200)
    assert outcome.result == 'rolled back'
    assert 'not shown to be good after' in outcome.reason


def test_a_version_that_cannot_be_loaded_changes_nothing(stage: Stage) -> None:
    (stage.base_path / '2').mkdir()
    (stage.base_path / '2' / 'saved_model.pb').write_bytes(b'no model')
    with pytest.raises(RequestError, match='version 2 of model'):
        stage.auto()
    assert stage.rollout().state().labels == {'stable': 1}
    assert stage.events() == ['begin', 'end']
    stage.put(3, 'good')
    assert stage.auto().version == 3


@pytest.mark.parametrize('event', ['begin', 'step', 'decision', 'end'])
def test_stopped_anywhere_it_goes_on_where_it_was(stage: Stage, event: str) -> None:
    stage.put(2, 'good')
    stopped = False

    def stop(entry: dict[str, Any]) -> None:
        nonlocal stopped
        if not stopped and entry['event'] == event and entry.get('step', 1) == (1 if event != 'end' else 2):
            stopped = True
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.auto(when=stop)
    if event == 'end':
        assert stage.rollout().state().labels == {'stable': 2}
        return
    asked = stage.entries[-1].get('total', 0)
    outcome = stage.auto(when=stop)
    assert outcome.result == 'promoted'
    assert outcome.requests >= max(asked, 180)
    assert stage.events().count('begin') == 1
    assert 'resumed' in stage.events()
    assert [entry['percent'] for entry in stage.entries if entry['event'] == 'step'] == [10, 50, 100]


def test_another_version_is_refused_while_one_is_under_way(stage: Stage) -> None:
    stage.put(2, 'good')
    stage.put(3, 'good')

    def stop(entry: dict[str, Any]) -> None:
        if entry['event'] == 'step':
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.auto(2, when=stop)
    with pytest.raises(ServingError, match='rollout of version 2 has not ended'):
        stage.auto(3)
    stage.rollout().rollback()
    assert stage.auto().result == 'taken over'
    assert stage.rollout().state().labels == {'stable': 1}
    assert stage.auto(3).result == 'promoted'


def test_a_file_that_is_no_record_is_refused(stage: Stage) -> None:
    (stage.base_path / 'rollout.jsonl').write_text('{"model": "reviews", "event": "begin"}\n')
    with pytest.raises(ServingError, match=r'rollout\.jsonl is not a journal of a rollout: name another'):
        stage.auto()


def test_a_server_that_is_started_anew_gets_its_labels_back(stage: Stage) -> None:
    """It is started as at first, with no label and the newest version alone."""
    stage.put(2, 'good')
    restarted = threading.Event()

    def restart() -> None:
        stage.server.stop()
        time.sleep(1)
        stage.server.start()
        restarted.set()

    def when(entry: dict[str, Any]) -> None:
        if entry['event'] == 'step' and entry['step'] == 1:
            threading.Thread(target=restart).start()

    outcome = stage.auto(when=when, minimum_seconds=8)
    restarted.wait(60)
    assert outcome.result == 'promoted'
    assert 'restoring' in stage.events()
    last = [entry for entry in stage.entries if entry['event'] == 'decision'][-1]
    [errors] = [gate for gate in last['gates'] if gate['gate'] == 'error_rate']
    assert errors['estimate'] < 0.02  # a server that is away is no fault of a version
    assert stage.rollout().state().labels == {'stable': 2}


def test_killed_at_any_moment_stable_never_goes_and_the_rollout_comes_to_its_end(stage: Stage) -> None:
    stage.put(2, 'good')
    plan = stage.folder / 'plan.yaml'
    plan.write_text(json.dumps(PLAN))
    command = [
        sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'auto', '--plan', str(plan),
        '--server', stage.client.address, '--base-path', str(stage.base_path),
    ]  # fmt: skip
    without: list[float] = []
    asked = 0
    over = threading.Event()

    def look() -> None:
        nonlocal asked
        with Client(stage.client.address) as client:
            while not over.is_set():
                asked += 1
                if label_version(client, 'reviews', 'stable') is None:
                    without.append(time.monotonic())

    looking = threading.Thread(target=look)
    looking.start()
    draw = random.Random(0)
    kills = 0
    try:
        for patience in [*(draw.uniform(0.5, 3.5) for _ in range(12)), 60.0]:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                output, _ = process.communicate(timeout=patience)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                split = stage.rollout().split()
                labels = stage.rollout().state().labels
                assert {label for label, share in split.weights.items() if share} <= labels.keys()
    finally:
        over.set()
        looking.join()
    assert process.returncode == 0, output
    assert kills > 2
    assert asked > 100
    assert without == []
    assert stage.rollout().state().labels == {'stable': 2}


def test_the_command_says_what_it_does_and_what_was_asked_wrongly(stage: Stage) -> None:
    stage.put(2, 'swapped')
    plan = stage.folder / 'plan.yaml'
    plan.write_text(json.dumps(PLAN))

    def command(*arguments: str) -> 'subprocess.CompletedProcess[str]':
        return subprocess.run(
            [
                sys.executable, '-m', 'vaiven.pipeline.cli', 'rollout', 'auto', *arguments,
                '--server', stage.client.address, '--base-path', str(stage.base_path),
            ],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    answer = command('--plan', str(plan))
    assert answer.returncode == 1
    assert answer.stderr == ''
    lines = [line[10:] for line in answer.stdout.splitlines()]
    assert lines[:2] == ['version 2 against version 1', 'step 1: 10 %']
    assert lines[2].startswith('roll back after ')
    assert 'version 2: rolled back; agreement 1' in lines[3]
    for arguments, message in (
        (['--plan', str(plan), '--model', 'otro'], "the plan is for model 'reviews', not 'otro'"),
        (['--plan', str(stage.folder / 'none')], 'No such file'),
        (['--plan', str(plan)], 'name one to try it again'),
    ):
        answer = command(*arguments)
        assert answer.returncode == 2
        assert message in answer.stderr
        assert answer.stderr.count('\n') == 1
