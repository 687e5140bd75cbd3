"""What a model must reach to be pushed."""

import dataclasses

from vaiven.models.configuration import require


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """The bounds between which a model is blessed, and what is measured.

    Attributes:
        min_accuracy: a model below this accuracy on held-out rows is not blessed.
        max_accuracy_drop: nor is one that is worse than the latest blessed model by more than this.
        by_language: also measures each language on its own (no bounds there).
    """

    min_accuracy: float = 0.6
    max_accuracy_drop: float = 0.01
    by_language: bool = False

    def __post_init__(self) -> None:
        require(
            0 <= self.min_accuracy <= 1, 'evaluation.min_accuracy must lie between 0 and 1', self.min_accuracy
        )
        require(
            0 <= self.max_accuracy_drop <= 1,
            'evaluation.max_accuracy_drop must lie between 0 and 1',
            self.max_accuracy_drop,
        )
