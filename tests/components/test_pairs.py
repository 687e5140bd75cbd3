"""Two models on the same rows."""

import numpy as np
import pytest
from scipy import stats

from vaiven.components.evaluation.pairs import PairedResults


def test_rows_are_counted_by_who_gets_them_right():
    before, now = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 1, 0], bool)
    pairs = PairedResults.from_correct(before, now)
    assert pairs == PairedResults(5, 1, 2, 1)
    assert (pairs.baseline_accuracy, pairs.candidate_accuracy) == (0.6, 0.4)


@pytest.mark.parametrize(
    ('before', 'now'), [(0, 0), (1, 0), (4, 0), (5, 0), (12, 3), (20, 15), (3, 9), (80, 40)]
)
def test_where_no_drop_is_allowed_the_decision_is_that_of_the_exact_mcnemar_test(before, now):
    refused = bool(PairedResults(147, 20, before, now).reason(0.0))
    p = stats.binomtest(before, before + now, alternative='greater').pvalue if before + now else 1.0
    assert refused == (p < 0.05)


def test_the_chance_to_refuse_a_model_at_the_bound_is_below_one_in_twenty():
    """147 rows, 30 of which differ, and a true drop of exactly one point."""
    draw = np.random.default_rng(0)
    rows, differing, drop = 147, 30, 0.01
    share = (1 + rows * drop / differing) / 2
    counts = draw.binomial(differing, share, size=2000)
    refused = [
        bool(PairedResults(rows, 100, int(count), differing - int(count)).reason(drop)) for count in counts
    ]
    assert 0.005 < np.mean(refused) < 0.06


def test_a_real_drop_is_refused():
    assert PairedResults(147, 90, 40, 5).reason(0.01)
    assert not PairedResults(147, 90, 40, 5).reason(0.3)
