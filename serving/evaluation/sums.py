"""The measures as functions of sums over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation.calibration import BINS, calibration_errors
from vaiven.serving.evaluation.row_scores import MIN_TOP_K_CLASSES, TERMS, RowScores

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """Sums over the rows of one or of several weighted sets of rows; `…` are the axes of the sets.

    Attributes:
        terms: float (…, terms); the last axis is `TERMS`.
        labelled: rows with each class, (…, k).
        predicted: rows for which each class is predicted, (…, k).
        hits: rows with each class for which it is predicted, (…, k).
        bins: of the calibration error, (…, bins, 3).
    """

    terms: Values
    labelled: Values
    predicted: Values
    hits: Values
    bins: Values

    @classmethod
    def of(cls, features: Values, classes: int) -> Sums:
        """Splits the sums of `features` over rows, (…, features)."""
        ends = np.cumsum([len(TERMS), classes, classes, classes])
        terms, labelled, predicted, hits, bins = np.split(features, ends, axis=-1)
        return cls(terms, labelled, predicted, hits, bins.reshape(*bins.shape[:-1], BINS, 3))

    def mean(self, name: str) -> Values:
        """The mean of a term over the rows, (…); nan without rows."""
        return _ratio(self.terms[..., TERMS.index(name)], self.terms[..., TERMS.index('rows')])


def features(scores: RowScores) -> Any:
    """The features of each row whose sums are `Sums`: sparse (n, features)."""
    hits = scores.labels.multiply(scores.predicted)
    return sparse.hstack(
        [sparse.csr_array(scores.terms), scores.labels, scores.predicted, hits, scores.bins], format='csr'
    )


def precision(sums: Sums) -> Values:
    """Of the rows for which a class is predicted, the share with the class, (…, k); nan if it is never predicted."""
    return _ratio(sums.hits, sums.predicted)


def recall(sums: Sums) -> Values:
    """Of the rows with a class, the share for which it is predicted, (…, k); nan for a class without rows."""
    return _ratio(sums.hits, sums.labelled)


def f1(sums: Sums) -> Values:
    """Harmonic mean of precision and recall, (…, k); nan for a class that is neither in a label nor predicted."""
    return _ratio(2 * sums.hits, sums.labelled + sums.predicted)


def _ratio(numerator: Values, denominator: Values) -> Values:
    quotient: Values = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def _mean_of_classes(values: Values) -> Values:
    """The mean over the classes for which a value is defined, (…, k) → (…)."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(-1), defined.sum(-1).astype(float))


def _balanced_accuracy(sums: Sums) -> Values:
    return _mean_of_classes(recall(sums))


def _macro_f1(sums: Sums) -> Values:
    return _mean_of_classes(f1(sums))


def _micro_f1(sums: Sums) -> Values:
    return _ratio(2 * sums.hits.sum(-1), (sums.labelled + sums.predicted).sum(-1))


def _ece(sums: Sums) -> Values:
    rows = sums.bins[..., 0].sum(-1)
    return np.where(rows > 0, calibration_errors(sums.bins), np.nan)


def _quadratic_kappa(sums: Sums) -> Values:
    """Cohen 1968: 1 − the mean squared distance of the classes, divided by that of independent predictions."""
    places = np.arange(sums.labelled.shape[-1], dtype=float)
    rows = sums.terms[..., TERMS.index('rows')]
    first = _ratio(sums.labelled @ places, rows), _ratio(sums.predicted @ places, rows)
    second = _ratio(sums.labelled @ places**2, rows) + _ratio(sums.predicted @ places**2, rows)
    # E (i − j)² for independent i and j.
    expected = second - 2 * first[0] * first[1]
    return 1 - _ratio(sums.mean('squared_distance'), np.where(expected > 1e-12, expected, 0))


def _of_term(name: str) -> Callable[[Sums], Values]:
    return lambda sums: sums.mean(name)


_SINGLE: dict[str, Callable[[Sums], Values]] = {
    'accuracy': _of_term('correct'),
    'balanced_accuracy': _balanced_accuracy,
    'macro_f1': _macro_f1,
}
_PROBABILITIES: dict[str, Callable[[Sums], Values]] = {
    'log_loss': _of_term('log_loss'),
    'brier': _of_term('squared_error'),
    'ece': _ece,
}


def measures_of(spec: LabelSpec) -> dict[str, Callable[[Sums], Values]]:
    """The measures of a kind of labels by name, in the order of a report; the AUC is not among them."""
    if spec.kind == 'multilabel':
        counts = {
            'accuracy': _of_term('correct'),
            'micro_f1': _micro_f1,
            'macro_f1': _macro_f1,
            'hamming': _of_term('wrong_cells'),
        }
        return {**counts, **_PROBABILITIES}
    top = {'top_k_accuracy': _of_term('top')} if has_top_k(spec) else {}
    ordered = (
        {'mean_absolute_error': _of_term('absolute_error'), 'quadratic_kappa': _quadratic_kappa}
        if spec.kind == 'ordinal'
        else {}
    )
    return {**_SINGLE, **top, **ordered, **_PROBABILITIES}


def has_top_k(spec: LabelSpec) -> bool:
    """Whether the top-k accuracy is measured."""
    return spec.kind in ('multiclass', 'ordinal') and spec.size >= MIN_TOP_K_CLASSES
