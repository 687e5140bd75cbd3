"""The gate on the scores: how far the mean probability of any class has moved."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.labels import label_key
from vaiven.serving.rollout.answers import Answer, Pair, same
from vaiven.serving.rollout.gate import FAIL, GRID, NO_OUTCOMES, PASS, WAIT, Gate, GateResult, spending
from vaiven.serving.rollout.statistics import Interval, log_capitals, mean_interval

MIN, MAX = -1.0, 1.0
# A score that became invalid counts as the largest change.
INVALID = MAX
VALUES = np.round(np.arange(MIN, MAX + GRID / 2, GRID), 2)  # (values)
# The column of models with one score, that of the positive class.
SCORE = ''


class Drift(Gate):
    """The change of the mean score, in either direction; with more than two classes, of the probability of any class.

    The gate keeps a mean for each class, and the largest change must be within the limit. This is the L-infinity
    distance of the mean probabilities, which TensorFlow Data Validation uses for the drift of categories
    (`drift_comparator`). Each change is bounded, as the test requires, and it names the class that drifts. Of two
    classes both change by the same amount, so one is tested. To fail, the error probability is divided by the number
    of classes (Bonferroni).

    A score that became invalid (missing, nan, not from 0 to 1) counts as 1. Classes are aligned by name: a version
    without a class gives it no probability.
    """

    name = 'drift'

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            limit: maximum change, from 0 to 1.
            state: the result of `state` in an earlier process whose rollout is resumed.
        """
        self.limit = limit
        self._columns: dict[str, str] = {}  # key of the class → its name
        self._outcomes = self._step_outcomes = np.zeros((0, len(VALUES)), np.int64)  # (classes, values)
        self._passed = np.zeros(0, bool)  # (classes)
        values = state or {}
        if values.get('seen') and 'classes' not in values:
            seen, fresh = {SCORE: values['seen']}, {SCORE: values['fresh']}
            values = {'classes': [SCORE], 'seen': seen, 'fresh': fresh, 'passed': [values['passed']]}
        names = values.get('classes', [])
        self._rows_of(tuple(names))
        for row, name in enumerate(names):
            self._outcomes[row] = _counts(values['seen'].get(name, {}))
            self._step_outcomes[row] = _counts(values['fresh'].get(name, {}))
            self._passed[row] = values['passed'][row]

    def add(self, pair: Pair) -> None:
        """Counts the changes between two answers."""
        if pair.failed or (changes := _changes(pair.old, pair.new)) is None:
            return
        names, means = changes
        rows = self._rows_of(names)
        # As `on_grid`, for all classes at once.
        below = np.floor(means / GRID)
        places = below + (np.random.random(len(means)) < means / GRID - below) - round(MIN / GRID)
        columns = places.astype(int).clip(0, len(VALUES) - 1)
        self._outcomes[rows, columns] += 1
        self._step_outcomes[rows, columns] += 1

    def evaluate(self, alpha: float, steps: int = 1) -> GateResult:
        """Returns the result for the class that decides it: the first that is beyond the limit, or moved furthest."""
        if not self._columns:
            return GateResult(self.name, NO_OUTCOMES, None, MIN, MAX, self.limit, 0)
        alpha /= len(self._columns)
        shown, beyond = self._outcomes, np.zeros(len(self._columns), bool)
        for outcomes, part in spending(alpha, steps, self._outcomes, self._step_outcomes):
            beyond = self._beyond(outcomes, np.log(2 / part))  # two sides take half each
            if beyond.any():
                shown = outcomes
                break
        self._passed |= self._within(-np.log(alpha)) & ~beyond
        if beyond.any():
            verdict, candidates = FAIL, beyond
        elif not self._passed.all():
            verdict, candidates = WAIT, ~self._passed
        else:
            verdict, candidates = PASS, self._passed
        row = int(np.where(candidates, np.abs(_means(shown)), -1).argmax())
        interval = _interval(shown[row], alpha)
        return GateResult(
            self.name,
            verdict,
            interval.estimate,
            interval.low,
            interval.high,
            self.limit,
            int(shown[row].sum()),
            class_name=list(self._columns.values())[row],
        )

    def next_step(self) -> None:
        """Starts the next step: outcomes that are added from now on belong to it."""
        self._step_outcomes = np.zeros_like(self._step_outcomes)

    def state(self) -> dict[str, Any]:
        """Returns everything that the gate remembers, as JSON values."""
        names = list(self._columns.values())
        seen, fresh = (
            {name: _histogram(row) for name, row in zip(names, outcomes, strict=True)}
            for outcomes in (self._outcomes, self._step_outcomes)
        )
        if names == [SCORE]:
            return {'seen': seen[SCORE], 'fresh': fresh[SCORE], 'passed': bool(self._passed[0])}
        return {'seen': seen, 'fresh': fresh, 'passed': self._passed.tolist(), 'classes': names}

    def intervals(self, alpha: float, most: int) -> dict[str, Interval]:
        """Returns the changes of classes by name with their confidence intervals, the largest first.

        Args:
            alpha: the maximum probability, over all time, that any lower bound is wrong; the same for upper bounds.
            most: number of classes. Models with one score have one, whose name is SCORE.
        """
        names = list(self._columns.values())
        rows = np.argsort(-np.abs(_means(self._outcomes)), kind='stable')[:most].tolist()
        return {names[row]: _interval(self._outcomes[row], alpha / len(names)) for row in rows}

    def _rows_of(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """Returns the rows of the classes in the histograms; new classes get new rows."""
        keys = _keys(names)
        if new := {key: name for key, name in zip(keys, names, strict=True) if key not in self._columns}:
            # The classes of a version do not change, so that this happens at the first answer.
            self._columns |= new
            rows = np.zeros((len(new), len(VALUES)), np.int64)
            self._outcomes = np.concatenate([self._outcomes, rows])
            self._step_outcomes = np.concatenate([self._step_outcomes, rows])
            self._passed = np.concatenate([self._passed, np.zeros(len(new), bool)])
        places = {key: row for row, key in enumerate(self._columns)}
        return np.array([places[key] for key in keys], int)

    def _beyond(self, outcomes: NDArray[np.int64], threshold: float) -> NDArray[np.bool_]:
        """Whether each mean is shown to be beyond the limit, at either side."""
        above = log_capitals(VALUES, outcomes, self.limit, MIN, MAX, above=True)
        below = log_capitals(VALUES, outcomes, -self.limit, MIN, MAX, above=False)
        beyond: NDArray[np.bool_] = np.maximum(above, below) >= threshold
        return beyond

    def _within(self, threshold: float) -> NDArray[np.bool_]:
        """Whether each mean is shown to be within the limit, at both sides."""
        below = log_capitals(VALUES, self._outcomes, self.limit, MIN, MAX, above=False)
        above = log_capitals(VALUES, self._outcomes, -self.limit, MIN, MAX, above=True)
        within: NDArray[np.bool_] = np.minimum(above, below) >= threshold
        return within


def _changes(old: Answer, new: Answer) -> tuple[tuple[str, ...], NDArray[np.float64]] | None:
    """Returns the names of the classes and the change of each, (classes), a mean over the rows; None without scores."""
    if not old.scores:
        return None
    if _have_one_score(old, new):
        changes = [
            new_score - old_score if _is_valid(new_score) else INVALID
            for old_score, new_score in zip_longest(old.scores, new.scores)
            if _is_valid(old_score)
        ]
        return ((SCORE,), np.array([sum(changes) / len(changes)])) if changes else None
    if not old.classes:
        return None
    names, old_columns, new_columns = _alignment(old.classes, new.classes)
    before = _aligned(old.table(), old_columns)  # (rows, classes)
    after = np.full(before.shape, np.nan)
    if new.classes:
        table = _aligned(new.table(), new_columns)[: len(before)]
        after[: len(table)] = table
    was_valid, is_valid = _valid_rows(before), _valid_rows(after)
    if not was_valid.any():
        return None
    differences = np.where(is_valid[:, None], after - before, INVALID)[was_valid]
    return names, differences.mean(0)


def _have_one_score(old: Answer, new: Answer) -> bool:
    """Whether both scores are those of the same class, or the models do not say of which."""
    if old.probabilities is not None or new.probabilities is not None:
        return False
    return not (old.classes and new.classes) or same(old.classes[-1], new.classes[-1])


def _is_valid(score: float | None) -> bool:
    return score is not None and 0 <= score <= 1


def _valid_rows(table: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns bool (rows): whether all columns of a row are probabilities."""
    return np.asarray(((table >= 0) & (table <= 1)).all(1))


@lru_cache(maxsize=16)
def _alignment(
    old: tuple[str, ...], new: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Returns the names of all classes, and for each its column in either version, -1 where a version lacks it."""
    keys = dict(zip(_keys((*new, *old)), (*new, *old), strict=True))
    columns = []
    for names in (old, new):
        places = {key: column for column, key in enumerate(_keys(names))}
        columns.append(np.array([places.get(key, -1) for key in keys], int))
    return tuple(keys.values()), columns[0], columns[1]


def _aligned(table: NDArray[np.float64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns (rows, classes); the column -1 is that of a class which the version lacks."""
    return np.concatenate([table, np.zeros((len(table), 1))], 1)[:, columns]


@lru_cache(maxsize=64)
def _keys(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(label_key, names))


def _means(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = counts @ VALUES / np.maximum(counts.sum(1), 1)
    return means


def _interval(counts: NDArray[np.int64], alpha: float) -> Interval:
    outcomes = {float(value): int(count) for value, count in zip(VALUES, counts, strict=True) if count}
    return mean_interval(outcomes, MIN, MAX, alpha)


def _histogram(counts: NDArray[np.int64]) -> dict[str, int]:
    return {f'{VALUES[place]:g}': int(counts[place]) for place in np.flatnonzero(counts)}


def _counts(histogram: Mapping[str, int]) -> NDArray[np.int64]:
    counts = np.zeros(len(VALUES), np.int64)
    for value, count in histogram.items():
        counts[round((float(value) - MIN) / GRID)] = count
    return counts
