"""Sequential bounds hold however often one looks; gates tell planted differences from none."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from vaiven.serving.rollout.answers import Answer, Pair
from vaiven.serving.rollout.gate import FAIL, GRID, NO_OUTCOMES, PASS, WAIT, on_grid
from vaiven.serving.rollout.gates import Gates, Limits
from vaiven.serving.rollout.requests import Request
from vaiven.serving.rollout.statistics import log_capital, mean_interval, quantile_intervals

pytestmark = pytest.mark.slow


def test_looking_after_every_few_outcomes_seldom_refutes_what_is_true() -> None:
    """With a fixed-sample test of 5 %, so many looks would err in about a third of the runs."""
    rng = np.random.default_rng(0)
    alpha, mean, wrong = 0.05, 0.1, 0
    for _ in range(300):
        outcomes = rng.random(2000) < mean
        for count in range(50, 2001, 50):
            ones = int(outcomes[:count].sum())
            seen = {0.0: count - ones, 1.0: ones}
            if log_capital(seen, mean, 0, 1, above=True) > -math.log(alpha):
                wrong += 1
                break
    assert wrong <= 300 * alpha


@pytest.mark.parametrize('values', [[0.0, 1.0], [-1.0, 0.0, 1.0], [-0.3, 0.02, 0.9]])
def test_bounds_enclose_the_mean_and_narrow(values: list[float]) -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (100, 1000, 10_000):
        seen = Counter(rng.choice(values, count).tolist())
        found = mean_interval(seen, -1, 1, 0.01)
        assert found.low < np.mean(values) < found.high
        assert found.low <= found.estimate <= found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.1


def test_no_outcomes_say_nothing() -> None:
    found = mean_interval({}, -1, 1, 0.05)
    assert math.isnan(found.estimate)
    assert (found.low, found.high) == (-1, 1)


def test_outcomes_at_the_ends_of_the_range() -> None:
    assert mean_interval({0.0: 3000}, 0, 1, 0.01).high < 0.004
    assert mean_interval({1.0: 3000}, 0, 1, 0.01).low > 0.996
    assert mean_interval({0.0: 1}, 0, 1, 0.01).high > 0.9


def test_quantiles_and_their_ratio() -> None:
    rng = np.random.default_rng(2)
    old = rng.lognormal(0, 0.5, 3000)
    [(before, after, ratio)] = quantile_intervals(old.tolist(), (1.5 * old).tolist(), [0.5], 0.95)
    assert before.low < 1 < before.high
    assert after.low < 1.5 < after.high
    assert ratio.estimate == pytest.approx(1.5)
    assert [math.isnan(each.low) for each in quantile_intervals([], [], [0.5], 0.95)[0]] == [True] * 3


def pair(
    old: str = 'positive',
    new: str = 'positive',
    label: str | None = 'positive',
    seconds: tuple[float, float] = (1.0, 1.0),
    scores: tuple[float, float] = (0.8, 0.8),
    error: str = '',
) -> Pair:
    return Pair(
        Request({'text': ['ñ']}, expected_label=label),
        Answer(seconds[0], '', '', (old,), (scores[0],)),
        Answer(seconds[1], error, 'INTERNAL', *(((), ()) if error else ((new,), (scores[1],)))),
    )


def verdicts(pairs: list[Pair]) -> dict[str, str]:
    gates = Gates(Limits())
    for each in pairs:
        gates.add(each)
    return {each.gate: each.verdict for each in gates.evaluate()}


def test_every_gate_passes_what_does_not_differ_and_waits_before() -> None:
    assert set(verdicts([pair()] * 4000).values()) == {PASS}
    assert set(verdicts([pair()] * 5).values()) <= {WAIT, NO_OUTCOMES}
    assert set(verdicts([]).values()) == {NO_OUTCOMES}


@pytest.mark.parametrize(
    ('gate', 'bad'),
    [
        ('error_rate', [pair()] * 98 + [pair(error='INTERNAL')] * 2),
        ('latency_ratio', [pair(seconds=(1.0, 1.5))] * 100),
        ('p99_ratio', [pair()] * 95 + [pair(seconds=(1.0, 9.0))] * 5),
        ('agreement', [pair()] * 90 + [pair(new='negative')] * 10),
        ('accuracy_drop', [pair()] * 96 + [pair(new='negative')] * 4),
        ('drift', [pair(scores=(0.8, 0.7))] * 100),
        ('drift', [pair(scores=(0.7, 0.8))] * 100),
    ],
)
def test_each_gate_fails_on_its_own_fault_alone(gate: str, bad: list[Pair]) -> None:
    rng = np.random.default_rng(3)
    drawn = [bad[place] for place in rng.integers(len(bad), size=4000)]
    found = verdicts(drawn)
    assert found[gate] == FAIL
    others = {'agreement': ['accuracy_drop'], 'accuracy_drop': ['agreement']}.get(gate, [])
    assert {name for name, verdict in found.items() if verdict == FAIL} - set(others) == {gate}


def test_faults_of_the_old_version_are_not_held_against_the_new_one() -> None:
    failing = Pair(
        Request({'text': ['g']}), Answer(1.0, 'INTERNAL', 'INTERNAL'), Answer(1.0, 'INTERNAL', 'INTERNAL')
    )
    found = verdicts([failing] * 4000)
    assert found['error_rate'] == PASS
    assert found['latency_ratio'] == NO_OUTCOMES


def rows(old: list[str], new: list[str], label: str | None = None) -> Pair:
    return Pair(
        Request({'text': old}, expected_label=label),
        Answer(1.0, decisions=tuple(old)),
        Answer(1.0, decisions=tuple(new)),
    )


def test_what_the_new_version_no_longer_says_is_held_against_it() -> None:
    silent = Pair(pair().request, pair().old, Answer(1.0))
    nan = Pair(pair().request, pair().old, Answer(1.0, decisions=('positive',), scores=(math.nan,)))
    assert {gate for gate, verdict in verdicts([silent] * 2000).items() if verdict == FAIL} == {
        'agreement', 'accuracy_drop', 'drift'
    }  # fmt: skip
    assert verdicts([nan] * 2000)['drift'] == FAIL
    assert verdicts([rows(['a', 'b', 'c'], ['a', 'b'])] * 2000)['agreement'] == FAIL


def test_rows_of_one_request_are_one_outcome() -> None:
    gates = Gates(Limits())
    for _ in range(30):
        gates.add(rows(['a'] * 50, ['b'] * 50))
    [agreement] = [each for each in gates.evaluate() if each.gate == 'agreement']
    assert (agreement.outcomes, agreement.estimate) == (30, 1.0)


def test_requests_whose_rows_are_all_alike_are_seldom_found_bad_wrongly() -> None:
    """Requests that agree 96 % of the time, with a limit of 95 %: 50 rows of one say no more than one does."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(100):
        gates = Gates(Limits(agreement=0.95, drift=None))
        for number in range(200):
            gates.add(rows(['a'] * 50, [('b' if rng.random() < 0.04 else 'a')] * 50))
            if number % 20 == 19 and any(each.verdict == FAIL for each in gates.evaluate()):
                wrong += 1
                break
    assert wrong <= 2


def test_an_outcome_on_the_grid_has_the_mean_that_it_had() -> None:
    for value in (0.0095, -0.0031, 0.5, -1.0, 1.0):
        placed = [on_grid(value) for _ in range(20_000)]
        assert np.mean(placed) == pytest.approx(value, abs=0.0003)
        assert all(abs(each - value) <= GRID for each in placed)


@pytest.mark.parametrize('steps', [1, 4])
@pytest.mark.parametrize(('limits', 'shift'), [
    (Limits(drift=0.1), 0.1), (Limits(drift=0.1), -0.1), (Limits(agreement=0.9), None)
])  # fmt: skip
def test_a_version_at_its_limit_seldom_fails_in_all_steps_together(
    limits: Limits, shift: float | None, steps: int
) -> None:
    rng = np.random.default_rng(5)
    only = {'drift': None, 'agreement': None, 'accuracy_drop': None}
    kept = {'drift': limits.drift} if shift is not None else {'agreement': limits.agreement}
    wrong, runs = 0, 100
    for _ in range(runs):
        gates = Gates(
            Limits(error_rate=None, latency_ratio=None, p99_ratio=None, **{**only, **kept}), 0.9, steps=steps
        )
        failed = False
        for _ in range(steps):
            for _ in range(5):
                for _ in range(40):
                    if shift is not None:
                        away = shift + (0.3 if rng.random() < 0.5 else -0.3)
                        gates.add(pair(scores=(0.5, 0.5 + away)))
                    else:
                        gates.add(pair(new='negative' if rng.random() < 0.1 else 'positive'))
                failed = failed or gates.evaluate()[0].verdict == FAIL
            gates.next_step()
        wrong += failed
    assert wrong <= runs * 0.1


def test_what_begins_in_a_late_step_is_found_although_all_was_well_before() -> None:
    well, ill = pair(), pair(error='INTERNAL')

    def pairs_to_fail(steps: int) -> int:
        gates = Gates(Limits(), steps=steps)
        gates.all[0].outcomes[0.0] = 100_000
        gates.all[0].passed = True
        for number in range(1, 10_000):
            gates.add(ill if number % 50 == 0 else well)
            if number % 50 == 0 and gates.evaluate()[0].verdict == FAIL:
                return number
        return 10_000

    assert pairs_to_fail(steps=4) < 2500
    assert pairs_to_fail(steps=1) == 10_000


def test_what_was_shown_to_be_good_stays_so_until_it_fails() -> None:
    gates = Gates(Limits(), steps=2)
    for _ in range(2500):
        gates.add(pair())
    assert gates.evaluate()[0].verdict == PASS
    for _ in range(12):
        gates.add(pair(error='INTERNAL'))
    gates.next_step()
    assert gates.evaluate()[0].high > gates.evaluate()[0].limit
    assert gates.evaluate()[0].verdict == PASS
    for _ in range(300):
        gates.add(pair(error='INTERNAL'))
    assert gates.evaluate()[0].verdict == FAIL


def test_labels_that_no_version_ever_says_do_not_pass() -> None:
    gates = Gates(Limits())
    for _ in range(3000):
        gates.add(pair(label='5'))
    [accuracy] = [each for each in gates.evaluate() if each.gate == 'accuracy_drop']
    assert (accuracy.verdict, accuracy.note) == (WAIT, 'no decision of either version equals a label')
    gates.add(pair(label='positive'))
    assert gates.evaluate()[4].verdict == PASS


def test_outcomes_of_an_earlier_process_are_gone_on_with() -> None:
    first = Gates(Limits())
    for _ in range(700):
        first.add(pair(new='negative'))
    again = Gates(Limits(), state=json.loads(json.dumps(first.state())))
    assert again.evaluate() == first.evaluate()


def test_a_limit_of_none_leaves_the_gate_out_and_the_doubt_to_the_others() -> None:
    gates = Gates(Limits(p99_ratio=None, drift=None), confidence=0.96)
    assert [gate.name for gate in gates.all] == ['error_rate', 'latency_ratio', 'agreement', 'accuracy_drop']
    assert gates.alpha == pytest.approx(0.01)
    assert Gates(Limits(p99_ratio=None, drift=None), 0.95, others=1).alpha == pytest.approx(0.01)
