"""What a classifier predicts: the kind of its labels, and its classes in their order."""

import dataclasses
import itertools
import json
import re
import typing
from collections.abc import Mapping
from typing import Any, Literal

# Names as in scikit-learn.
LabelKind = Literal['binary', 'multiclass', 'ordinal', 'multilabel']
KINDS: tuple[str, ...] = typing.get_args(LabelKind)
# The default classes, and those of every model that an earlier version exported.
SENTIMENT = ('negative', 'positive')
MAX_CLASSES = 1000

# A model with several labels per text gives a text the classes with at least this probability.
MULTILABEL_THRESHOLD = 0.5

# In the feature `label` of a multilabel example: the row is labelled, and belongs to no class.
NO_CLASS = -2

_NUMBER = re.compile(r'[+-]?[0-9]+(?:\.[0-9]+)?')


@dataclasses.dataclass(frozen=True)
class LabelSpec:
    """The labels of a model.

    Attributes:
        kind: `binary`: two classes, of which the second is the positive one. `multiclass`: one of several classes.
            `ordinal`: one of several classes that have an order, the lowest first. `multilabel`: any number of classes.
        classes: names of the classes. Their order is that of the columns of `probabilities`.
    """

    kind: LabelKind = 'binary'
    classes: tuple[str, ...] = SENTIMENT

    @property
    def size(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def logits(self) -> int:
        """Number of logits of each path of the network: one score if the classes are two or have an order."""
        return 1 if self.kind in ('binary', 'ordinal') else self.size

    @property
    def is_sentiment(self) -> bool:
        """Whether the classes are negative and positive."""
        return self.kind == 'binary' and self.classes == SENTIMENT

    @property
    def has_opposites(self) -> bool:
        """Whether a negation turns a label into another one: those of sentiment, and ordered ones."""
        return self.is_sentiment or self.kind == 'ordinal'

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers that the classes of ordinal labels stand for, lowest first; without numbers 1, 2, 3 ….

        `4 stars` stands for 4, and `★★★` for 3.
        """
        counts = [name.count('★') or name.count('⭐') for name in self.classes]
        if all(counts):
            return tuple(map(float, counts))
        numbers = [_NUMBER.findall(name.replace('\N{MINUS SIGN}', '-')) for name in self.classes]
        if all(len(found) == 1 for found in numbers):
            values = tuple(float(found[0]) for found in numbers)
            if all(low < high for low, high in itertools.pairwise(values)):
                return values
        return tuple(float(position) for position in range(1, self.size + 1))

    @classmethod
    def from_config(cls, config: str | Mapping[str, Any]) -> 'LabelSpec':
        """The labels of a run.

        Args:
            config: the configuration of the run, as values or as the JSON in `assets.extra/vaiven.json`. Without
                `data.label_kind`, and before the kind is known, the labels are those of sentiment.
        """
        values = json.loads(config) if isinstance(config, str) else config
        data = values.get('data', {})
        kind, classes = data.get('label_kind', 'auto'), tuple(data.get('classes') or ())
        return cls() if kind == 'auto' or not classes else cls(kind, classes)


# The labels of a run without settings of them, and of every model that an earlier version exported.
SENTIMENT_LABELS = LabelSpec()
