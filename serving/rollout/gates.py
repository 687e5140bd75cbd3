"""The gates of a rollout, what each of them counts, and how the doubt is divided between them."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import zip_longest
from typing import Any

import numpy as np

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.gate import Gate, GateResult
from vaiven.serving.rollout.paired_requests import Pair

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


def require_judge(limits: Limits, labelled: bool) -> None:
    """Raises ServingError where only the accuracy is to judge what a version decides, and nothing says what is right.

    Args:
        limits: of the gates.
        labelled: whether any request has a label.
    """
    others = (limits.agreement, limits.drift)
    if limits.accuracy_drop is not None and not labelled and all(limit is None for limit in others):
        raise ServingError(
            'accuracy_drop is the only gate that looks at what the versions decide, and no request has a label: '
            'bring labels, leave agreement or drift on, or set accuracy_drop to null'
        )


class ErrorRate(Gate):
    """Requests that fail now and did not before, less those that failed before and do not now."""

    name = 'error_rate'

    def outcome(self, pair: Pair) -> float | None:
        return float(bool(pair.new.error)) - float(bool(pair.old.error))


class LatencyRatio(Gate):
    """The share of requests that take more than `limit` times as long; more than half: so does the median."""

    name = 'latency_ratio'
    lowest = 0.0

    @property
    def bound(self) -> float:
        return 0.5

    def outcome(self, pair: Pair) -> float | None:
        return None if pair.failed else float(pair.new.seconds > self.limit * pair.old.seconds)


class P99Ratio(Gate):
    """How many more of the new answers lie beyond `limit` times the old 99th percentile than of the old beyond that.

    Equal shares mean that the 99th percentiles have just that ratio. The percentile is that of the last old answers
    before those that are counted, so that no answer is held to a bound that it has moved itself; what it is wrong by
    falls on both sides alike.
    """

    name = 'p99_ratio'

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(limit, state)
        self._old: deque[float] = deque(maxlen=TAIL_WINDOW)
        self._added = 0
        self._beyond_old = math.inf

    @property
    def bound(self) -> float:
        return TAIL_SLACK

    @property
    def obstacle(self) -> str:
        return f'{TAIL_PAIRS} answers come first' if self._added and not self.seen else ''

    def outcome(self, pair: Pair) -> float | None:
        if pair.failed:
            return None
        found = None
        if len(self._old) >= TAIL_PAIRS:
            if self._added % TAIL_PAIRS == 0:
                self._beyond_old = float(np.quantile(self._old, TAIL))
            beyond = self._beyond_old
            found = float(pair.new.seconds > self.limit * beyond) - float(pair.old.seconds > beyond)
        self._old.append(pair.old.seconds)
        self._added += 1
        return found


class Agreement(Gate):
    """The share of rows on which the two decide differently; `limit` is the least share of agreement.

    A row that the old version decides and the new one does not is decided differently.
    """

    name = 'agreement'
    lowest = 0.0

    @property
    def bound(self) -> float:
        return 1 - self.limit

    def outcome(self, pair: Pair) -> float | None:
        if pair.failed or not pair.old.decisions:
            return None
        return _mean([float(old != new) for old, new in zip_longest(pair.old.decisions, pair.new.decisions)])


class AccuracyDrop(Gate):
    """Labelled rows that were right and are not now, less those that were not right and are now."""

    name = 'accuracy_drop'

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(limit, state)
        self._ever_right = False

    @property
    def obstacle(self) -> str:
        return 'no label is ever what a version decides' if self.seen and not self._ever_right else ''

    def outcome(self, pair: Pair) -> float | None:
        truth = pair.asked.truth
        if truth is None or pair.failed or not pair.old.decisions:
            return None
        right = [answer.decisions[:1] == (truth,) for answer in (pair.old, pair.new)]
        self._ever_right = self._ever_right or any(right)
        return float(right[0]) - float(right[1])


class Drift(Gate):
    """How far the mean score has moved; a score that is none any more (missing, nan, not 0 to 1) has moved by 1."""

    name = 'drift'
    two_sided = True

    def outcome(self, pair: Pair) -> float | None:
        if pair.failed:
            return None
        moved = [
            new - old if new is not None and 0 <= new <= 1 else 1.0
            for old, new in zip_longest(pair.old.scores, pair.new.scores)
            if old is not None and 0 <= old <= 1
        ]
        return _mean(moved) if moved else None


KINDS: tuple[type[Gate], ...] = (ErrorRate, LatencyRatio, P99Ratio, Agreement, AccuracyDrop, Drift)


class Gates:
    """All gates of a rollout; the doubt that the plan allows is divided between them."""

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
            confidence: least probability that no gate ever errs in one direction.
            state: what `state` gave in an earlier process.
            steps: of the rollout, see `Gate.judge`.
            others: gates that are kept elsewhere and take their part of the doubt.
        """
        given = {each.name: getattr(limits, each.name) for each in fields(limits)}
        self.all = [
            kind(given[kind.name], (state or {}).get(kind.name))
            for kind in KINDS
            if given[kind.name] is not None
        ]
        self.alpha = (1 - confidence) / (len(self.all) + others)
        self._steps = steps

    def add(self, pair: Pair) -> None:
        for gate in self.all:
            gate.add(pair)

    def judge(self) -> list[GateResult]:
        return [gate.judge(self.alpha, self._steps) for gate in self.all]

    def next_step(self) -> None:
        """What comes now is of another step."""
        for gate in self.all:
            gate.fresh.clear()

    def state(self) -> dict[str, dict[str, Any]]:
        """What all gates remember, by gate, as values that JSON has."""
        return {gate.name: gate.state() for gate in self.all}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
