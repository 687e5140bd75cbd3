"""Whether a model is worse than another on the same rows by more than chance explains.

Only rows on which the two differ say anything (McNemar 1947). Given how many those are, the number of rows that only
the earlier model gets right is binomial; its exact bound (Clopper & Pearson 1934) bounds the drop of the accuracy.
"""

import dataclasses

import numpy as np
from scipy import stats

# One-sided: an honest model is refused by chance in at most one of twenty runs.
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Two models on the same rows.

    Attributes:
        rows: how many.
        both: rows that both get right.
        only_before: rows that only the earlier model gets right.
        only_now: rows that only the new model gets right.
    """

    rows: int
    both: int
    only_before: int
    only_now: int

    @classmethod
    def of(cls, before: np.ndarray, now: np.ndarray) -> 'Pairs':
        """Counts from whether each row is right: two bool (n)."""
        return cls(
            len(now), int((before & now).sum()), int((before & ~now).sum()), int((now & ~before).sum())
        )

    @property
    def accuracy_before(self) -> float:
        return (self.both + self.only_before) / max(self.rows, 1)

    @property
    def accuracy_now(self) -> float:
        return (self.both + self.only_now) / max(self.rows, 1)

    @property
    def least_drop(self) -> float:
        """Lower bound of the drop of the accuracy, a part of 1, at 95 % confidence; negative where it may be a rise."""
        differing = self.only_before + self.only_now
        if not differing:
            return 0.0
        share = (
            stats.beta.ppf(1 - CONFIDENCE, self.only_before, self.only_now + 1) if self.only_before else 0.0
        )
        return float(differing * (2 * share - 1) / self.rows)

    def reason(self, max_drop: float) -> str:
        """Why the new model is not blessed; empty where chance explains a drop beyond `max_drop`."""
        if self.least_drop <= max_drop:
            return ''
        return (
            f'accuracy {self.accuracy_now:.1%} against {self.accuracy_before:.1%} of the blessed model before it, on '
            f'the same {self.rows:,} held-out rows; {self.only_before:,} rows only that model gets right, '
            f'{self.only_now:,} only this one: the drop is at least {100 * self.least_drop:.2g} points '
            f'({CONFIDENCE:.0%} confidence), evaluation.max_accuracy_drop={max_drop:g} allows {100 * max_drop:g}'
        )
