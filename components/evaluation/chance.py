"""Whether a model is better than every model that ignores the text, such as the majority class."""

from __future__ import annotations

import dataclasses

import numpy as np

from vaiven.serving.evaluation.intervals import intervals
from vaiven.serving.evaluation.measures import Measures
from vaiven.serving.evaluation.row_scores import RowScores

# Of the two-sided intervals, so that each bound alone holds with 95 %.
_CONFIDENCE = 0.9
# Two classes whose larger one has at most this share: the default of `evaluation.min_accuracy`, 0.6, is above it.
MAX_BALANCED_SHARE = 0.6


@dataclasses.dataclass(frozen=True)
class ChanceTest:
    """The macro-F1 of a model beside the highest one that is possible without reading the text.

    Attributes:
        macro_f1_low: lower bound of the model's macro-F1, which holds with 95 % confidence.
        chance_macro_f1: the highest expected macro-F1 of a model that ignores the text.
        absolute_error_high: upper bound of the model's mean absolute error; ordinal only.
        chance_absolute_error: the lowest mean absolute error of a model that ignores the text; ordinal only.
        better_than_chance: 1 if the macro-F1, or of ordinal labels the mean absolute error, is proven to be better;
            also 1 for two classes of which neither has more than 60 % of the rows: a bound of the accuracy is enough.
    """

    macro_f1_low: float
    chance_macro_f1: float
    better_than_chance: float
    absolute_error_high: float | None = None
    chance_absolute_error: float | None = None

    @classmethod
    def of(cls, scores: RowScores, measures: Measures) -> ChanceTest:
        """Tests the rows that `vaiven.serving.evaluation.row_scores.score_rows` has scored.

        Args:
            scores: the scored rows.
            measures: the measures of these rows.
        """
        bounds = intervals(scores, _CONFIDENCE)
        rows = np.array([one.rows for one in measures.classes], float)  # (k)
        low, chance = bounds['macro_f1'].low, _chance_macro_f1(rows, measures.rows, scores.spec.kind)
        is_better = low > chance
        if scores.spec.kind == 'binary':
            is_better = is_better or bool(rows.max() <= MAX_BALANCED_SHARE * rows.sum())
        if scores.spec.kind != 'ordinal':
            return cls(low, chance, float(is_better))
        error, constant = bounds['mean_absolute_error'].high, _constant_error(rows, scores.spec.values)
        return cls(low, chance, float(is_better or error < constant), error, constant)


def _chance_macro_f1(class_rows: np.ndarray, rows: int, kind: str) -> float:
    """The highest expected macro-F1 of a model that ignores the text.

    With the share p of a class and the share q of the rows for which it is predicted, its F1 is 2pq / (p + q), which is
    at most (p + q) / 2. If each row has one class, p and q sum to 1, and the mean over k classes is at most 1 / k; the
    majority class has less. Of several classes a row, all of them are predicted: q = 1.
    """
    shares = class_rows[class_rows > 0] / max(rows, 1)
    if not len(shares):
        return 1.0
    return float(np.mean(2 * shares / (1 + shares)) if kind == 'multilabel' else 1 / len(shares))


def _constant_error(class_rows: np.ndarray, values: tuple[float, ...]) -> float:
    """The lowest mean absolute error of a prediction that is the same for all rows."""
    numbers = np.array(values)
    distances = np.abs(numbers[:, None] - numbers)  # (k, k)
    return float((distances @ class_rows).min() / max(class_rows.sum(), 1))
