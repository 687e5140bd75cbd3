"""Measures of a classifier on labelled rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation.row_scores import RowScores, score_rows
from vaiven.serving.evaluation.sums import Sums, f1, features, measures_of, precision, recall


@dataclass(frozen=True)
class ClassMeasures:
    """The measures of one class.

    Attributes:
        name: of the class.
        precision: of the rows for which it is predicted, the share that has it; nan if it is never predicted.
        recall: of the rows that have it, the share for which it is predicted; nan without such rows.
        f1: harmonic mean of both; nan if the class is neither in a label nor predicted.
        rows: number of rows that have it.
        predicted: number of rows for which it is predicted.
    """

    name: str
    precision: float
    recall: float
    f1: float
    rows: int
    predicted: int


@dataclass(frozen=True)
class Measures:
    """The measures of a model on labelled rows; all are nan without rows, and None if the kind does not have them.

    Attributes:
        rows: number of rows.
        accuracy: share of rows whose label is predicted; multilabel: all classes of the row and no other.
        classes: the measures of each class, in the order of the model.
        macro_f1: mean F1 of the classes that are in a label or predicted.
        log_loss: mean negative logarithm of the probability of the label, in nats; multilabel: also over the classes.
        brier: mean squared error of the probabilities (Brier 1950): from 0 to 1 of the second of two classes, from 0
            to 2 over all of several classes; multilabel: mean over the classes, 0 to 1.
        ece: expected calibration error, from 0 to 1 (`calibration.py`): of the probability of the second of two
            classes, of that of the predicted one of several; multilabel: of all probabilities.
        confusion: rows by label (first axis) and prediction, int (k, k); not for multilabel.
        balanced_accuracy: mean recall of the classes that have rows; not for multilabel.
        top_k_accuracy: share of rows whose label is among the 3 most probable classes; for five classes or more.
        auc: area under the ROC curve of the second class; binary only, nan if all rows have one class.
        mean_absolute_error: mean distance of the predicted class from the label, in `LabelSpec.values`; ordinal only.
        quadratic_kappa: agreement weighted by the squared distance of the classes (Cohen 1968); ordinal only.
        micro_f1: F1 over all pairs of row and class; multilabel only.
        hamming: share of pairs of row and class that are wrong; multilabel only.
    """

    rows: int
    accuracy: float
    classes: tuple[ClassMeasures, ...]
    macro_f1: float
    log_loss: float
    brier: float
    ece: float
    confusion: NDArray[np.int64] | None = None
    balanced_accuracy: float | None = None
    top_k_accuracy: float | None = None
    auc: float | None = None
    mean_absolute_error: float | None = None
    quadratic_kappa: float | None = None
    micro_f1: float | None = None
    hamming: float | None = None

    @property
    def subset_accuracy(self) -> float | None:
        """The accuracy of multilabel predictions under its own name; None for other kinds."""
        return None if self.hamming is None else self.accuracy

    def scalars(self) -> dict[str, float]:
        """The measures that are one number by name, in the order of a report."""
        values = {name: getattr(self, name) for name in ORDER}
        return {name: value for name, value in values.items() if value is not None}


# The scalar measures in the order of a report.
ORDER = (
    'accuracy', 'balanced_accuracy', 'micro_f1', 'macro_f1', 'top_k_accuracy', 'auc', 'mean_absolute_error',
    'quadratic_kappa', 'hamming', 'log_loss', 'brier', 'ece',
)  # fmt: skip
# Of these a smaller value is better.
SMALLER_IS_BETTER = frozenset(('mean_absolute_error', 'hamming', 'log_loss', 'brier', 'ece'))


def measure(
    labels: ArrayLike, probabilities: ArrayLike, spec: LabelSpec, predictions: ArrayLike | None = None
) -> Measures:
    """Measures the predictions of a model.

    Args:
        labels: index of the class of each row, int (n); multilabel: bool (n, k).
        probabilities: of the classes, float (n, k).
        spec: the labels of the model.
        predictions: the predicted classes, shaped as `labels`; by default the most probable ones.

    Raises:
        ValueError: the shapes do not match, or a label is not one of the classes.
    """
    return measure_scores(score_rows(labels, probabilities, spec, predictions))


def measure_scores(scores: RowScores) -> Measures:
    """Measures the rows that `score_rows` has scored."""
    spec = scores.spec
    sums = Sums.of(np.asarray(features(scores).sum(axis=0), float).ravel(), spec.size)
    scalars: dict[str, Any] = {name: float(value(sums)) for name, value in measures_of(spec).items()}
    per_class = zip(
        spec.classes, precision(sums), recall(sums), f1(sums), sums.labelled, sums.predicted, strict=True
    )
    return Measures(
        rows=scores.size,
        classes=tuple(
            ClassMeasures(name, float(p), float(r), float(f), int(rows), int(predicted))
            for name, p, r, f, rows, predicted in per_class
        ),
        confusion=None if spec.kind == 'multilabel' else confusion(scores),
        auc=auc(scores.labels.indices == 1, scores.positive) if spec.kind == 'binary' else None,
        **scalars,
    )


def confusion(scores: RowScores) -> NDArray[np.int64]:
    """Rows by label (first axis) and prediction, int (k, k)."""
    size = scores.spec.size
    cells = scores.labels.indices.astype(np.int64) * size + scores.predicted.indices
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def auc(positive: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> float:
    """Area under the ROC curve: the probability that a positive row is ranked above a negative one (Hanley 1982).

    Args:
        positive: whether each row is positive, bool (n).
        probabilities: of the positive class, float (n).

    Returns:
        From 0 to 1; nan if all rows have one class.
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return float('nan')
    ranks = stats.rankdata(probabilities)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))
