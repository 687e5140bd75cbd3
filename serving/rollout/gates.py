"""Gates: what a new version must show before it gets more traffic, each decided by a sequential test.

Every gate keeps a histogram of outcomes, one or none for each row or request that both versions were asked, and says
at any moment whether the mean is shown to be within its limit (PASS), shown to be beyond it (FAIL), or not yet (WAIT).
"""

import math
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

from vaiven.serving.rollout.pairs import Pair
from vaiven.serving.rollout.statistics import mean_interval

PASS, FAIL, WAIT, NOTHING = 'pass', 'fail', 'wait', 'nothing'

DRIFT_STEP = 0.02  # scores are told apart so finely: outcomes are counted, not kept
TAIL = 0.99
TAIL_SLACK = 0.01  # the share of answers beyond the bound may be so much more than the old version's
TAIL_PAIRS = 200  # from which the first bound is taken
TAIL_WINDOW = 2000


@dataclass(frozen=True)
class Limits:
    """How much worse a new version may be; None leaves a gate out.

    Attributes:
        error_rate: failed requests, as a share of all, beyond those on which the old version fails.
        latency_ratio: the median of new/old over requests.
        p99_ratio: the 99th percentiles, new/old; see `P99Ratio`.
        agreement: least share of rows on which both decide alike.
        accuracy_drop: share of labelled rows, net, that are no longer right.
        drift: how far the mean score moves, in either direction, of 1.
    """

    error_rate: float | None = 0.004
    latency_ratio: float | None = 1.25
    p99_ratio: float | None = 1.5
    agreement: float | None = 0.95
    accuracy_drop: float | None = 0.015
    drift: float | None = 0.05


@dataclass(frozen=True)
class Judged:
    """What a gate has seen, and what it says of it.

    Attributes:
        gate: its name.
        verdict: pass, fail, wait, or nothing where there were no outcomes.
        estimate: the mean of the outcomes; None without any.
        low, high: bounds of the true mean, each wrong with at most the gate's alpha, at all times.
        limit: what it is held to.
        count: outcomes.
    """

    gate: str
    verdict: str
    estimate: float | None
    low: float
    high: float
    limit: float
    count: int


class Gate(ABC):
    """One question; `outcomes` says what a pair answers to it."""

    name: str
    lowest, highest = -1.0, 1.0
    two_sided = False

    def __init__(self, limit: float, seen: Mapping[float, int] | None = None) -> None:
        """
        Args:
            limit: see `Limits`.
            seen: outcomes of an earlier process that is gone on with.
        """
        self.limit = limit
        self.seen: Counter[float] = Counter(seen or {})

    @abstractmethod
    def outcomes(self, pair: Pair) -> Iterator[float]:
        """What is counted of a pair, between `lowest` and `highest`."""

    @property
    def bound(self) -> float:
        """What the mean of the outcomes is held to."""
        return self.limit

    def add(self, pair: Pair) -> None:
        self.seen.update(self.outcomes(pair))

    def judge(self, alpha: float) -> Judged:
        """What is known by now: a verdict is wrong with a probability of at most `alpha`."""
        interval = mean_interval(self.seen, self.lowest, self.highest, alpha)
        count = sum(self.seen.values())
        low, high = interval.low, interval.high
        if not count:
            verdict = NOTHING
        elif low > self.bound or (self.two_sided and high < -self.bound):
            verdict = FAIL
        elif high <= self.bound and (not self.two_sided or low >= -self.bound):
            verdict = PASS
        else:
            verdict = WAIT
        estimate = None if math.isnan(interval.estimate) else interval.estimate
        return Judged(self.name, verdict, estimate, low, high, self.bound, count)


class ErrorRate(Gate):
    """Requests that fail now and did not before, less those that failed before and do not now."""

    name = 'error_rate'

    def outcomes(self, pair: Pair) -> Iterator[float]:
        yield float(bool(pair.new.error)) - float(bool(pair.old.error))


class LatencyRatio(Gate):
    """The share of requests that take more than `limit` times as long; more than half: so does the median."""

    name = 'latency_ratio'
    lowest = 0.0

    @property
    def bound(self) -> float:
        return 0.5

    def outcomes(self, pair: Pair) -> Iterator[float]:
        if not pair.failed:
            yield float(pair.new.seconds > self.limit * pair.old.seconds)


class P99Ratio(Gate):
    """How many more of the new answers lie beyond `limit` times the old 99th percentile than of the old beyond that.

    Equal shares mean that the 99th percentiles have just that ratio. The percentile is that of the last old answers
    before those that are counted, so that no answer is held to a bound that it has moved itself; what it is wrong by
    falls on both sides alike.
    """

    name = 'p99_ratio'

    def __init__(self, limit: float, seen: Mapping[float, int] | None = None) -> None:
        super().__init__(limit, seen)
        self._old: deque[float] = deque(maxlen=TAIL_WINDOW)
        self._added = 0
        self._beyond = math.inf

    @property
    def bound(self) -> float:
        return TAIL_SLACK

    def outcomes(self, pair: Pair) -> Iterator[float]:
        if pair.failed:
            return
        if len(self._old) >= TAIL_PAIRS:
            if self._added % TAIL_PAIRS == 0:
                self._beyond = float(np.quantile(self._old, TAIL))
            beyond = self._beyond
            yield float(pair.new.seconds > self.limit * beyond) - float(pair.old.seconds > beyond)
        self._old.append(pair.old.seconds)
        self._added += 1


class Agreement(Gate):
    """The share of rows on which the two decide differently; `limit` is the least share of agreement."""

    name = 'agreement'
    lowest = 0.0

    @property
    def bound(self) -> float:
        return 1 - self.limit

    def outcomes(self, pair: Pair) -> Iterator[float]:
        for old, new in zip(pair.old.decisions, pair.new.decisions, strict=False):
            yield float(old != new)


class AccuracyDrop(Gate):
    """Labelled rows that were right and are wrong now, less those that were wrong and are right now."""

    name = 'accuracy_drop'

    def outcomes(self, pair: Pair) -> Iterator[float]:
        truth = pair.asked.truth
        if truth is not None and pair.old.decisions and pair.new.decisions:
            yield float(pair.old.decisions[0] == truth) - float(pair.new.decisions[0] == truth)


class Drift(Gate):
    """How far the mean score has moved."""

    name = 'drift'
    two_sided = True

    def outcomes(self, pair: Pair) -> Iterator[float]:
        for old, new in zip(pair.old.scores, pair.new.scores, strict=False):
            if 0 <= old <= 1 and 0 <= new <= 1:
                yield round(DRIFT_STEP * round((new - old) / DRIFT_STEP), 2)


KINDS: tuple[type[Gate], ...] = (ErrorRate, LatencyRatio, P99Ratio, Agreement, AccuracyDrop, Drift)


class Gates:
    """All gates of a rollout; the doubt that the plan allows is divided between them."""

    def __init__(
        self,
        limits: Limits,
        confidence: float = 0.95,
        seen: Mapping[str, Mapping[float, int]] | None = None,
    ) -> None:
        """
        Args:
            limits: one gate for each that is not None.
            confidence: least probability that no gate ever errs in one direction.
            seen: what `seen` gave in an earlier process.
        """
        given = {each.name: getattr(limits, each.name) for each in fields(limits)}
        self.all = [
            kind(given[kind.name], (seen or {}).get(kind.name))
            for kind in KINDS
            if given[kind.name] is not None
        ]
        self.alpha = (1 - confidence) / max(len(self.all), 1)

    def add(self, pair: Pair) -> None:
        for gate in self.all:
            gate.add(pair)

    def judge(self) -> list[Judged]:
        return [gate.judge(self.alpha) for gate in self.all]

    def seen(self) -> dict[str, dict[float, int]]:
        """All outcomes by gate."""
        return {gate.name: dict(gate.seen) for gate in self.all}
