"""Confidence intervals cover the truth as often as they say, and are the same for the same rows."""

import math
import time

import numpy as np
import pytest
from scipy import stats

from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation import intervals as module
from vaiven.serving.evaluation.intervals import intervals, wilson
from vaiven.serving.evaluation.measures import measure
from vaiven.serving.evaluation.paired import accuracy_difference, compare
from vaiven.serving.evaluation.row_scores import RowScores, score_rows

TOPICS = LabelSpec('multiclass', ('envío', 'שלום', '🙂', 'pago', 'otro'))
STARS = LabelSpec('ordinal', ('1', '2', '3', '4', '5'))


def scores(rows: int, spec: LabelSpec, seed: int = 0, skill: float = 0.6, noise: int = 0) -> RowScores:
    """Rows with the same labels for a seed; `noise` seeds what the model says."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, spec.size, rows)
    says = np.random.default_rng([seed, noise])
    probabilities = says.dirichlet(np.ones(spec.size), rows)
    probabilities[np.arange(rows), labels] += skill * says.random(rows)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    if spec.kind == 'multilabel':
        return score_rows(np.eye(spec.size, dtype=bool)[labels], probabilities, spec)
    return score_rows(labels, probabilities, spec)


@pytest.mark.parametrize(('successes', 'rows'), [(0, 10), (10, 10), (3, 7), (81, 100)])
def test_shares_have_the_interval_of_wilson(successes: int, rows: int) -> None:
    interval = wilson(successes, rows)
    expected = stats.binomtest(successes, rows).proportion_ci(method='wilson')
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert interval.estimate == successes / rows


def test_a_share_of_no_rows_may_be_anything() -> None:
    interval = wilson(0, 0)
    assert (interval.low, interval.high) == (0, 1)
    assert math.isnan(interval.estimate)


@pytest.mark.parametrize('spec', [LabelSpec(), TOPICS, STARS, LabelSpec('multilabel', TOPICS.classes)])
def test_each_measure_has_an_interval_around_it(spec: LabelSpec) -> None:
    rows = scores(300, spec)
    result = intervals(rows)
    assert result.keys() == {'accuracy', *result}
    for name, interval in result.items():
        assert interval.low < interval.high, name
        # The calibration error of a resample is higher on average than that of the rows.
        assert interval.low <= interval.estimate <= interval.high or name == 'ece', name
    assert intervals(rows) == result


def test_narrower_intervals_belong_to_more_rows_and_to_less_confidence() -> None:
    few, many = intervals(scores(200, TOPICS)), intervals(scores(5000, TOPICS))
    sure = intervals(scores(200, TOPICS), confidence=0.99)
    for name, interval in few.items():
        assert many[name].high - many[name].low < interval.high - interval.low
        assert sure[name].high - sure[name].low > interval.high - interval.low


@pytest.mark.parametrize('spec', [LabelSpec(), STARS])
def test_intervals_cover_the_truth_about_as_often_as_they_say(spec: LabelSpec) -> None:
    truth = intervals(scores(100_000, spec, seed=99))
    covered = dict.fromkeys(truth.keys() - {'ece'}, 0)
    for seed in range(60):
        result = intervals(scores(250, spec, seed=seed))
        for name in covered:
            covered[name] += result[name].low <= truth[name].estimate <= result[name].high
    # 57 of 60 are expected. A correct interval has 51 or fewer with a probability of 0.3 %.
    assert {name: count for name, count in covered.items() if count <= 51} == {}


def test_grouped_rows_have_intervals_of_the_same_width(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = scores(4000, TOPICS)
    single = intervals(rows)
    monkeypatch.setattr(module, 'MAX_GROUPS', 500)
    for name, interval in intervals(rows).items():
        assert interval.high - interval.low == pytest.approx(single[name].high - single[name].low, rel=0.15)


@pytest.mark.parametrize('spec', [LabelSpec(), TOPICS, LabelSpec('multilabel', TOPICS.classes)])
def test_no_rows_and_one_row_have_intervals(spec: LabelSpec) -> None:
    assert math.isnan(intervals(scores(0, spec))['macro_f1'].low)
    assert intervals(scores(1, spec))['accuracy'].high > 0.5


def test_an_identical_model_has_no_difference() -> None:
    rows = scores(200, TOPICS)
    comparison = compare(rows, rows)
    assert (comparison.only_model, comparison.only_reference, comparison.p_value) == (0, 0, 1)
    assert all(interval.estimate == 0 for interval in comparison.differences.values())
    accuracy = comparison.differences['accuracy']
    assert accuracy.low == -accuracy.high
    assert 0 < accuracy.high < 0.02


def test_a_better_model_is_better_in_every_measure() -> None:
    better, worse = scores(1000, STARS, skill=3), scores(1000, STARS, skill=0.3, noise=1)
    comparison = compare(better, worse)
    assert comparison.p_value < 1e-6
    for name in ('accuracy', 'balanced_accuracy', 'macro_f1', 'quadratic_kappa', 'top_k_accuracy'):
        assert comparison.differences[name].low > 0, name
    for name in ('log_loss', 'brier', 'mean_absolute_error'):
        assert comparison.differences[name].high < 0, name
    back = compare(worse, better).differences
    for name, interval in comparison.differences.items():
        assert interval.estimate == pytest.approx(-back[name].estimate)
        assert interval.low == pytest.approx(-back[name].high)


def test_the_difference_of_macro_f1_is_resampled_by_row() -> None:
    one, other = scores(500, TOPICS, skill=1), scores(500, TOPICS, skill=1, noise=1)
    difference = compare(one, other).differences['macro_f1']
    assert difference.low < 0 < difference.high
    assert difference.estimate == pytest.approx(
        intervals(one)['macro_f1'].estimate - intervals(other)['macro_f1'].estimate
    )


def test_equally_good_models_differ_significantly_about_as_often_as_chance_does() -> None:
    wrong = 0
    for seed in range(50):
        comparison = compare(scores(200, TOPICS, seed=seed), scores(200, TOPICS, seed=seed, noise=1))
        interval = comparison.differences['accuracy']
        wrong += not interval.low <= 0 <= interval.high
        assert (comparison.p_value < 0.05) == (not interval.low <= 0 <= interval.high)
    assert wrong <= 7


def test_the_exact_interval_of_an_accuracy_difference() -> None:
    interval = accuracy_difference(only_model=9, only_reference=1, rows=100)
    assert interval.estimate == pytest.approx(0.08)
    assert (interval.low, interval.high) == pytest.approx(
        (0.1 * (2 * 0.5550 - 1), 0.1 * (2 * 0.99747 - 1)), abs=1e-4
    )


def test_models_of_other_rows_or_classes_are_not_compared() -> None:
    with pytest.raises(ValueError, match='same rows and classes'):
        compare(scores(20, TOPICS), scores(20, TOPICS, seed=1))
    with pytest.raises(ValueError, match='same rows and classes'):
        compare(scores(20, TOPICS), scores(20, STARS))


def test_a_thousand_classes_take_seconds() -> None:
    rows, classes = 20_000, 1000
    rng = np.random.default_rng(0)
    probabilities = rng.random((rows, classes), dtype=np.float32)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    spec = LabelSpec('multiclass', tuple(map(str, range(classes))))
    labels = rng.integers(0, classes, rows)
    started = time.monotonic()
    assert measure(labels, probabilities, spec).accuracy < 0.01
    intervals(score_rows(labels, probabilities, spec))
    assert time.monotonic() - started < 20
