"""What somebody else moves is left alone; what a crash or a kill leaves is gone on with. Server in this process."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.serving_client.fake_rollout import PLAN, Entry, FakeStage, Stop, kill, once, said
from vaiven.serving.client import DeadlineError, NotFoundError, RequestError, UnavailableError
from vaiven.serving.common import split as splits
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.tfrecords import HEAD
from vaiven.serving.rollout import auto, configuration, rollout, rollout_actions, rollout_run
from vaiven.serving.rollout import plan as plans
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.served_config import ServedConfig
from vaiven.serving.wire import messages, tensors


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeStage:
    monkeypatch.setattr(rollout, 'SETTLE_SECONDS', 0.0)
    monkeypatch.setattr(rollout_actions, 'RETRY_SECONDS', 0.01)
    return FakeStage(tmp_path)


def step(number: int) -> Any:
    return lambda entry: entry['event'] == 'step' and entry['step'] == number


def decided(action: str) -> Any:
    return lambda entry: entry['event'] == 'decision' and entry['action'] == action


def test_a_plan_whose_labels_are_in_a_column_of_another_spelling_is_not_carried_out(stage: FakeStage) -> None:
    (stage.folder / 'rows.tsv').write_text('text\tLabel\nbueno\tpositive\n')
    with pytest.raises(ServingError, match=r"but one is named 'Label'; .*label_column in the plan"):
        stage.auto(gates={'agreement': None, 'drift': None, 'accuracy_drop': None})
    assert not stage.entries


def test_what_is_strange_in_the_requests_of_a_plan_is_told(stage: FakeStage, tmp_path: Path) -> None:
    (stage.folder / 'rows.tsv').write_text('text\tlabel\nniÃ±o\tpositive\n')
    plan, remarks = plans.from_values(PLAN, stage.folder), list[str]()
    with Journal(tmp_path / 'rollout.jsonl') as record:
        auto.Auto(stage.rollout(), plan, record, stage.entries.append, remarks.append).run(timeout=5)
    assert len(remarks) == 1
    assert 'look like UTF-8 that was read as another encoding' in remarks[0]


def test_a_promotion_that_was_decided_is_not_carried_out_when_it_was_taken_back_meanwhile(
    stage: FakeStage,
) -> None:
    with pytest.raises(Stop):
        stage.auto(once(decided('promote'), kill))
    stage.rollout().rollback()
    outcome = stage.auto()
    assert (outcome.result, outcome.reason) == ('taken over', 'version 2 was taken back by hand')
    assert stage.server.labels == {'stable': 1}


@pytest.mark.parametrize('writes', range(1, 6))
@pytest.mark.parametrize('restarted', [False, True])
def test_a_promotion_that_was_cut_off_anywhere_is_finished(
    stage: FakeStage, monkeypatch: pytest.MonkeyPatch, writes: int, restarted: bool
) -> None:
    left = writes

    def cut(write: Any) -> Any:
        def wrapped(*arguments: Any, **named: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Stop
            write(*arguments, **named)

        return wrapped

    def begin() -> None:
        monkeypatch.setattr(stage.server, 'reload_config', cut(stage.server.reload_config))
        monkeypatch.setattr(splits, 'write', cut(splits.write))

    try:
        with monkeypatch.context():
            stage.auto(once(lambda entry: entry['event'] == 'promoting', begin))
    except Stop:
        monkeypatch.undo()
        monkeypatch.setattr(rollout, 'SETTLE_SECONDS', 0.0)
        if restarted:
            stage.server.restart()
        assert stage.auto().result == 'promoted'
    assert stage.server.labels == {'stable': 2}
    assert stage.weights() == {'stable': 100}


def test_a_version_that_was_to_go_back_leaves_alone_what_came_after_it(stage: FakeStage) -> None:
    def refuse(version: int) -> None:
        if version == 2:
            raise ServingError('no')

    stage.server.answer = refuse
    with pytest.raises(Stop):
        stage.auto(once(decided('roll back'), kill))
    for version in (3, 4):
        stage.push(version)
    stage.rollout().rollback()
    stage.rollout().promote(3)
    stage.rollout().canary(4, 20)
    assert stage.auto().result == 'taken over'
    assert stage.server.labels == {'stable': 3, 'canary': 4}
    assert stage.weights() == {'canary': 20, 'stable': 80}


def test_a_version_that_is_found_bad_is_not_tried_again_whoever_took_it_back(stage: FakeStage) -> None:
    def refuse(version: int) -> None:
        if version == 2:
            raise ServingError('no')

    stage.server.answer = refuse
    with pytest.raises(Stop):
        stage.auto(once(decided('roll back'), kill))
    stage.rollout().rollback()
    assert stage.auto().result == 'rolled back'
    with pytest.raises(ServingError, match='that was not rolled back before'):
        stage.auto()


@pytest.mark.parametrize('event', ['step', 'decision'])
def test_a_share_that_is_changed_by_hand_ends_the_rollout(stage: FakeStage, event: str) -> None:
    outcome = stage.auto(once(lambda entry: entry['event'] == event, lambda: stage.rollout().canary(2, 1)))
    assert outcome.result == 'taken over'
    assert outcome.reason == 'version 2 was given 1 % by hand, not 10 %'
    assert stage.weights() == {'canary': 1, 'stable': 99}


def test_a_canary_that_is_changed_by_hand_ends_the_rollout(stage: FakeStage) -> None:
    def change() -> None:
        stage.push(3)
        stage.rollout().rollback()
        stage.rollout().canary(3, 10)

    outcome = stage.auto(once(decided('promote'), change))
    assert (outcome.result, outcome.reason) == (
        'taken over',
        'version 3 has the label canary now, version 2 had it',
    )
    assert stage.server.labels == {'stable': 1, 'canary': 3}


@pytest.mark.parametrize('again', [False, True])
def test_a_server_that_is_started_anew_between_two_steps_gets_its_labels(
    stage: FakeStage, again: bool
) -> None:
    def restart() -> None:
        stage.server.restart()
        if again:
            raise Stop

    when = once(decided('next step'), restart)
    if again:
        with pytest.raises(Stop):
            stage.auto(when)
    assert stage.auto(when).result == 'promoted'
    assert stage.server.labels == {'stable': 2}
    assert stage.events().count('restoring') == 1


@pytest.mark.parametrize('percent', [0, 10])
def test_a_server_that_is_started_anew_in_the_first_step_gets_its_labels(
    stage: FakeStage, percent: int
) -> None:
    seen: list[dict[str, int]] = []
    stage.server.answer = lambda version: seen.append(dict(stage.server.labels))
    outcome = stage.auto(once(step(0), stage.server.restart), steps=[percent, 100])
    assert outcome.result == 'promoted'
    # The first two requests ask both versions for their classes.
    assert all(labels == {'stable': 1, 'canary': 2} for labels in seen[2:])


def test_a_restore_that_is_killed_or_crashes_again_is_no_takeover(
    stage: FakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stop):
        stage.auto(once(step(0), kill))
    stage.server.restart()
    tell = ServedConfig.apply
    told: list[dict[str, int]] = []

    def interrupted(self: ServedConfig, versions: set[int], labels: dict[str, int], timeout: float) -> None:
        told.append(labels)
        if len(told) == 2:
            raise Stop
        if len(told) == 3:
            stage.server.restart()
            raise UnavailableError('gone', 'UNAVAILABLE', '')
        tell(self, versions, labels, timeout)

    monkeypatch.setattr(ServedConfig, 'apply', interrupted)
    with pytest.raises(Stop):
        stage.auto()
    assert told[0] == stage.server.labels == {'stable': 1}  # first of all
    assert stage.weights() == {'canary': 10, 'stable': 90}
    assert stage.auto().result == 'promoted'
    assert stage.server.labels == {'stable': 2}


def test_a_version_that_ends_the_server_again_and_again_goes_back(stage: FakeStage) -> None:
    def crash(version: int) -> None:
        if version == 2 and len(stage.server.asked) % 400 > 390:
            stage.server.restart()
            raise UnavailableError('gone', 'UNAVAILABLE', '')

    stage.server.answer = crash
    outcome = stage.auto(minimum_requests=100_000, gates={'error_rate': 0.2})
    assert outcome.result == 'rolled back'
    assert outcome.reason == 'the server has lost its labels 4 times: version 2 may have ended it'
    assert stage.events().count('restoring') == 3
    assert stage.server.labels == {'stable': 1}


def test_a_version_that_ends_the_server_while_it_is_loaded_goes_back(
    stage: FakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.rollout().pin(1)
    reload_config = stage.server.reload_config

    def crash(config: Any, timeout: float) -> None:
        reload_config(config, timeout)
        if 2 in stage.server.loaded:
            stage.server.loaded, stage.server.labels = {1}, {}
            raise UnavailableError('gone', 'UNAVAILABLE', '')

    monkeypatch.setattr(stage.server, 'reload_config', crash)
    outcome = stage.auto()
    assert outcome.result == 'rolled back'
    assert outcome.reason == 'the server went away 4 times while version 2 was to get its share'
    assert stage.server.labels == {'stable': 1}


def test_a_server_that_only_the_new_version_ends_is_an_error_of_that_version(stage: FakeStage) -> None:
    asked = 0

    def end(version: int) -> None:
        nonlocal asked
        asked += version == 2
        if version == 2 and asked % 5 == 0:
            stage.server.status_fails = [UnavailableError('gone', 'UNAVAILABLE', '')]
            raise UnavailableError('gone', 'UNAVAILABLE', '')

    stage.server.answer = end
    outcome = stage.auto()
    assert outcome.result == 'rolled back'
    assert 'error_rate' in outcome.reason


@pytest.mark.parametrize(
    'error',
    [
        DeadlineError('late', 'DEADLINE_EXCEEDED', ''),
        NotFoundError('no', 'NOT_FOUND', ''),
        RequestError('it ends', 'CANCELLED', ''),
    ],
)
def test_a_server_that_is_late_or_being_started_is_waited_for(stage: FakeStage, error: Exception) -> None:
    def fail() -> None:
        stage.server.status_fails = [error, error]

    assert stage.auto(once(decided('next step'), fail)).result == 'promoted'
    assert stage.events().count('waiting') == 1


@pytest.mark.parametrize('moment', [step(2), decided('next step')])
def test_another_plan_is_refused_until_the_rollout_is_ended(stage: FakeStage, moment: Any) -> None:
    with pytest.raises(Stop):
        stage.auto(once(moment, kill))
    with pytest.raises(
        ServingError, match=r'version 2 was started with another plan \(different: steps\)'
    ) as raised:
        stage.auto(steps=[50, 100])
    assert '\n' not in str(raised.value)
    stage.rollout().rollback()
    assert stage.auto(steps=[50, 100]).result == 'taken over'
    assert stage.auto(steps=[50, 100]).result == 'promoted'


def test_a_rollout_resumes_after_its_folder_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, 'SETTLE_SECONDS', 0.0)
    stage = FakeStage(tmp_path / 'here')
    shutil.copy(stage.folder / 'rows.tsv', stage.folder / 'others.tsv')
    with pytest.raises(Stop):
        stage.auto(once(step(2), kill))
    stage.folder.rename(tmp_path / 'there')
    stage.folder, stage.base_path = tmp_path / 'there', tmp_path / 'there' / 'm'
    stage.config = configuration.single_model_config('m', stage.base_path)
    with pytest.raises(ServingError, match='different: requests'):
        stage.auto(requests='others.tsv')
    assert stage.auto().result == 'promoted'
    assert stage.events().count('begin') == 1


def test_what_was_decided_is_carried_out_whatever_the_plan_says_now(stage: FakeStage) -> None:
    with pytest.raises(Stop):
        stage.auto(once(decided('promote'), kill))
    assert stage.auto(steps=[100]).result == 'promoted'


def test_versions_that_both_refuse_every_request_are_not_promoted(stage: FakeStage) -> None:
    def refuse(version: int) -> None:
        raise ServingError('no input text')

    stage.server.answer = refuse
    outcome = stage.auto(maximum_requests=500)
    assert outcome.result == 'rolled back'
    assert outcome.reason == 'both versions answered 0 of 500 requests'


def test_a_version_that_says_nothing_is_not_promoted(stage: FakeStage) -> None:
    stage.server.answer = lambda version: {} if version == 2 else None
    outcome = stage.auto()
    assert outcome.result == 'rolled back'
    assert 'agreement' in outcome.reason


def test_the_evidence_of_a_stopped_rollout_is_all_in_its_record(
    stage: FakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_run, 'JOURNAL_SECONDS', 0.0)
    with pytest.raises(Stop):
        stage.auto(once(lambda entry: entry['event'] == 'evidence' and entry['step'] == 1, kill))
    before: Entry = stage.entries[-1]
    stage.auto(once(lambda entry: entry['event'] == 'resumed', lambda: None))
    after = next(entry for entry in stage.entries if entry['event'] == 'resumed')
    told = {'version', 'stable', 'step', 'reached', 'requests', 'unanswered', 'total', 'restores', 'outcomes'}
    assert {name: after[name] for name in told} == {name: before[name] for name in told}


def append(path: Path, text: str) -> None:
    log = messages.PredictionLog()
    log.predict_log.request.model_spec.name = 'm'
    tensors.write_proto(log.predict_log.request.inputs['text'], [text])
    data = log.SerializeToString()
    with path.open('ab') as stream:
        stream.write(HEAD.pack(len(data), 0) + data + bytes(4))


def test_a_log_takes_a_configuration_that_goes_on_logging(stage: FakeStage) -> None:
    with pytest.raises(ServingError, match='log requires --config-file with the logging_config') as raised:
        stage.auto(requests=None, log='log')
    assert '\n' not in str(raised.value)
    assert stage.events() == []


def test_each_logged_request_is_asked_once_whatever_stops_the_rollout(
    stage: FakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.config.model_config_list.config[0].logging_config.sampling_config.sampling_rate = 1.0
    monkeypatch.setattr(rollout_run, 'JOURNAL_SECONDS', 0.0)
    for number in range(150):
        append(stage.folder / 'log.tfrecord', f'ñ {number}')
    plan = {'requests': None, 'log': 'log.tfrecord', 'steps': [100], 'minimum_requests': 250}
    with pytest.raises(Stop):
        stage.auto(once(lambda entry: entry['event'] == 'evidence' and entry['requests'] > 0, kill), **plan)
    assert stage.entries[-1]['log']['log.tfrecord'] > 0
    for number in range(150, 300):
        append(stage.folder / 'log.tfrecord', f'ñ {number}')
    outcome = stage.auto(**plan)
    assert outcome.result == 'promoted'
    assert len(stage.server.asked) <= 2 * 300


@pytest.mark.parametrize('rows', ['text\n', 'text\tlabel\n', 'text\tstars\n'])
def test_without_labels_the_gate_of_accuracy_alone_promotes_nothing(stage: FakeStage, rows: str) -> None:
    columns = rows.count('\t')
    field = '\t5' if 'stars' in rows else '\t' * columns
    (stage.folder / 'rows.tsv').write_text(rows + ''.join(f'ñ {n}{field}\n' for n in range(50)))
    stage.server.answer = lambda version: said('positive' if version == 1 else 'negative', 0.9)
    gates = {**PLAN['gates'], 'agreement': None, 'accuracy_drop': 0.02}
    with pytest.raises(ServingError, match='label'):
        stage.auto(gates=gates)
    assert stage.server.labels == {'stable': 1}
    assert stage.events() == []


def test_labels_that_no_version_ever_decides_promote_nothing(stage: FakeStage) -> None:
    (stage.folder / 'rows.tsv').write_text('text\tlabel\n' + ''.join(f'ñ {n}\tgut\n' for n in range(50)))
    stage.server.answer = lambda version: said('positive' if version == 1 else 'negative', 0.9)
    gates = {**PLAN['gates'], 'agreement': None, 'accuracy_drop': 0.02}
    outcome = stage.auto(gates=gates, maximum_requests=300)
    assert outcome.result == 'rolled back'
    assert stage.server.labels == {'stable': 1}
