"""Slices: the rows of a table by the value of a column."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# More values than this are grouped: numbers in ranges, the rarest of other values in one slice.
MAX_SLICES = 20
# A column with more different numbers is divided at its quartiles.
MAX_NUMBERS = 12
RANGES = 4
NO_VALUE = '(none)'
# Below this an interval is wider than 40 points.
FEW_ROWS = 20
_NUMBER = re.compile(r'[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?')


@dataclass(frozen=True)
class Slice:
    """Some of the rows.

    Attributes:
        column: name of the column.
        value: its value in these rows, a range of numbers, or how many rare values are grouped.
        rows: indices of the rows, int (n).
    """

    column: str
    value: str
    rows: NDArray[np.int64]

    @property
    def is_small(self) -> bool:
        """Whether it has too few rows to say much."""
        return len(self.rows) < FEW_ROWS


def slices(column: str, values: Sequence[str]) -> list[Slice]:
    """Divides rows by the values of a column.

    Args:
        column: name of the column.
        values: of each row; empty for a missing one.

    Returns:
        Slices that together have all rows: of numbers in ascending order, of other values the largest first, at last
        the rows without a value.
    """
    places = np.arange(len(values))
    empty = np.array([not value for value in values], bool)
    given = [value for value in values if value]
    numbers = _numbers(given)
    if numbers is not None and len(set(numbers.tolist())) > MAX_NUMBERS:
        result = _ranges(column, numbers, places[~empty])
    elif numbers is not None and given:
        result = [
            Slice(column, _shown(number), places[~empty][numbers == number]) for number in np.unique(numbers)
        ]
    else:
        result = _by_value(column, values, given)
    if empty.any():
        result.append(Slice(column, NO_VALUE, places[empty]))
    return result


def _by_value(column: str, values: Sequence[str], given: Sequence[str]) -> list[Slice]:
    counts = Counter(given).most_common()
    # One slice more is not worth a group.
    named = counts if len(counts) <= MAX_SLICES else counts[: MAX_SLICES - 1]
    rows: dict[str, list[int]] = {value: [] for value, _ in named}
    others: list[int] = []
    for place, value in enumerate(values):
        if value:
            rows.get(value, others).append(place)
    result = [Slice(column, value, np.array(places)) for value, places in rows.items()]
    if others:
        result.append(Slice(column, f'({len(counts) - len(named):,} other values)', np.array(others)))
    return result


def _ranges(column: str, numbers: NDArray[np.float64], places: NDArray[np.int64]) -> list[Slice]:
    """Ranges of about equally many rows; equal numbers are in one range."""
    cuts = np.unique(np.quantile(numbers, np.linspace(0, 1, RANGES + 1)[1:-1], method='higher'))
    part = np.searchsorted(cuts, numbers, side='right')  # a number at a cut belongs to the range above it
    result = []
    for index in range(len(cuts) + 1):
        inside = part == index
        if inside.any():
            low, high = numbers[inside].min(), numbers[inside].max()
            value = _shown(low) if low == high else f'{_shown(low)} to {_shown(high)}'
            result.append(Slice(column, value, places[inside]))
    return result


def _numbers(values: Sequence[str]) -> NDArray[np.float64] | None:
    """The values as numbers, float (n); None if one is not a number."""
    if not all(_NUMBER.fullmatch(value) for value in values):
        return None
    numbers = np.array(values, float)
    return numbers if np.isfinite(numbers).all() else None


def _shown(number: float) -> str:
    return f'{number:.0f}' if math.isclose(number, round(number)) and abs(number) < 1e15 else f'{number:g}'
