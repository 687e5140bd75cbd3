"""The gates of a rollout: what each one counts, and how the allowed error probability is divided between them."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

import numpy as np

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.answers import Pair, correctness, same
from vaiven.serving.rollout.drift import Drift
from vaiven.serving.rollout.gate import Gate, GateResult, MeanGate

TAIL = 0.99
# Without slack an equal version could never pass: its mean lies exactly on the bound 0.
TAIL_SLACK = 0.01
TAIL_PAIRS = 200  # two answers beyond the 99th percentile: fewer pairs do not locate it
TAIL_WINDOW = 2000


@dataclass(frozen=True)
class Limits:
    """How much worse a new version may be; None turns a gate off.

    Attributes:
        error_rate: share of requests on which only the new version fails, less those on which only the old one does.
        latency_ratio: median of the latency ratio new/old over requests.
        p99_ratio: ratio new/old of the 99th percentiles of the latency; `P99Ratio` describes the test.
        agreement: minimum share of rows for which both versions decide the same.
        accuracy_drop: maximum drop of the accuracy on labelled rows.
        drift: maximum change of the mean score, in either direction; scores are between 0 and 1. With more than two
            classes, of the mean probability of any class.
    """

    error_rate: float | None = 0.004
    latency_ratio: float | None = 1.25
    p99_ratio: float | None = 1.5
    agreement: float | None = 0.95
    accuracy_drop: float | None = 0.015
    drift: float | None = 0.05


def require_decision_gate(limits: Limits, labelled: bool) -> None:
    """Checks that at least one gate can test what the versions decide.

    Args:
        limits: of the gates.
        labelled: whether any request has a label.

    Raises:
        ServingError: `accuracy_drop` is the only such gate, and no request has a label.
    """
    others = (limits.agreement, limits.drift)
    if limits.accuracy_drop is not None and not labelled and all(limit is None for limit in others):
        raise ServingError(
            'accuracy_drop is the only gate that tests what the versions decide, and no request has a label: '
            'add labels, turn agreement or drift on, or set accuracy_drop to null'
        )


class ErrorRate(MeanGate):
    """Requests on which only the new version fails, less those on which only the old version fails."""

    name = 'error_rate'

    def outcome(self, pair: Pair) -> float | None:
        return float(bool(pair.new.error)) - float(bool(pair.old.error))


class LatencyRatio(MeanGate):
    """The share of requests that take more than `limit` times as long on the new version.

    The share exceeds one half exactly when the median of the ratio exceeds `limit`. A share is bounded, as the test
    requires; a latency is not.
    """

    name = 'latency_ratio'
    min_outcome = 0.0

    @property
    def bound(self) -> float:
        return 0.5

    def outcome(self, pair: Pair) -> float | None:
        return None if pair.failed else float(pair.new.seconds > self.limit * pair.old.seconds)


class P99Ratio(MeanGate):
    """The share of new answers beyond `limit` times the old 99th percentile, less the share of old ones beyond it.

    Equal shares mean that the 99th percentiles have exactly the ratio `limit`. The percentile is that of the last
    TAIL_WINDOW old answers before the counted ones: no answer is compared with a bound that it has influenced. The
    error of this estimate affects both versions equally.
    """

    name = 'p99_ratio'

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(limit, state)
        self._old_seconds: deque[float] = deque(maxlen=TAIL_WINDOW)
        self._added = 0
        self._old_p99 = math.inf

    @property
    def bound(self) -> float:
        return TAIL_SLACK

    @property
    def obstacle(self) -> str:
        return (
            f'the first {TAIL_PAIRS} answers only set the percentile'
            if self._added and not self.outcomes
            else ''
        )

    def outcome(self, pair: Pair) -> float | None:
        if pair.failed:
            return None
        outcome = None
        if len(self._old_seconds) >= TAIL_PAIRS:
            # Not for each pair: the quantile of 2,000 values takes about 0.5 ms, as long as a fast model's answer.
            if self._added % TAIL_PAIRS == 0:
                self._old_p99 = float(np.quantile(self._old_seconds, TAIL))
            p99 = self._old_p99
            outcome = float(pair.new.seconds > self.limit * p99) - float(pair.old.seconds > p99)
        self._old_seconds.append(pair.old.seconds)
        self._added += 1
        return outcome


class Agreement(MeanGate):
    """The share of rows for which the versions decide differently; `limit` is the minimum share of agreement.

    With several classes per row, a decision is the set of all of them. A row that only the old version decides counts
    as decided differently.
    """

    name = 'agreement'
    min_outcome = 0.0

    @property
    def bound(self) -> float:
        return 1 - self.limit

    def outcome(self, pair: Pair) -> float | None:
        if pair.failed or not pair.old.decisions:
            return None
        return _mean(
            [float(not same(old, new)) for old, new in zip_longest(pair.old.decisions, pair.new.decisions)]
        )


class AccuracyDrop(MeanGate):
    """Labelled rows that only the old version decides correctly, less those that only the new one does.

    With several classes per row, a decision is correct in part: `correctness` is the share of its classes.
    """

    name = 'accuracy_drop'

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(limit, state)
        self._ever_correct = False

    @property
    def obstacle(self) -> str:
        # Labels in another spelling than the model's are wrong for both versions: the difference is 0, and it would
        # pass although nothing was measured.
        return (
            'no decision of either version equals a label' if self.outcomes and not self._ever_correct else ''
        )

    def outcome(self, pair: Pair) -> float | None:
        label = pair.request.expected_label
        if label is None or pair.failed or not pair.old.decisions:
            return None
        old, new = (correctness(next(iter(answer.decisions), None), label) for answer in (pair.old, pair.new))
        self._ever_correct = self._ever_correct or old > 0 or new > 0
        return old - new


KINDS: tuple[type[Gate], ...] = (ErrorRate, LatencyRatio, P99Ratio, Agreement, AccuracyDrop, Drift)


class Gates:
    """All gates of a rollout; they share the error probability that the plan allows."""

    def __init__(
        self,
        limits: Limits,
        confidence: float = 0.95,
        state: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        steps: int = 1,
        others: int = 0,
    ) -> None:
        """
        Args:
            limits: one gate for each that is not None.
            confidence: minimum probability that no gate ever errs in one direction.
            state: the result of `state` in an earlier process.
            steps: the number of steps of the rollout, for `Gate.evaluate`.
            others: the number of gates outside this object that share the error probability.
        """
        limit_of = {each.name: getattr(limits, each.name) for each in fields(limits)}
        self.all = [
            kind(limit_of[kind.name], (state or {}).get(kind.name))
            for kind in KINDS
            if limit_of[kind.name] is not None
        ]
        # Bonferroni: the gates see the same requests and are not independent, so only the union bound holds.
        self.alpha = (1 - confidence) / (len(self.all) + others)
        self._steps = steps

    def add(self, pair: Pair) -> None:
        """Counts a pair in every gate."""
        for gate in self.all:
            gate.add(pair)

    def evaluate(self) -> list[GateResult]:
        """Returns the result of every gate."""
        return [gate.evaluate(self.alpha, self._steps) for gate in self.all]

    def next_step(self) -> None:
        """Starts the next step: outcomes that are added from now on belong to it."""
        for gate in self.all:
            gate.next_step()

    def state(self) -> dict[str, dict[str, Any]]:
        """Returns the state of every gate, by name, as JSON values."""
        return {gate.name: gate.state() for gate in self.all}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
