"""Parses the column with the probabilities that another model gave the classes."""

import json
import math
from collections.abc import Mapping

from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.field_parsers import shown
from vaiven.label_spec import LabelSpec
from vaiven.serving.common.labels import class_indices, is_missing, label_key

# Rounded to two decimals, the probabilities of up to a hundred classes may miss one by this.
_MAX_SUM_ERROR = 0.05
# Before the classes are known, this many different shapes are kept; the classes cannot fit them all.
_MAX_SHAPES = 2000


Probabilities = list[float] | dict[str, float]


class ProbabilityParser:
    """Parses probabilities: a list in the order of the classes, an object by class, or one number for two classes.

    Args:
        column: name of the column.
        spec: the labels; None while they are not known. Then the values are checked as far as they can be, and
            `require_fit` checks them against the classes.
    """

    def __init__(self, column: str | None, spec: LabelSpec | None) -> None:
        self._column, self._spec = column, spec
        self._indices = {} if spec is None else class_indices(spec.classes)
        # One row of each shape, while the classes are not known: size and sum of a list, or key of an object → row.
        self._shapes: dict[tuple[int, bool] | str, tuple[Probabilities, str]] = {}

    def __call__(self, field: str, where: str) -> tuple[float, ...] | None:
        """Parses a field.

        Args:
            field: a number, or a list or an object as JSON.
            where: file and line.

        Returns:
            The probability of each class; None for a missing value, and while the classes are not known.

        Raises:
            DataError: if the field is not of this form, or does not fit the classes.
        """
        if is_missing(field):
            return None
        value = self._value(field, where)
        if self._spec is not None:
            return self._of_classes(value, where, self._spec)
        shapes: list[tuple[int, bool] | str] = [(len(value), _is_one(_sum(value)))]
        for shape in shapes + list(value) if isinstance(value, Mapping) else shapes:
            if shape not in self._shapes and len(self._shapes) < _MAX_SHAPES:
                self._shapes[shape] = value, where
        return None

    def require_fit(self, spec: LabelSpec) -> None:
        """Checks that what was parsed while the classes were not known fits them. Raises DataError."""
        self._indices = class_indices(spec.classes)
        for value, where in self._shapes.values():
            self._of_classes(value, where, spec)

    def _value(self, field: str, where: str) -> Probabilities:
        try:
            value = json.loads(field)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = [value]
        numbers = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [None]
        if value in ([], {}) or not all(map(_is_probability, numbers)):
            raise DataError(
                f'{where}: {shown(field)} in column {self._column!r} is not a list of probabilities from 0 to 1, '
                'such as [0.2, 0.8], an object such as {"ham": 0.2, "spam": 0.8}, or a number'
            )
        return value  # type: ignore[no-any-return]  # of JSON

    def _of_classes(self, value: Probabilities, where: str, spec: LabelSpec) -> tuple[float, ...]:
        """The probability of each class. Raises DataError if the value does not fit the classes."""
        probabilities = [math.nan] * spec.size
        if isinstance(value, Mapping):
            for name, probability in value.items():
                index = self._indices.get(label_key(name))
                if index is None:
                    raise DataError(
                        f'{where}: {shown(name)} in column {self._column!r} is not one of the classes: {_listed(spec)}'
                    )
                probabilities[index] = probability
        elif len(value) == 1:
            probabilities[-1] = value[0]
        else:
            probabilities = value
        if len(value) == 1 and spec.kind == 'binary':
            [given] = [probability for probability in probabilities if not math.isnan(probability)]
            probabilities = [1 - given if math.isnan(probability) else given for probability in probabilities]
        elif not isinstance(value, Mapping) and len(value) != spec.size:
            raise DataError(
                f'{where}: column {self._column!r} has {len(value)} probabilities, and there are {spec.size} classes; '
                f'give a list in the order of data.classes ({_listed(spec)}), or an object by class'
            )
        # A class that an object leaves out is impossible.
        probabilities = [0.0 if math.isnan(probability) else probability for probability in probabilities]
        if spec.kind == 'multilabel':
            return tuple(probabilities)
        total = sum(probabilities)
        if not _is_one(total):
            raise DataError(
                f'{where}: the probabilities in column {self._column!r} sum to {total:.3g}, not to 1; '
                'divide them by their sum'
            )
        return tuple(probability / total for probability in probabilities)


def _sum(value: Probabilities) -> float:
    return sum(value.values() if isinstance(value, Mapping) else value)


def _is_one(total: float) -> bool:
    return abs(total - 1) <= _MAX_SUM_ERROR


def _is_probability(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )


def _listed(spec: LabelSpec) -> str:
    return ', '.join(spec.classes[:12]) + (', …' if spec.size > 12 else '')
