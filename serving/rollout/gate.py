"""One gate: what a new version must show before it gets more traffic, decided by a sequential test.

A gate keeps a histogram of outcomes, one or none for each request that both versions were asked (the mean over its
rows, which are no evidence of their own: they may all be alike), and says at any moment whether the mean is shown to be
within its limit (PASS), shown to be beyond it (FAIL), or not yet (WAIT).
"""

import math
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vaiven.serving.rollout.paired_requests import Pair
from vaiven.serving.rollout.statistics import Histogram, log_capital, mean_interval

PASS, FAIL, WAIT, NOTHING = 'pass', 'fail', 'wait', 'nothing'

GRID = 0.02  # outcomes are told apart so finely: they are counted, not kept


@dataclass(frozen=True)
class GateResult:
    """What a gate has seen, and what it says of it.

    Attributes:
        gate: its name.
        verdict: pass, fail, wait, or nothing where there was nothing to count.
        estimate: the mean of the outcomes; None without any.
        low, high: bounds of the true mean, each wrong with at most the gate's alpha, at all times.
        limit: what it is held to.
        count: outcomes.
        note: why it cannot pass, where its outcomes do not tell.
    """

    gate: str
    verdict: str
    estimate: float | None
    low: float
    high: float
    limit: float
    count: int
    note: str = ''


class Gate(ABC):
    """One question; `outcome` says what a pair answers to it.

    Attributes:
        seen: how often each outcome came.
        fresh: the same, of this step of the rollout alone.
        passed: whether it has been shown to be within its limit; that stays so, unless it fails.
    """

    name: str
    lowest, highest = -1.0, 1.0
    two_sided = False

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            limit: see `Limits`.
            state: what `state` gave in an earlier process that is gone on with.
        """
        given = state or {}
        self.limit = limit
        self.seen = _histogram(given.get('seen', {}))
        self.fresh = _histogram(given.get('fresh', {}))
        self.passed = bool(given.get('passed'))

    @abstractmethod
    def outcome(self, pair: Pair) -> float | None:
        """What is counted of a pair, between `lowest` and `highest`; None where it tells nothing."""

    @property
    def bound(self) -> float:
        """What the mean of the outcomes is held to."""
        return self.limit

    @property
    def obstacle(self) -> str:
        """Why it may not pass yet, whatever the outcomes are; empty where it may."""
        return ''

    def add(self, pair: Pair) -> None:
        outcome = self.outcome(pair)
        if outcome is not None:
            placed = on_grid(outcome)
            self.seen[placed] += 1
            self.fresh[placed] += 1

    def state(self) -> dict[str, Any]:
        """All that it remembers, as values that JSON has."""
        return {
            'seen': {f'{value:g}': count for value, count in self.seen.items()},
            'fresh': {f'{value:g}': count for value, count in self.fresh.items()},
            'passed': self.passed,
        }

    def judge(self, alpha: float, steps: int = 1) -> GateResult:
        """What is known by now.

        Args:
            alpha: most probability with which it passes wrongly, and with which it fails wrongly.
            steps: of the rollout. What begins in a late one would drown in the outcomes of those before; so
                one half of `alpha` is for all outcomes, the other for those of each step.
        """
        tests = [(self.seen, alpha)]
        if steps > 1:
            tests = [(self.seen, alpha / 2), (self.fresh, alpha / 2 / steps)]
        failing = [outcomes for outcomes, part in tests if self._beyond(outcomes, part)]
        shown = failing[0] if failing else self.seen
        interval = mean_interval(shown, self.lowest, self.highest, alpha)
        within = interval.high <= self.bound and (not self.two_sided or interval.low >= -self.bound)
        if self.seen and within and not failing and not self.obstacle:
            self.passed = True
        if failing:
            verdict = FAIL
        elif self.passed:
            verdict = PASS
        else:
            verdict = WAIT if self.seen or self.obstacle else NOTHING
        return GateResult(
            self.name,
            verdict,
            None if math.isnan(interval.estimate) else interval.estimate,
            interval.low,
            interval.high,
            self.bound,
            sum(shown.values()),
            self.obstacle if verdict == WAIT else '',
        )

    def _beyond(self, outcomes: Histogram, alpha: float) -> bool:
        """Whether the mean is shown to be beyond the limit."""
        if not outcomes:
            return False
        sides = [(self.bound, True), (-self.bound, False)] if self.two_sided else [(self.bound, True)]
        enough = math.log(len(sides) / alpha)
        return any(
            log_capital(outcomes, mean, self.lowest, self.highest, above=above) >= enough
            for mean, above in sides
        )


def on_grid(value: float) -> float:
    """A multiple of GRID next to `value`, drawn so that its mean is `value`."""
    below = math.floor(value / GRID)
    return round(GRID * (below + (random.random() < value / GRID - below)), 2)


def _histogram(values: Mapping[str, int]) -> Counter[float]:
    return Counter({float(value): count for value, count in values.items()})
