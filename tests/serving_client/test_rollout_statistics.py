"""Sequential bounds hold however often one looks; gates tell planted differences from none."""

import math
from collections import Counter

import numpy as np
import pytest

from vaiven.serving.rollout.gates import FAIL, NOTHING, PASS, WAIT, Gates, Limits
from vaiven.serving.rollout.pairs import Answer, Pair
from vaiven.serving.rollout.requests import Asked
from vaiven.serving.rollout.statistics import log_capital, mean_interval, quantile_intervals


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
    truth: str | None = 'positive',
    seconds: tuple[float, float] = (1.0, 1.0),
    scores: tuple[float, float] = (0.8, 0.8),
    error: str = '',
) -> Pair:
    return Pair(
        Asked({'text': ['ñ']}, truth=truth),
        Answer(seconds[0], '', '', (old,), (scores[0],)),
        Answer(seconds[1], error, 'INTERNAL', *(((), ()) if error else ((new,), (scores[1],)))),
    )


def verdicts(pairs: list[Pair]) -> dict[str, str]:
    gates = Gates(Limits())
    for each in pairs:
        gates.add(each)
    return {each.gate: each.verdict for each in gates.judge()}


def test_every_gate_passes_what_does_not_differ_and_waits_before() -> None:
    assert set(verdicts([pair()] * 4000).values()) == {PASS}
    assert set(verdicts([pair()] * 5).values()) <= {WAIT, NOTHING}
    assert set(verdicts([]).values()) == {NOTHING}


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
        Asked({'text': ['g']}), Answer(1.0, 'INTERNAL', 'INTERNAL'), Answer(1.0, 'INTERNAL', 'INTERNAL')
    )
    found = verdicts([failing] * 4000)
    assert found['error_rate'] == PASS
    assert found['latency_ratio'] == NOTHING


def test_outcomes_of_an_earlier_process_are_gone_on_with() -> None:
    first = Gates(Limits())
    for _ in range(700):
        first.add(pair(new='negative'))
    again = Gates(Limits(), seen=first.seen())
    assert again.judge() == first.judge()


def test_a_limit_of_none_leaves_the_gate_out_and_the_doubt_to_the_others() -> None:
    gates = Gates(Limits(p99_ratio=None, drift=None), confidence=0.96)
    assert [gate.name for gate in gates.all] == ['error_rate', 'latency_ratio', 'agreement', 'accuracy_drop']
    assert gates.alpha == pytest.approx(0.01)
