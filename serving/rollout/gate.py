"""One gate: a requirement that a new version must meet before it gets more traffic, decided by a sequential test.

A gate keeps a histogram of outcomes. Each request that both versions answered gives at most one outcome: the mean over
its rows, since the rows of one request are not independent evidence (they may all be the same). At any time the gate
reports whether the mean is shown to be within its limit (PASS), shown to be beyond it (FAIL), or neither (WAIT).
"""

import math
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vaiven.serving.rollout.answers import Pair
from vaiven.serving.rollout.statistics import Histogram, log_capital, mean_interval

T = TypeVar('T')

PASS, FAIL, WAIT, NO_OUTCOMES = 'pass', 'fail', 'wait', 'nothing'

# The resolution of the histogram: at most 101 counters for the range -1 to 1, whatever the number of requests.
GRID = 0.02


@dataclass(frozen=True)
class GateResult:
    """What the outcomes of a gate show so far.

    Attributes:
        gate: its name.
        verdict: `pass`, `fail`, `wait`, or `nothing` when there were no outcomes.
        estimate: the mean of the outcomes; None without outcomes.
        low: lower bound of the true mean, wrong with at most the gate's alpha, at all times.
        high: upper bound of the true mean, with the same probability.
        limit: the bound that the mean must keep.
        outcomes: their number.
        note: why the gate cannot pass yet, where the outcomes are not the reason.
        class_name: the class whose outcomes these are, of a gate that tests each class.
    """

    gate: str
    verdict: str
    estimate: float | None
    low: float
    high: float
    limit: float
    outcomes: int
    note: str = ''
    class_name: str = ''


class Gate(ABC):
    """One requirement, and the evidence for and against it."""

    name: str

    @abstractmethod
    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            limit: the gate's entry in `Limits`.
            state: the result of `state` in an earlier process whose rollout is resumed.
        """

    @abstractmethod
    def add(self, pair: Pair) -> None:
        """Counts the outcome of a pair."""

    @abstractmethod
    def evaluate(self, alpha: float, steps: int = 1) -> GateResult:
        """Returns what the outcomes show so far.

        Args:
            alpha: the maximum probability of passing wrongly, and of failing wrongly.
            steps: the number of steps of the rollout.
        """

    @abstractmethod
    def next_step(self) -> None:
        """Starts the next step: outcomes that are added from now on belong to it."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Returns everything that the gate remembers, as JSON values."""


class MeanGate(Gate):
    """A requirement on the mean of a number; `outcome` turns the two answers to a request into that number.

    Attributes:
        outcomes: the number of occurrences of each outcome.
        step_outcomes: the same, of the current step of the rollout only.
        passed: whether the mean was shown to be within the limit; this stays true until the gate fails.
    """

    min_outcome, max_outcome = -1.0, 1.0

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            limit: the gate's entry in `Limits`.
            state: the result of `state` in an earlier process whose rollout is resumed.
        """
        values = state or {}
        self.limit = limit
        self.outcomes = _histogram(values.get('seen', {}))
        self.step_outcomes = _histogram(values.get('fresh', {}))
        self.passed = bool(values.get('passed'))

    @abstractmethod
    def outcome(self, pair: Pair) -> float | None:
        """Returns what is counted of a pair, between `min_outcome` and `max_outcome`; None to count nothing."""

    @property
    def bound(self) -> float:
        """The bound that the mean of the outcomes must keep."""
        return self.limit

    @property
    def obstacle(self) -> str:
        """Why the gate may not pass yet, whatever the outcomes are; empty if it may."""
        return ''

    def add(self, pair: Pair) -> None:
        """Counts the outcome of a pair."""
        outcome = self.outcome(pair)
        if outcome is not None:
            rounded = on_grid(outcome)
            self.outcomes[rounded] += 1
            self.step_outcomes[rounded] += 1

    def next_step(self) -> None:
        """Starts the next step: outcomes that are added from now on belong to it."""
        self.step_outcomes.clear()

    def state(self) -> dict[str, Any]:
        """Returns everything that the gate remembers, as JSON values."""
        return {
            'seen': {f'{value:g}': count for value, count in self.outcomes.items()},
            'fresh': {f'{value:g}': count for value, count in self.step_outcomes.items()},
            'passed': self.passed,
        }

    def evaluate(self, alpha: float, steps: int = 1) -> GateResult:
        """Returns what the outcomes show so far.

        Args:
            alpha: the maximum probability of passing wrongly, and of failing wrongly.
            steps: the number of steps of the rollout.
        """
        tests = spending(alpha, steps, self.outcomes, self.step_outcomes)
        failing = [outcomes for outcomes, part in tests if self._is_beyond(outcomes, part)]
        shown = failing[0] if failing else self.outcomes
        interval = mean_interval(shown, self.min_outcome, self.max_outcome, alpha)
        # A confidence sequence may widen again with new outcomes. Passing was valid at the time it was shown, so the
        # gate does not return to WAIT: only evidence of a fault changes it.
        if self.outcomes and interval.high <= self.bound and not failing and not self.obstacle:
            self.passed = True
        if failing:
            verdict = FAIL
        elif self.passed:
            verdict = PASS
        else:
            verdict = WAIT if self.outcomes or self.obstacle else NO_OUTCOMES
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

    def _is_beyond(self, outcomes: Histogram, alpha: float) -> bool:
        """Whether the mean is shown to be beyond the limit."""
        if not outcomes:
            return False
        capital = log_capital(outcomes, self.bound, self.min_outcome, self.max_outcome, above=True)
        return capital >= -math.log(alpha)  # Ville's inequality


def spending(alpha: float, steps: int, outcomes: T, step_outcomes: T) -> Iterator[tuple[T, float]]:
    """Yields what a gate tests in order to fail, each with its part of the error probability.

    Alpha spending: a fault that starts in a late step would drown in the good outcomes of earlier steps. So half of
    alpha is spent on all outcomes, and the other half, divided by the steps, on each step's own. By the union bound all
    tests together fail a good version with at most alpha.

    Args:
        alpha: the maximum probability of failing wrongly.
        steps: the number of steps of the rollout.
        outcomes: all of them.
        step_outcomes: those of the current step.
    """
    if steps == 1:
        yield outcomes, alpha
        return
    yield outcomes, alpha / 2
    yield step_outcomes, alpha / 2 / steps


def on_grid(value: float) -> float:
    """Rounds `value` randomly to one of the two neighbouring multiples of GRID.

    The expectation of the result is `value`, so the test stays valid; rounding to the nearest multiple would bias it.
    """
    below = math.floor(value / GRID)
    return round(GRID * (below + (random.random() < value / GRID - below)), 2)


def _histogram(values: Mapping[str, int]) -> Counter[float]:
    return Counter({float(value): count for value, count in values.items()})
