"""Confidence intervals of measures, at 95 % unless told otherwise.

Shares get the interval of Wilson 1927, the AUC that of DeLong et al. 1988, and all other measures a percentile
bootstrap over rows (Efron 1979) with a fixed seed, so that the same rows give the same interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from vaiven.serving.evaluation.measures import auc, measure_scores
from vaiven.serving.evaluation.row_scores import RowScores
from vaiven.serving.evaluation.sums import Sums, features, measures_of

CONFIDENCE = 0.95
RESAMPLES = 1000
SEED = 0
# More rows than this are added up in so many groups, drawn at random, and groups are resampled: the variance of a sum
# stays the same, and the work has a bound.
MAX_GROUPS = 5000
# Shares of rows: exact coverage needs no resampling, also where all rows are right.
SHARES = frozenset(('accuracy', 'top_k_accuracy'))


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its confidence interval; nan where they are not defined."""

    estimate: float
    low: float
    high: float


def wilson(successes: int, rows: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a share (Wilson 1927).

    Args:
        successes: number of rows that count.
        rows: number of all rows; with none, the interval is 0 to 1 and the estimate nan.
        confidence: of the interval.
    """
    if not rows:
        return Interval(math.nan, 0.0, 1.0)
    z = float(stats.norm.isf((1 - confidence) / 2))
    share = successes / rows
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    # At the ends the bounds are 0 and 1 exactly, but for rounding.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == rows else min(1.0, centre + half)
    return Interval(share, low, high)


def intervals(scores: RowScores, confidence: float = CONFIDENCE) -> dict[str, Interval]:
    """The intervals of all scalar measures by name, in the order of `Measures.scalars`.

    Args:
        scores: the scored rows.
        confidence: of each interval.
    """
    estimates = measure_scores(scores).scalars()
    resampled = resample(scores)
    result = {}
    for name, estimate in estimates.items():
        if name in SHARES:
            result[name] = wilson(
                round(estimate * scores.size) if scores.size else 0, scores.size, confidence
            )
        elif name == 'auc':
            result[name] = _auc_interval(scores, confidence)
        else:
            result[name] = Interval(estimate, *percentiles(resampled[name], confidence))
    return result


def resample(scores: RowScores) -> dict[str, NDArray[np.float64]]:
    """The measures of `measures_of` on resampled rows, by name, float (resamples).

    Two models on the same rows get the same resamples, so that their differences are paired.
    """
    sums = Sums.of(_resampled_sums(scores), scores.spec.size)
    return {name: value(sums) for name, value in measures_of(scores.spec).items()}


def percentiles(values: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The bounds of a percentile bootstrap interval; resamples for which the measure is not defined are left out."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _resampled_sums(scores: RowScores) -> NDArray[np.float64]:
    rng = np.random.default_rng(SEED)
    groups = _grouped(features(scores), rng)
    count = groups.shape[0]
    if not count:
        return np.zeros((RESAMPLES, groups.shape[1]))
    # How often each group is drawn.
    weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
    sums: NDArray[np.float64] = (groups.T @ weights.T).T  # (resamples, features)
    return sums


def _grouped(rows: sparse.csr_array, rng: np.random.Generator) -> sparse.csr_array:
    """Adds up the features of rows, (n, features), in at most `MAX_GROUPS` random groups of nearly equal size."""
    count = rows.shape[0]
    if count <= MAX_GROUPS:
        return rows
    group = rng.permutation(count) % MAX_GROUPS
    members = sparse.csr_array((np.ones(count), (group, np.arange(count))), shape=(MAX_GROUPS, count))
    return (members @ rows).tocsr()


def _auc_interval(scores: RowScores, confidence: float) -> Interval:
    positive = scores.labels.indices == 1
    estimate = auc(positive, scores.positive)
    if math.isnan(estimate):
        return Interval(math.nan, math.nan, math.nan)
    half = float(stats.norm.isf((1 - confidence) / 2)) * math.sqrt(
        sum(float(part.var(ddof=1)) / len(part) for part in placements(scores) if len(part) > 1)
    )
    return Interval(estimate, max(0.0, estimate - half), min(1.0, estimate + half))


def placements(scores: RowScores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each positive row the share of negative rows below it, and for each negative row that of positive rows above.

    The means of both are the AUC, and their variances give its variance (DeLong et al. 1988).
    """
    positive = scores.labels.indices == 1
    above, below = scores.positive[positive], scores.positive[~positive]
    ranks = stats.rankdata(scores.positive)
    return (
        (ranks[positive] - stats.rankdata(above)) / len(below),
        1 - (ranks[~positive] - stats.rankdata(below)) / len(above),
    )
