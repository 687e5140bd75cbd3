"""Compares two versions on the same requests: what differs, with which confidence, and whether a gate fails."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from vaiven.serving.rollout.answers import Answer, Pair, correctness, same
from vaiven.serving.rollout.class_report import MAX_CLASSES, SIDES, ClassCounts, values
from vaiven.serving.rollout.drift import Drift
from vaiven.serving.rollout.gate import FAIL, WAIT, GateResult, MeanGate
from vaiven.serving.rollout.gates import AccuracyDrop, Agreement, ErrorRate, Gates, Limits
from vaiven.serving.rollout.statistics import Interval, mean_interval, quantile_intervals

QUANTILES = {'p50': 0.5, 'p95': 0.95, 'p99': 0.99}
NOT_WORSE, WORSE, UNDECIDED = 'not worse', 'worse', 'undecided'
FAILURES = {
    'error_rate': 'more requests fail',
    'latency_ratio': 'higher latency',
    'p99_ratio': 'higher p99 latency',
    'agreement': 'too many different decisions',
    'accuracy_drop': 'lower accuracy',
    'drift': 'scores have changed',
}
MAX_FLIPS = 1000  # what is kept in memory; all are counted


@dataclass(frozen=True)
class Flip:
    """A row for which the versions decide differently; the field names are the keys of the JSON output.

    Attributes:
        text: of the row.
        old: decision of the old version, a class or the list of several; NO_DECISION if there is none.
        new: decision of the new version.
        old_score: score of the old version.
        new_score: score of the new version.
        truth: the label of the row, if known.
        correct: whether the decision of the new version is the label, if known.
    """

    text: str
    old: str | list[str]
    new: str | list[str]
    old_score: float | None
    new_score: float | None
    truth: str | list[str] | None
    correct: bool | None


@dataclass
class Comparison:
    """Collects pairs; `report` returns what they show so far, at any time.

    Attributes:
        limits: limits of the gates on which the verdict is based.
        confidence: of each interval, and of the verdict.
    """

    limits: Limits = field(default_factory=Limits)
    confidence: float = 0.95

    def __post_init__(self) -> None:
        self.gates = Gates(self.limits, self.confidence)
        self.flips: list[Flip] = []
        self.pairs = 0
        self._counts: Counter[str] = Counter()
        self._correct = dict.fromkeys(SIDES, 0.0)
        self._classes = ClassCounts()
        self._errors: Counter[tuple[str, str]] = Counter()
        # These only collect outcomes: the report has all figures, also those of gates that are turned off.
        self._disagreement, self._accuracy = Agreement(0), AccuracyDrop(0)
        self._failures, self._drift = ErrorRate(0), Drift(0)
        self._seconds: tuple[list[float], list[float]] = ([], [])  # old, new

    def extend(self, pairs: Iterable[Pair]) -> None:
        """Adds several pairs."""
        for pair in pairs:
            self.add(pair)

    def add(self, pair: Pair) -> None:
        """Adds one pair."""
        self.pairs += 1
        self.gates.add(pair)
        label = pair.request.expected_label
        for side, answer in zip(SIDES, (pair.old, pair.new), strict=True):
            if answer.error:
                self._counts[f'{side}_errors'] += 1
                self._errors[side, answer.error] += 1
            if label is not None and answer.decisions:
                self._correct[side] += correctness(answer.decisions[0], label)
                self._counts[f'{side}_labelled'] += 1
        for gate in (self._disagreement, self._accuracy, self._failures, self._drift):
            gate.add(pair)
        if pair.failed:
            return
        self._seconds[0].append(pair.old.seconds)
        self._seconds[1].append(pair.new.seconds)
        if pair.old.decisions:
            self._classes.add(pair)
            self._collect_flips(pair)

    def _collect_flips(self, pair: Pair) -> None:
        for row, (old, new) in enumerate(zip_longest(pair.old.decisions, pair.new.decisions)):
            if same(old, new) or len(self.flips) == MAX_FLIPS:
                continue
            label = pair.request.expected_label if row == 0 else None
            self.flips.append(
                Flip(
                    pair.request.text_of(row),
                    values(old),
                    values(new),
                    _score(pair.old, row),
                    _score(pair.new, row),
                    None if label is None else values(label),
                    None if label is None else same(new, label),
                )
            )

    def verdict(self) -> tuple[str, list[str]]:
        """Returns the verdict and its reasons: the names of the gates that failed, or of those that are undecided.

        UNDECIDED without a reason means that no request was answered by both versions.
        """
        results = self.gates.evaluate()
        if failed := [result.gate for result in results if result.verdict == FAIL]:
            return WORSE, failed
        if not self._seconds[0]:
            return UNDECIDED, []
        waiting = [result.gate for result in results if result.verdict == WAIT]
        return (UNDECIDED, waiting) if waiting else (NOT_WORSE, [])

    def report(self, examples: int = 5) -> dict[str, Any]:
        """Returns all figures as JSON values: shares from 0 to 1, latencies in ms, intervals as [low, high].

        Args:
            examples: the number of flips, and of different errors.
        """
        # Two-sided: each bound may be wrong with half of the error probability.
        alpha = (1 - self.confidence) / 2
        verdict, reasons = self.verdict()
        latencies = quantile_intervals(*self._seconds, list(QUANTILES.values()), self.confidence)
        counts = self._counts
        drift = {
            name: _scaled(interval, 1) for name, interval in self._drift.intervals(alpha, MAX_CLASSES).items()
        }
        return {
            'requests': self.pairs,
            'answered_by_both': len(self._seconds[0]),
            'agreement': _figure(self._disagreement, alpha, lambda disagreement: 1 - disagreement),
            'flips': self._classes.changes.total(),
            'examples': [asdict(flip) for flip in self.flips[:examples]],
            'accuracy': {
                'labelled': counts['new_labelled'],
                'old': _share(self._correct['old'], counts['old_labelled']),
                'new': _share(self._correct['new'], counts['new_labelled']),
                'difference': _figure(self._accuracy, alpha, lambda drop: -drop),
                'of_sets': self._classes.of_sets,
            },
            'drift': next(({**figure, 'class': name} for name, figure in drift.items()), None),
            **self._classes.report(drift),
            'errors': {
                'old': _share(counts['old_errors'], self.pairs),
                'new': _share(counts['new_errors'], self.pairs),
                'difference': _figure(self._failures, alpha, lambda failures: failures),
                'most_frequent': [
                    {'version': side, 'error': error, 'count': count}
                    for (side, error), count in self._errors.most_common(examples)
                ],
            },
            'latency_ms': {
                name: {'old': _scaled(old, 1000), 'new': _scaled(new, 1000), 'ratio': _scaled(ratio, 1)}
                for name, (old, new, ratio) in zip(QUANTILES, latencies, strict=True)
            }
            if self._seconds[0]
            else None,
            'gates': [result_values(result) for result in self.gates.evaluate()],
            'verdict': verdict,
            'because': reasons,
        }


def result_values(result: GateResult) -> dict[str, Any]:
    """Returns the result of a gate as JSON values, for the report and the journal."""
    return {
        'gate': result.gate,
        'verdict': result.verdict,
        'estimate': _rounded(result.estimate),
        'interval': [_rounded(result.low), _rounded(result.high)],
        'limit': _rounded(result.limit),
        'outcomes': result.outcomes,
        'note': result.note,
        'class': result.class_name,
    }


def _score(answer: Answer, row: int) -> float | None:
    return _rounded(answer.scores[row]) if row < len(answer.scores) else None


def _figure(gate: MeanGate, alpha: float, convert: Callable[[float], float]) -> dict[str, Any] | None:
    """The mean of a gate's outcomes with its interval, converted to the figure that is reported; None without any."""
    if not gate.outcomes:
        return None
    interval = mean_interval(gate.outcomes, gate.min_outcome, gate.max_outcome, alpha)
    low, high = sorted((convert(interval.low), convert(interval.high)))
    return _scaled(Interval(convert(interval.estimate), low, high), 1)


def _scaled(interval: Interval, factor: float) -> dict[str, Any]:
    return {
        'estimate': _rounded(interval.estimate * factor),
        'interval': [_rounded(interval.low * factor), _rounded(interval.high * factor)],
    }


def _share(part: float, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f'{value:.6g}') + 0.0  # adding 0.0 turns -0.0 into 0.0
