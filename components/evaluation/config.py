"""Configuration of the evaluation."""

import dataclasses
import math
import typing
from typing import Literal

from vaiven.configuration import require

Behaviour = Literal['all', 'own', 'none']


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """The thresholds that bless a model, and what is measured.

    Attributes:
        min_accuracy: a model with a lower accuracy on the test split is not blessed. null is 0.6 for two classes, and
            no bound for other labels.
        min_macro_f1: a model with a lower macro-F1 on the test split is not blessed. null: the macro-F1 must be above
            that of every model that ignores the text, proven at 95 % confidence. For two classes, null applies where
            one of them has more than 60 % of the test rows and min_accuracy is null.
        max_accuracy_drop: a model whose accuracy is lower than the latest blessed model's by more than this is not
            blessed, if the drop is proven on the same test examples at 95 % confidence. 0.01 is one percentage point.
        behaviour: which behavioural tests run (docs/behaviour.md): `all`, `own` for those of behaviour_file alone, or
            `none`.
        behaviour_file: table of behavioural tests with the columns test, text, label and variant; null for none.
        min_behaviour: a model that passes a lower share of the behavioural tests is not blessed; the mean over the
            tests. null for no bound.
        by_language: also measures each language (no threshold applies to them).
        max_bits_per_character: a language model with more bits per character on the test split is not blessed.
        max_bits_rise: a language model with more bits per character than the latest blessed model, by more than this,
            is not blessed.
        max_texts: maximum number of test texts that a language model is measured on.
    """

    min_accuracy: float | None = None
    min_macro_f1: float | None = None
    max_accuracy_drop: float = 0.01
    behaviour: Behaviour = 'all'
    behaviour_file: str | None = None
    min_behaviour: float | None = None
    by_language: bool = False
    max_bits_per_character: float = 4.0
    max_bits_rise: float = 0.02
    max_texts: int = 500

    def __post_init__(self) -> None:
        choices = typing.get_args(Behaviour)
        require(
            self.behaviour in choices, f'evaluation.behaviour must be {" or ".join(choices)}', self.behaviour
        )
        require(
            self.behaviour != 'own' or self.behaviour_file is not None,
            'evaluation.behaviour=own needs evaluation.behaviour_file',
            self.behaviour_file,
        )
        require(
            self.behaviour != 'none' or (self.behaviour_file is None and self.min_behaviour is None),
            'evaluation.behaviour=none excludes evaluation.behaviour_file and evaluation.min_behaviour',
            self.behaviour_file or self.min_behaviour,
        )
        for name in ('min_accuracy', 'min_macro_f1', 'max_accuracy_drop', 'min_behaviour'):
            value = getattr(self, name)
            require(value is None or 0 <= value <= 1, f'evaluation.{name} must lie between 0 and 1', value)
        for name in ('max_bits_per_character', 'max_bits_rise'):
            require(
                0 <= getattr(self, name) < math.inf,
                f'evaluation.{name} must be a number, 0 or more',
                getattr(self, name),
            )
        require(self.max_texts >= 1, 'evaluation.max_texts must be at least 1', self.max_texts)
