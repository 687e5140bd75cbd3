"""The evaluation of a model on labelled rows, collected batch by batch: measures, slices, mistakes and changes."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation.intervals import Interval, intervals
from vaiven.serving.evaluation.measures import Measures, measure_scores
from vaiven.serving.evaluation.paired import Comparison, compare
from vaiven.serving.evaluation.row_scores import RowScores, concatenate, score_rows
from vaiven.serving.evaluation.slices import slices
from vaiven.serving.evaluation.sums import Sums, features


@dataclass(frozen=True)
class Predictions:
    """What a model answered for some texts.

    Attributes:
        probabilities: of the classes, float (n, k).
        predicted: the predicted class, int (n); multilabel: bool (n, k).
        scores: the probability of the most probable class, float (n).
    """

    probabilities: NDArray[Any]
    predicted: NDArray[Any]
    scores: NDArray[Any]

    def select(self, rows: NDArray[Any]) -> Predictions:
        """The predictions for some rows, given by indices."""
        return Predictions(self.probabilities[rows], self.predicted[rows], self.scores[rows])


@dataclass(frozen=True)
class Row:
    """A labelled row, for the lists of mistakes and changes.

    Attributes:
        where: file and line.
        text: the text.
        slices: its value in each column of `Evaluator.columns`; empty for a missing one.
    """

    where: str
    text: str
    slices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mistake:
    """A row that a model predicts wrongly.

    Attributes:
        row: the row.
        labels: its classes.
        predicted: the predicted classes.
        score: the probability of the most probable class.
        log_loss: of the row, in nats.
    """

    row: Row
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    score: float
    log_loss: float


@dataclass(frozen=True)
class Change:
    """A row for which two models predict different classes.

    Attributes:
        row: the row.
        labels: its classes.
        reference: classes that the reference model predicts.
        predicted: classes that the model predicts.
        effect: 1 if only the model is right, −1 if only the reference is, 0 if both are wrong.
        gain: log loss of the reference − that of the model, in nats.
    """

    row: Row
    labels: tuple[str, ...]
    reference: tuple[str, ...]
    predicted: tuple[str, ...]
    effect: int
    gain: float


@dataclass(frozen=True)
class Part:
    """The measures of all rows, or of a slice.

    Attributes:
        measures: the measures.
        intervals: of each scalar measure, by name.
        comparison: with the reference model on the same rows; None without one.
        column: of a slice; empty for all rows.
        value: of a slice.
        is_small: whether a slice has too few rows to say much.
    """

    measures: Measures
    intervals: dict[str, Interval]
    comparison: Comparison | None = None
    column: str = ''
    value: str = ''
    is_small: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model.

    Attributes:
        spec: the labels of the model.
        whole: the measures of all rows.
        slices: those of each slice.
        mistakes: the wrong predictions with the highest scores; multilabel: with the highest losses.
        changes: the changes with the largest effect on the loss.
        changed: number of all changes.
        reference: measures of the reference model; None without one.
        bins: count, positives and sum of probabilities in the bins of the calibration error, float (bins, 3).
    """

    spec: LabelSpec
    whole: Part
    slices: list[Part]
    mistakes: list[Mistake]
    changes: list[Change]
    changed: int
    reference: Measures | None
    bins: NDArray[np.float64]


@dataclass
class Evaluator:
    """Collects the predictions for labelled rows.

    Attributes:
        spec: the labels of the model.
        columns: names of the columns to slice by.
        max_listed: how many mistakes and changes to keep.
    """

    spec: LabelSpec
    columns: Sequence[str] = ()
    max_listed: int = 10
    _scores: list[RowScores] = field(default_factory=list)
    _reference: list[RowScores] = field(default_factory=list)
    _slices: list[tuple[str, ...]] = field(default_factory=list)
    _mistakes: list[tuple[float, int, Mistake]] = field(default_factory=list)
    _changes: list[tuple[float, int, Change]] = field(default_factory=list)
    _changed: int = 0
    _number: Any = field(default_factory=itertools.count)

    def add(
        self,
        rows: Sequence[Row],
        labels: NDArray[Any],
        predictions: Predictions,
        reference: Predictions | None = None,
    ) -> None:
        """Adds rows.

        Args:
            rows: the rows.
            labels: index of the class of each row, int (n); multilabel: bool (n, k).
            predictions: of the model.
            reference: of the model that it is compared with; in all calls or in none.
        """
        scores = score_rows(labels, predictions.probabilities, self.spec, predictions.predicted)
        self._scores.append(scores)
        if self.columns:
            self._slices.extend(row.slices for row in rows)
        for place in np.flatnonzero(~scores.correct).tolist():
            self._add_mistake(rows[place], scores, predictions, place)
        if reference is None:
            return
        old = score_rows(labels, reference.probabilities, self.spec, reference.predicted)
        self._reference.append(old)
        differs = predictions.predicted != reference.predicted
        for place in np.flatnonzero(differs.any(axis=1) if differs.ndim > 1 else differs).tolist():
            self._changed += 1
            self._add_change(rows[place], scores, old, place)

    def result(self) -> Evaluation:
        """The evaluation of all rows; at least one has been added."""
        scores = concatenate(self._scores)
        reference = concatenate(self._reference) if self._reference else None
        parts = [
            Part(
                measure_scores(inside),
                intervals(inside),
                None if reference is None else compare(inside, reference.select(part.rows)),
                part.column,
                part.value,
                part.is_small,
            )
            for place, column in enumerate(self.columns)
            for part in slices(column, [values[place] for values in self._slices])
            for inside in [scores.select(part.rows)]
        ]
        return Evaluation(
            self.spec,
            Part(
                measure_scores(scores),
                intervals(scores),
                None if reference is None else compare(scores, reference),
            ),
            parts,
            [mistake for *_, mistake in sorted(self._mistakes, key=_largest_first)],
            [change for *_, change in sorted(self._changes, key=_largest_first)],
            self._changed,
            None if reference is None else measure_scores(reference),
            Sums.of(np.asarray(features(scores).sum(axis=0), float).ravel(), self.spec.size).bins,
        )

    def _add_mistake(self, row: Row, scores: RowScores, predictions: Predictions, place: int) -> None:
        score, loss = float(predictions.scores[place]), float(scores.log_losses[place])
        weight = loss if self.spec.kind == 'multilabel' else score
        if self._is_listed(self._mistakes, weight):
            mistake = Mistake(
                row, self._names(scores.labels, place), self._names(scores.predicted, place), score, loss
            )
            self._keep(self._mistakes, weight, mistake)

    def _add_change(self, row: Row, scores: RowScores, old: RowScores, place: int) -> None:
        gain = float(old.log_losses[place] - scores.log_losses[place])
        if self._is_listed(self._changes, abs(gain)):
            change = Change(
                row,
                self._names(scores.labels, place),
                self._names(old.predicted, place),
                self._names(scores.predicted, place),
                int(scores.correct[place]) - int(old.correct[place]),
                gain,
            )
            self._keep(self._changes, abs(gain), change)

    def _is_listed(self, heap: list[Any], weight: float) -> bool:
        return self.max_listed > 0 and (len(heap) < self.max_listed or weight > heap[0][0])

    def _keep(self, heap: list[Any], weight: float, item: Mistake | Change) -> None:
        """Keeps the heaviest; of equally heavy ones the first."""
        push = heapq.heappush if len(heap) < self.max_listed else heapq.heapreplace
        push(heap, (weight, -next(self._number), item))

    def _names(self, matrix: Any, place: int) -> tuple[str, ...]:
        """The classes of a row of a sparse matrix (n, k)."""
        start, end = matrix.indptr[place : place + 2]
        return tuple(self.spec.classes[index] for index in sorted(matrix.indices[start:end].tolist()))


def _largest_first(item: tuple[float, int, Any]) -> tuple[float, int]:
    return -item[0], -item[1]
