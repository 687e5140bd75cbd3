"""Parses the fields of the rating, split and time columns."""

import datetime
import math
import re

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.serving.common.labels import is_missing, label_key

# Value of a split column, by `label_key` → split.
_SPLITS = {
    **dict.fromkeys(('train', 'training'), 'train'),
    **dict.fromkeys(('eval', 'validation', 'valid', 'val', 'dev'), 'eval'),
    **dict.fromkeys(('test', 'testing'), 'test'),
}
# Spellings of splits that are kept, so that most rows need no key.
_MAX_SPELLINGS = 100
# `fromisoformat` needs a day.
_MONTH = re.compile(r'[0-9]{4}-[0-9]{2}')


class RatingParser:
    """Parses the ratings of a file into numbers from -1 to 1, or None.

    Args:
        config: column and range of the rating.
    """

    def __init__(self, config: DataConfig) -> None:
        self._column = config.rating_column
        self._low, self._high = config.rating_range

    def __call__(self, rating: str, where: str) -> float | None:
        """Parses a rating; None for an empty field.

        Args:
            rating: as spelled in the file.
            where: file and line.

        Raises:
            DataError: if the rating is not a number in the range.
        """
        if not rating.strip():
            return None
        try:
            value = float(rating)
        except ValueError:
            value = math.nan
        if self._low <= value <= self._high:
            return 2 * (value - self._low) / (self._high - self._low) - 1
        raise DataError(
            f'{where}: {shown(rating)} in column {self._column!r} is not a number between {self._low:g} and '
            f'{self._high:g}; give the lowest and the highest rating with --set data.rating_range=1,5'
        )


class SplitParser:
    """Parses the values of a split column.

    Args:
        column: name of the column.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._read: dict[str, str | None] = {}

    def __call__(self, value: str, where: str) -> str | None:
        """Returns `train`, `eval` or `test`; None for a missing value.

        Args:
            value: as spelled in the file.
            where: file and line.

        Raises:
            DataError: if it is no such name.
        """
        if value in self._read:
            return self._read[value]
        split = _SPLITS.get(label_key(value))
        if split is None and not is_missing(value):
            raise DataError(
                f'{where}: {shown(value)} in column {self._column!r} is not a split; it must be train, '
                'eval (also validation, valid, val, dev) or test'
            )
        if len(self._read) < _MAX_SPELLINGS:
            self._read[value] = split
        return split


class TimeParser:
    """Parses the values of a time column: all dates of ISO 8601, or all numbers.

    Args:
        column: name of the column.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._are_numbers: bool | None = None

    def __call__(self, value: str, where: str) -> float | None:
        """Returns the seconds since 1970, or the number; None for a missing value.

        Args:
            value: as spelled in the file.
            where: file and line.

        Raises:
            DataError: if it is neither, or earlier rows have the other of both.
        """
        text = value.strip()
        number = _number(text)
        time = number if number is not None else _seconds(text)
        if time is None:
            if is_missing(value):
                return None
            raise DataError(
                f'{where}: {shown(value)} in column {self._column!r} is neither a date such as 2026-03-31 or '
                '2026-03-31T20:15 nor a number; write all dates so'
            )
        is_number = number is not None
        if self._are_numbers not in (None, is_number):
            raise DataError(
                f'{where}: {shown(value)} in column {self._column!r} is a {"number" if is_number else "date"}, and '
                f'earlier rows have {"dates" if is_number else "numbers"}; write all of them in one way'
            )
        self._are_numbers = is_number
        return time


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds(text: str) -> float | None:
    try:
        moment = datetime.datetime.fromisoformat(f'{text}-01' if _MONTH.fullmatch(text) else text)
        # Dates without a zone are compared with each other, so any one zone will do.
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def shown(field: str) -> str:
    """A field in a message."""
    return repr(field if len(field) <= 40 else field[:40] + '…')
