"""Differences of two models on the same rows.

The accuracy is compared by McNemar's exact test (1947): only the rows count for which exactly one model is right. Given
their number, the number of those for which the new model is right is binomial, and its exact bounds (Clopper & Pearson
1934) bound the difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

from vaiven.serving.evaluation.intervals import (
    CONFIDENCE,
    Interval,
    percentiles,
    placements,
    resample,
)
from vaiven.serving.evaluation.measures import measure_scores
from vaiven.serving.evaluation.row_scores import RowScores


@dataclass(frozen=True)
class Comparison:
    """A model and a reference model on the same rows.

    Attributes:
        rows: number of rows.
        only_model: rows for which only the model is right.
        only_reference: rows for which only the reference is right.
        p_value: of McNemar's exact two-sided test that both are equally accurate.
        differences: model − reference for each scalar measure, with intervals.
    """

    rows: int
    only_model: int
    only_reference: int
    p_value: float
    differences: dict[str, Interval]


def compare(model: RowScores, reference: RowScores, confidence: float = CONFIDENCE) -> Comparison:
    """Compares two models that have scored the same rows in the same order, with the same kind and classes.

    Args:
        model: the scores of the model.
        reference: the scores of the model that it is compared with.
        confidence: of each interval.

    Raises:
        ValueError: the rows or the classes differ.
    """
    if model.spec != reference.spec or model.size != reference.size or (model.labels != reference.labels).nnz:
        raise ValueError('two models can only be compared on the same rows and classes')
    only_model = int((model.correct & ~reference.correct).sum())
    only_reference = int((reference.correct & ~model.correct).sum())
    old, new = measure_scores(reference).scalars(), measure_scores(model).scalars()
    resampled = resample(reference), resample(model)
    differences = {}
    for name, value in new.items():
        difference = value - old[name]
        if name == 'accuracy':
            differences[name] = accuracy_difference(only_model, only_reference, model.size, confidence)
        elif name == 'auc':
            differences[name] = _auc_difference(model, reference, difference, confidence)
        else:
            bounds = percentiles(resampled[1][name] - resampled[0][name], confidence)
            differences[name] = Interval(difference, *bounds)
    discordant = only_model + only_reference
    return Comparison(
        model.size,
        only_model,
        only_reference,
        float(stats.binomtest(only_model, discordant).pvalue) if discordant else 1.0,
        differences,
    )


def accuracy_difference(
    only_model: int, only_reference: int, rows: int, confidence: float = CONFIDENCE
) -> Interval:
    """The difference of two accuracies on the same rows, model − reference.

    Args:
        only_model: rows for which only the model is right.
        only_reference: rows for which only the reference is right.
        rows: number of all rows.
        confidence: of the interval.
    """
    if not rows:
        return Interval(math.nan, math.nan, math.nan)
    discordant = only_model + only_reference
    if not discordant:
        # No row differs: the exact bound of the share of rows that would.
        most = 1 - ((1 - confidence) / 2) ** (1 / rows)
        return Interval(0.0, -most, most)
    exact = stats.binomtest(only_model, discordant).proportion_ci(confidence, method='exact')
    scale = discordant / rows
    return Interval(
        (only_model - only_reference) / rows,
        float(scale * (2 * exact.low - 1)),
        float(scale * (2 * exact.high - 1)),
    )


def _auc_difference(model: RowScores, reference: RowScores, difference: float, confidence: float) -> Interval:
    if math.isnan(difference):
        return Interval(math.nan, math.nan, math.nan)
    parts = [new - old for new, old in zip(placements(model), placements(reference), strict=True)]
    variance = sum(float(part.var(ddof=1)) / len(part) for part in parts if len(part) > 1)
    half = float(stats.norm.isf((1 - confidence) / 2)) * math.sqrt(variance)
    return Interval(difference, difference - half, difference + half)
