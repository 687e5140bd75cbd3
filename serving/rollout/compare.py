"""Two versions side by side on the same requests: what differs, how surely, and whether it matters."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from vaiven.serving.rollout.gate import FAIL, WAIT, Gate, GateResult
from vaiven.serving.rollout.gates import AccuracyDrop, Agreement, Drift, ErrorRate, Gates, Limits
from vaiven.serving.rollout.paired_requests import Answer, Pair
from vaiven.serving.rollout.statistics import Interval, mean_interval, quantile_intervals

QUANTILES = {'p50': 0.5, 'p95': 0.95, 'p99': 0.99}
BETTER_OR_EQUAL, WORSE, UNDECIDED = 'not worse', 'worse', 'undecided'
NAMES = {
    'error_rate': 'more requests fail',
    'latency_ratio': 'slower',
    'p99_ratio': 'its slowest answers are slower',
    'agreement': 'too many other decisions',
    'accuracy_drop': 'less accurate',
    'drift': 'scores have moved',
}
MAX_FLIPS = 1000
NO_DECISION = '(nothing)'


@dataclass(frozen=True)
class Flip:
    """A row that the two decide differently; NO_DECISION stands for none."""

    text: str
    old: str
    new: str
    old_score: float | None
    new_score: float | None
    truth: str | None


@dataclass
class Comparison:
    """Filled with pairs; `report` says what they show so far, at any time.

    Attributes:
        limits: of the gates that the verdict rests on.
        confidence: of each interval, and of the verdict.
    """

    limits: Limits = field(default_factory=Limits)
    confidence: float = 0.95

    def __post_init__(self) -> None:
        self.gates = Gates(self.limits, self.confidence)
        self.flips: list[Flip] = []
        self.pairs = 0
        self._counts: Counter[str] = Counter()
        self._errors: Counter[tuple[str, str]] = Counter()
        # What the figures come from, whichever gates there are.
        self._differing, self._dropped = Agreement(0), AccuracyDrop(0)
        self._failed, self._moved = ErrorRate(0), Drift(0)
        self._seconds: tuple[list[float], list[float]] = ([], [])

    def extend(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self.add(pair)

    def add(self, pair: Pair) -> None:
        self.pairs += 1
        self.gates.add(pair)
        truth = pair.asked.truth
        for side, answer in (('old', pair.old), ('new', pair.new)):
            if answer.error:
                self._counts[f'{side}_errors'] += 1
                self._errors[side, answer.error] += 1
            if truth is not None and answer.decisions:
                self._counts[f'{side}_right'] += answer.decisions[0] == truth
                self._counts[f'{side}_labelled'] += 1
        for gate in (self._differing, self._dropped, self._failed, self._moved):
            gate.add(pair)
        if pair.failed:
            return
        self._seconds[0].append(pair.old.seconds)
        self._seconds[1].append(pair.new.seconds)
        if pair.old.decisions:
            self._look_for_flips(pair, truth)

    def _look_for_flips(self, pair: Pair, truth: str | None) -> None:
        rows = zip_longest(pair.old.decisions, pair.new.decisions, fillvalue=NO_DECISION)
        for row, (before, after) in enumerate(rows):
            self._counts['flips'] += before != after
            if before != after and len(self.flips) < MAX_FLIPS:
                self.flips.append(
                    Flip(
                        pair.asked.text_of(row),
                        before,
                        after,
                        _score(pair.old, row),
                        _score(pair.new, row),
                        truth if row == 0 else None,
                    )
                )

    def verdict(self) -> tuple[str, list[str]]:
        """What it comes to, and why: the gates that failed, or those that cannot tell yet.

        Undecided without a reason: no request was answered by both.
        """
        judged = self.gates.judge()
        if worse := [each.gate for each in judged if each.verdict == FAIL]:
            return WORSE, worse
        if not self._seconds[0]:
            return UNDECIDED, []
        waiting = [each.gate for each in judged if each.verdict == WAIT]
        return (UNDECIDED, waiting) if waiting else (BETTER_OR_EQUAL, [])

    def report(self, examples: int = 5) -> dict[str, Any]:
        """All figures as plain values: shares of 1, latencies in ms, intervals as [low, high]."""
        alpha = (1 - self.confidence) / 2
        verdict, why = self.verdict()
        latencies = quantile_intervals(*self._seconds, list(QUANTILES.values()), self.confidence)
        counts = self._counts
        return {
            'requests': self.pairs,
            'answered_by_both': len(self._seconds[0]),
            'agreement': _figure(self._differing, alpha, lambda differing: 1 - differing),
            'flips': counts['flips'],
            'examples': [asdict(each) for each in self.flips[:examples]],
            'accuracy': {
                'labelled': counts['new_labelled'],
                'old': _share(counts['old_right'], counts['old_labelled']),
                'new': _share(counts['new_right'], counts['new_labelled']),
                'difference': _figure(self._dropped, alpha, lambda drop: -drop),
            },
            'drift': _figure(self._moved, alpha, lambda moved: moved),
            'errors': {
                'old': _share(counts['old_errors'], self.pairs),
                'new': _share(counts['new_errors'], self.pairs),
                'difference': _figure(self._failed, alpha, lambda failed: failed),
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
            'gates': [judged_values(each) for each in self.gates.judge()],
            'verdict': verdict,
            'because': why,
        }


def judged_values(judged: GateResult) -> dict[str, Any]:
    return {
        'gate': judged.gate,
        'verdict': judged.verdict,
        'estimate': _rounded(judged.estimate),
        'interval': [_rounded(judged.low), _rounded(judged.high)],
        'limit': _rounded(judged.limit),
        'outcomes': judged.count,
        'note': judged.note,
    }


def _score(answer: Answer, row: int) -> float | None:
    return _rounded(answer.scores[row]) if row < len(answer.scores) else None


def _figure(gate: Gate, alpha: float, turned: Callable[[float], float]) -> dict[str, Any] | None:
    """The mean of a gate's outcomes, turned into what people ask for."""
    if not gate.seen:
        return None
    found = mean_interval(gate.seen, gate.lowest, gate.highest, alpha)
    low, high = sorted((turned(found.low), turned(found.high)))
    return _scaled(Interval(turned(found.estimate), low, high), 1)


def _scaled(interval: Interval, factor: float) -> dict[str, Any]:
    return {
        'estimate': _rounded(interval.estimate * factor),
        'interval': [_rounded(interval.low * factor), _rounded(interval.high * factor)],
    }


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f'{value:.6g}') + 0.0  # no -0.0
