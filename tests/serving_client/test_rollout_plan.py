"""Plans say what they mean or are refused in one line; records outlive kills."""

import json
import os
from pathlib import Path

import pytest

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import plan as plans
from vaiven.serving.rollout.gate import FAIL, NO_OUTCOMES, PASS
from vaiven.serving.rollout.gates import Limits
from vaiven.serving.rollout.journal import Journal
from vaiven.serving.rollout.live_metrics import LiveErrors, read_counts
from vaiven.serving.rollout.plan import Step
from vaiven.serving.rollout.progress import NEXT, PROMOTE, unfinished


def test_a_plan_is_read_with_its_defaults_and_its_own_paths(tmp_path: Path) -> None:
    path = tmp_path / 'plan.yaml'
    path.write_text(
        'model: reseñas\nrequests: filas.csv\nminimum_seconds: 3600\n'
        'steps: [5, {percent: 25, minimum_requests: 9}, 100]\ngates: {drift: null, p99_ratio: 2}\n'
    )
    plan = plans.read(path)
    assert plan.model == 'reseñas'
    assert plan.requests == tmp_path / 'filas.csv'
    assert plan.steps == (Step(5, 500, 3600), Step(25, 9, 3600), Step(100, 500, 3600))
    assert plan.gates == Limits(drift=None, p99_ratio=2.0)
    assert [step.percent for step in plans.from_values({'model': 'm', 'log': '/l'}, tmp_path).steps] == [
        5,
        25,
        50,
        100,
    ]
    assert json.loads(json.dumps(plan.to_values()))['gates']['drift'] is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'a plan must be a mapping of names to values'),
        ('[1]', 'a plan must be a mapping of names to values'),
        ('model: [', r'is not valid YAML \(line 1'),
        ('requests: r.csv', 'a plan must name its model'),
        ('model: m', 'must have either requests'),
        ('{model: m, requests: r, log: l}', 'must have either requests'),
        ('{model: m, requests: r, setps: [5]}', 'setps is not an entry of a plan; the entries are: confidence, gates'),
        ('{model: m, requests: r, steps: [5, 50]}', 'must increase and end with 100'),
        ('{model: m, requests: r, steps: [50, 25, 100]}', 'must increase and end with 100'),
        ('{model: m, requests: r, steps: [100, 100]}', 'must increase and end with 100'),
        ('{model: m, requests: r, steps: []}', 'steps must be a list'),
        ('{model: m, requests: r, steps: [101]}', r'steps\[1\].percent must be a number from 0 to 100'),
        ('{model: m, requests: r, steps: [.nan]}', r'steps\[1\].percent must be a number'),
        ('{model: m, requests: r, steps: [{minimum_requests: 1}]}', r'steps\[1\].percent is required'),
        ('{model: m, requests: r, steps: [{percents: 5}]}', r'steps\[1\].percents is not an entry'),
        ('{model: m, requests: r, minimum_requests: 0}', 'minimum_requests must be an integer of at least 1'),
        ('{model: m, requests: r, minimum_requests: true}', 'minimum_requests must be an integer of at least 1'),
        ('{model: m, requests: r, confidence: 1}', 'confidence must be a number from 0.5 to 1, except 1'),
        ('{model: m, requests: r, requests_per_second: 0}', 'except 0'),
        ('{model: m, requests: r, minimum_seconds: .inf}', 'minimum_seconds must be a number of at least 0'),
        (f'{{model: m, requests: r, minimum_seconds: 1{"0" * 400}}}', 'minimum_seconds must be a number of at least 0'),
        ('{model: m, requests: r, gates: {latency_ratio: .inf}}', 'gates.latency_ratio must be a number of at least 1'),
        ('{model: m, requests: r, gates: {error_rate: 0}}', 'gates.error_rate must be .* from 0 to 1, except 0'),
        ('{model: m, requests: r, gates: {agreement: 1}}', 'gates.agreement must be .* from 0 to 1, except 1'),
        ('{model: m, requests: r, gates: {drift: 0}}', 'gates.drift must be .* from 0 to 1, except 0'),
        ('{model: m, requests: r, metrics: nowhere}', 'metrics must be an address'),
        ('{model: m, requests: r, gates: {speed: 1}}', 'gates.speed is not an entry .*: accuracy_drop'),
        ('{model: m, requests: r, gates: {latency_ratio: 0.5}}', 'gates.latency_ratio must be a number of at least 1'),
        ('{model: m, requests: r, gates: {agreement: 95}}', 'gates.agreement must be a number from 0 to 1'),
        (
            '{model: m, requests: r, gates: {error_rate: , latency_ratio: , p99_ratio: , agreement: , '
            'accuracy_drop: , drift: }}',
            'gates must not all be null',
        ),
        ('{model: "", requests: r}', 'model must be a string'),
    ],
)  # fmt: skip
def test_a_plan_that_breaks_a_rule_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / 'plan.yaml'
    path.write_text(text)
    with pytest.raises(ServingError, match=message) as raised:
        plans.read(path)
    assert '\n' not in str(raised.value)
    assert raised.value.exit_status == 2


def test_a_record_that_was_cut_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / 'record.jsonl'
    with Journal(path) as record:
        record.write('reviews', 'begin', version=2, stable=1)
        record.write('otro', 'begin', version=9, stable=8)
        with pytest.raises(ServingError, match='another `vaiven rollout auto` uses'):
            Journal(path)
    os.truncate(path, path.stat().st_size - 5)
    with Journal(path) as record:
        record.write('reviews', 'end')
        assert [entry['event'] for entry in record.entries('reviews')] == ['begin', 'end']
        assert record.entries('otro') == []


def test_where_a_rollout_is_can_be_told_from_its_record() -> None:
    outcomes = {'error_rate': {'seen': {'0': 70}, 'fresh': {'0': 70}, 'passed': False}}
    about = {
        'version': 2, 'stable': 1, 'step': 0, 'reached': True, 'requests': 0, 'unanswered': 0, 'seconds': 0.0,
        'total': 70, 'restores': 1, 'outcomes': outcomes, 'live': None, 'log': {'log.tfrecord': 123},
    }  # fmt: skip
    begin = {
        'event': 'begin',
        'version': 2,
        'stable': 1,
        'plan': {'steps': [{'percent': 10}, {'percent': 100}]},
    }
    first = {'event': 'step', **about}
    seen = {'event': 'evidence', **about, 'requests': 70, 'seconds': 4.5}
    further = {**seen, 'event': 'decision', 'action': NEXT, 'because': ''}
    assert unfinished([]) is None
    assert unfinished([begin, first, {'event': 'end'}]) is None
    assert unfinished([{'event': 'begin', 'of': 'another format'}, {'event': 'end'}, begin]) is not None
    found = unfinished([begin])
    assert found is not None
    assert (found.reached, found.shares) == (False, ())
    found = unfinished([begin, first, seen])
    assert found is not None
    assert (found.step, found.requests, found.seconds, found.reached) == (0, 70, 4.5, True)
    assert (found.outcomes, found.restores, found.log) == (outcomes, 1, {'log.tfrecord': 123})
    assert found.shares == (10,)
    found = unfinished([begin, first, further])
    assert found is not None
    assert (found.step, found.requests, found.seconds, found.total, found.reached) == (1, 0, 0.0, 70, False)
    assert found.shares == (10, 100)
    assert found.outcomes == {'error_rate': {'seen': {'0': 70}, 'fresh': {}, 'passed': False}}
    found = unfinished([begin, first, {**further, 'action': PROMOTE, 'because': 'good'}])
    assert found is not None
    assert (found.decision, found.promoting) == ((PROMOTE, 'good'), False)
    found = unfinished(
        [begin, first, {**further, 'action': PROMOTE, 'because': ''}, {**seen, 'event': 'promoting'}]
    )
    assert found is not None
    assert found.promoting


def sample(version: int, signature: str, status: str, count: int) -> str:
    about = (
        f'model_name="reviews",version="{version}",signature="{signature}",api="Predict",entrypoint="GRPC"'
    )
    return f'vaiven_request_count{{{about},status="{status}"}} {count}\n'


PAGES = [
    'vaiven_gateway_requests_total{model="reviews",label="stable",code="OK"} 900\n'
    'vaiven_gateway_requests_total{model="reviews",label="stable",code="INTERNAL"} 100\n'
    'vaiven_gateway_requests_total{model="reviews",label="canary",code="OK"} 50\n'
    'vaiven_gateway_requests_total{model="otro",label="canary",code="OK"} 7\n',
    '# TYPE vaiven_request_count counter\n'
    + sample(1, 'a', 'OK', 900) + sample(1, 'b', 'INTERNAL', 100) + sample(2, 'a', 'OK', 50) + sample(3, 'a', 'OK', 7),
]  # fmt: skip


@pytest.mark.parametrize('page', PAGES)
def test_live_counts_come_from_the_gateway_or_from_the_server(page: str) -> None:
    assert read_counts(page, 'reviews', {'stable': 1, 'canary': 2}) == {
        'stable': [1000, 100],
        'canary': [50, 0],
    }


def test_what_the_caller_did_wrong_is_no_failure_of_a_version() -> None:
    codes = (
        'INVALID_ARGUMENT',
        'NOT_FOUND',
        'CANCELLED',
        'DEADLINE_EXCEEDED',
        'RESOURCE_EXHAUSTED',
        'DATA_LOSS',
    )
    page = ''.join(sample(2, 'a', code, 10) for code in codes)
    assert read_counts(page, 'reviews', {'stable': 1, 'canary': 2}) == {'stable': [0, 0], 'canary': [60, 30]}


@pytest.mark.parametrize('count', ['NaN', '+Inf', '-1', 'ñ'])
def test_counts_that_are_none_are_told_in_one_line(count: str) -> None:
    page = sample(1, 'a', 'OK', 5).replace(' 5', f' {count}')
    with pytest.raises(ServingError, match='the metrics page must count requests as a number') as raised:
        read_counts(page, 'reviews', {'stable': 1, 'canary': 2})
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('now', [[120, 50], [300, 50], [50, 50]])
def test_a_counter_that_fell_or_that_grew_by_more_failures_than_requests_has_begun_anew(
    now: list[int],
) -> None:
    live = LiveErrors(0.01)
    live.add({'stable': [100, 0], 'canary': [100, 60 if now[0] == 300 else 0]})
    live.add({'stable': [200, 0], 'canary': now})
    assert live.counts == {'stable': [100, 0], 'canary': now}


def test_live_failures_raise_an_alarm_and_nothing_else() -> None:
    live = LiveErrors(0.01)
    assert live.evaluate(0.01).verdict == NO_OUTCOMES
    live.add({'stable': [5000, 50], 'canary': [300, 299]})  # from before: does not count
    live.add({'stable': [15_000, 150], 'canary': [2300, 319]})
    assert live.counts == {'stable': [10_000, 100], 'canary': [2000, 20]}
    assert live.evaluate(0.01).verdict in (NO_OUTCOMES, PASS)
    live.add({'stable': [100, 1], 'canary': [2000, 200]})  # a process that was started anew
    assert live.counts == {'stable': [10_100, 101], 'canary': [4000, 220]}
    live.add({'stable': [200, 2], 'canary': [4000, 400]})
    assert live.evaluate(0.01).verdict == FAIL
