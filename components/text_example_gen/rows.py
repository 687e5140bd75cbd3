"""From the fields of a file to a row: its label, its identity, and its split. Pure functions."""

import hashlib
import math
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from vaiven.components.text_example_gen.column_counts import MAX_DISTINCT, ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.serving.common.labels import MISSING, label_key

UNLABELLED_SPLIT = 'unlabelled'
SPLITS = ('train', 'eval', 'test', UNLABELLED_SPLIT)
CLASSES = ('negative', 'positive')
_MAX_KEPT = 100

# Where a row comes from; of equal texts the lower one stays: a row of `--data`, a line of a held-out row, which
# nothing else may bring into the training, or a text of `--unlabelled`.
DATA, HELD_OUT_LINE, MORE = range(3)


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        number: 1 for the first row below the header of the first file.
        text: NFC.
        label: 0 negative, 1 positive, None unlabelled.
        group, language: None where the configuration names no such column, or the field is empty.
        rating: between -1 and 1, None as with these.
        position: of a passage in running text: the next passage has the next number; else None.
        origin: `DATA`, `HELD_OUT_LINE` or `MORE`.
    """

    number: int
    text: str
    label: int | None
    group: str | None = None
    language: str | None = None
    rating: float | None = None
    position: int | None = None
    origin: int = DATA


def nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize('NFC', text)


def identity(text: str) -> bytes:
    """Two texts that differ only in case, white space or Unicode form have the same 32 bytes."""
    # Case folding can undo the normal form, so it comes between two normalisations.
    folded = nfc(nfc(text).casefold())
    return hashlib.sha256(' '.join(folded.split()).encode()).digest()


def split_of(row: Row, key: bytes, config: DataConfig) -> str:
    """Depends on the group, else on the text, and on nothing else: the same row, the same split, for ever.

    Args:
        row: the row.
        key: `identity(row.text)`.
        config: gives the buckets.
    """
    has_no_part = row.label is None and row.position is None and config.label_column is not None
    if row.origin != DATA or has_no_part:
        return UNLABELLED_SPLIT
    digest = identity(row.group) if row.group is not None else key
    buckets = config.buckets()
    bucket = int.from_bytes(digest[:8], 'big') % sum(buckets.values())
    for name, size in buckets.items():
        if bucket < size:
            return name
        bucket -= size
    raise AssertionError('a remainder lies below its divisor')


def elected(labels: Mapping[int | None, int]) -> int | None:
    """The label of most rows with one text; None only where no row has a label.

    Args:
        labels: label → rows with it, in the order of their first rows; of labels with as many rows the first wins.
    """
    votes = {label: rows for label, rows in labels.items() if label is not None}
    return max(votes, key=votes.__getitem__, default=None)


class RowReader:
    """Turns the fields of a row into a `Row`, and counts what the columns hold.

    Args:
        config: names the columns and the labels.
        counts: is filled; see `label_check.require_labels` for labels that no setting names.
    """

    def __init__(self, config: DataConfig, counts: ColumnCounts) -> None:
        self._counts = counts
        self._label, self._rating = LabelReader(config, counts), RatingReader(config)
        self._parts = tuple(part for part in config.named_columns() if part != 'text')
        self._one_column = config.rating_column == config.label_column

    def __call__(self, number: int, fields: Mapping[str, str | None], where: str) -> Row:
        """Raises DataError for a rating that is not a number of the range, with `where` it was.

        Args:
            number: of the row.
            fields: `text`, `label`, … by name; None for no value, absent where the row has no such key.
            where: file and line.
        """
        self._counts.add_fields(fields, self._parts)
        label_field, rating_field = fields.get('label'), fields.get('rating')
        if self._one_column and label_key(rating_field or '') in MISSING:
            rating_field = None
        group, language = fields.get('group'), fields.get('language')
        text = nfc(fields['text'] or '')
        # A row without text is dropped, so its label says nothing about those that are learned from.
        label = self._label(label_field or '', where) if text.strip() else None
        rating = None
        if rating_field is not None:
            rating = self._rating(rating_field, where)
            self._counts.add_rating(label, rating)
        return Row(
            number,
            text,
            label,
            group.strip() or None if group else None,
            language.strip() or None if language else None,
            rating,
        )


class LabelReader:
    """Turns the labels of a file into 0, 1 or None, and counts them."""

    def __init__(self, config: DataConfig, counts: ColumnCounts) -> None:
        self._classes, self._counts = config.classes(), counts
        # A label as it stands in the file, and its key: to make the key of each row takes a quarter of all reading.
        self._keys: dict[str, str] = {}

    def __call__(self, label: str, where: str) -> int | None:
        """0 negative, 1 positive; None for unlabelled rows and, for now, for labels that no setting names.

        What those mean can only be said once the whole column is known.
        """
        key = self._keys.get(label)
        if key is None:
            key = label_key(label)
            if len(self._keys) < MAX_DISTINCT and len(label) <= _MAX_KEPT:
                self._keys[label] = key
        value = self._classes.get(key)
        if value is None and key in MISSING:
            self._counts.no_label += 1
        else:
            self._counts.add_label(key, label.strip(), where, key in self._classes)
        return value


class RatingReader:
    """Turns the ratings of a file into numbers between -1 and 1, or None."""

    def __init__(self, config: DataConfig) -> None:
        self._column = config.rating_column
        self._low, self._high = config.rating_range

    def __call__(self, rating: str, where: str) -> float | None:
        """Raises DataError for a rating that is not a number in the range, with `where` it was."""
        if not rating.strip():
            return None
        try:
            value = float(rating)
        except ValueError:
            value = math.nan
        if self._low <= value <= self._high:
            return 2 * (value - self._low) / (self._high - self._low) - 1
        raise DataError(
            f'{where}: {_shown(rating)!r} in column {self._column!r} is no number between {self._low:g} and '
            f'{self._high:g}; give the lowest and the highest rating with --set data.rating_range=1,5'
        )


def _shown(field: str) -> str:
    return field if len(field) <= 40 else field[:40] + '…'
