"""What a model must reach to be pushed."""

import dataclasses
import math

from vaiven.configuration import require


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """The bounds between which a model is blessed, and what is measured.

    Attributes:
        min_accuracy: a model below this accuracy on held-out rows is not blessed.
        max_accuracy_drop: nor is one whose drop below the latest blessed model is surely larger: by the same held-out
            rows, with a confidence of 95 %.
        by_language: also measures each language on its own (no bounds there).
        max_bits_per_character: a language model that needs more on held-out text is not blessed.
        max_bits_rise: nor is one that needs more than the latest blessed model by more than this.
        max_texts: the most held-out texts that a language model is measured on.
    """

    min_accuracy: float = 0.6
    max_accuracy_drop: float = 0.01
    by_language: bool = False
    max_bits_per_character: float = 4.0
    max_bits_rise: float = 0.02
    max_texts: int = 500

    def __post_init__(self) -> None:
        require(
            0 <= self.min_accuracy <= 1, 'evaluation.min_accuracy must lie between 0 and 1', self.min_accuracy
        )
        require(
            0 <= self.max_accuracy_drop <= 1,
            'evaluation.max_accuracy_drop must lie between 0 and 1',
            self.max_accuracy_drop,
        )
        for name in ('max_bits_per_character', 'max_bits_rise'):
            require(
                0 <= getattr(self, name) < math.inf,
                f'evaluation.{name} must be a number, 0 or more',
                getattr(self, name),
            )
        require(self.max_texts >= 1, 'evaluation.max_texts must be at least 1', self.max_texts)
