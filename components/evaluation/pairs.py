"""Whether a model is less accurate than another on the same examples by more than chance explains.

Only the examples on which exactly one of the two is correct matter (McNemar 1947). Given their number, the number that
only the baseline predicts correctly is binomial; its exact bound (Clopper & Pearson 1934) bounds the accuracy drop.
"""

import dataclasses
import json

import numpy as np
from scipy import stats

# One-sided: an equally good model is refused by chance in at most one of twenty runs.
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class PairedResults:
    """The predictions of two models on the same examples, counted by which model is correct.

    Attributes:
        rows: number of examples.
        both: examples that both models predict correctly.
        only_baseline: examples that only the baseline model predicts correctly.
        only_candidate: examples that only the candidate predicts correctly.
    """

    rows: int
    both: int
    only_baseline: int
    only_candidate: int

    @classmethod
    def from_correct(cls, baseline: np.ndarray, candidate: np.ndarray) -> 'PairedResults':
        """Counts the examples.

        Args:
            baseline: whether the baseline model predicts each example correctly, bool (n).
            candidate: whether the candidate does, bool (n).
        """
        return cls(
            len(candidate),
            int((baseline & candidate).sum()),
            int((baseline & ~candidate).sum()),
            int((candidate & ~baseline).sum()),
        )

    @property
    def baseline_accuracy(self) -> float:
        """Accuracy of the baseline model, from 0 to 1."""
        return (self.both + self.only_baseline) / max(self.rows, 1)

    @property
    def candidate_accuracy(self) -> float:
        """Accuracy of the candidate, from 0 to 1."""
        return (self.both + self.only_candidate) / max(self.rows, 1)

    @property
    def min_drop(self) -> float:
        """Lower bound of the accuracy drop at 95 % confidence, from -1 to 1; negative if it may have risen."""
        discordant = self.only_baseline + self.only_candidate
        if not discordant:
            return 0.0
        share = (
            stats.beta.ppf(1 - CONFIDENCE, self.only_baseline, self.only_candidate + 1)
            if self.only_baseline
            else 0.0
        )
        return float(discordant * (2 * share - 1) / self.rows)

    def to_json(self) -> str:
        """The counts as JSON; the keys are those that `pairs.json` has always had."""
        return json.dumps(
            {
                'rows': self.rows,
                'both': self.both,
                'only_before': self.only_baseline,
                'only_now': self.only_candidate,
                'least_drop': self.min_drop,
            },
            indent=2,
        )

    def reason(self, max_drop: float) -> str:
        """Why the candidate is not blessed; empty if chance may explain a drop of more than `max_drop`.

        Args:
            max_drop: the allowed drop, as a share of 1.
        """
        if self.min_drop <= max_drop:
            return ''
        return (
            f'accuracy {self.candidate_accuracy:.1%} against {self.baseline_accuracy:.1%} of the latest blessed model '
            f'on the same {self.rows:,} held-out rows; {self.only_baseline:,} rows only that model predicts correctly, '
            f'{self.only_candidate:,} only this one: the drop is at least {100 * self.min_drop:.2g} points '
            f'({CONFIDENCE:.0%} confidence), evaluation.max_accuracy_drop={max_drop:g} allows {100 * max_drop:g}'
        )
