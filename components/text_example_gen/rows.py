"""Rows: parsing of labels and ratings, the fingerprint of a text, and the split of a row. Pure functions."""

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
# Characters of a label up to which its key is cached.
_MAX_CACHED_LENGTH = 100

# Origin of a row: `--data`; a line of a held-out row, which must not reach the training split from another file; or
# `--unlabelled`. Of rows with the same text, the one with the lower origin is kept.
DATA, HELD_OUT_LINE, UNLABELLED = range(3)


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        number: 1 for the first row below the header of the first file.
        text: NFC.
        label: 0 negative, 1 positive, None unlabelled.
        group: None if the configuration names no such column, or the field is empty.
        language: None in the same cases.
        rating: from -1 to 1; None in the same cases.
        position: of a passage in running text, consecutive passages have consecutive numbers; None for other rows.
        origin: `DATA`, `HELD_OUT_LINE` or `UNLABELLED`.
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
    """The text in Unicode normalisation form C."""
    return text if text.isascii() else unicodedata.normalize('NFC', text)


def text_fingerprint(text: str) -> bytes:
    """SHA-256 (32 bytes) that is the same for texts that differ only in case, white space or Unicode form.

    Args:
        text: a text, or the name of a group.
    """
    # Case folding can undo the normal form, so the text is normalised before and after it.
    folded = nfc(nfc(text).casefold())
    return hashlib.sha256(' '.join(folded.split()).encode()).digest()


def assign_split(row: Row, fingerprint: bytes, config: DataConfig) -> str:
    """The split of a row, by a hash of its group or else its text: the same row always gets the same split.

    Args:
        row: the row.
        fingerprint: `text_fingerprint(row.text)`.
        config: sizes of the splits, in buckets.

    Returns:
        `train`, `eval` or `test`; `unlabelled` for rows without a label.
    """
    is_unlabelled = row.label is None and row.position is None and config.label_column is not None
    if row.origin != DATA or is_unlabelled:
        return UNLABELLED_SPLIT
    digest = text_fingerprint(row.group) if row.group is not None else fingerprint
    buckets = config.buckets()
    bucket = int.from_bytes(digest[:8], 'big') % sum(buckets.values())
    for name, size in buckets.items():
        if bucket < size:
            return name
        bucket -= size
    raise AssertionError('the bucket is below the sum of the split sizes')


def majority_label(labels: Mapping[int | None, int]) -> int | None:
    """The label of most rows with the same text; None only if no row has a label.

    Args:
        labels: label → number of rows, in the order of their first rows. The first label wins a tie.
    """
    votes = {label: rows for label, rows in labels.items() if label is not None}
    return max(votes, key=votes.__getitem__, default=None)


class RowParser:
    """Parses the fields of a row into a `Row`, and counts the values of the columns.

    Args:
        config: names of the columns and the labels.
        counts: is updated; `label_check.require_labels` checks the labels in it.
    """

    def __init__(self, config: DataConfig, counts: ColumnCounts) -> None:
        self._counts = counts
        self._label, self._rating = LabelParser(config, counts), RatingParser(config)
        self._parts = tuple(part for part in config.named_columns() if part != 'text')
        self._is_label_rating = config.rating_column == config.label_column

    def __call__(self, number: int, fields: Mapping[str, str | None], where: str) -> Row:
        """Parses a row.

        Args:
            number: of the row.
            fields: values by part (`text`, `label`, …); None for no value, absent if the row has no such key.
            where: file and line.

        Raises:
            DataError: if the rating is not a number in the range.
        """
        self._counts.add_fields(fields, self._parts)
        label_field, rating_field = fields.get('label'), fields.get('rating')
        if self._is_label_rating and label_key(rating_field or '') in MISSING:
            rating_field = None
        group, language = fields.get('group'), fields.get('language')
        text = nfc(fields['text'] or '')
        # A row without text is dropped; its label is not counted.
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


class LabelParser:
    """Parses the labels of a file into 0, 1 or None, and counts them.

    Args:
        config: names of the labels.
        counts: is updated.
    """

    def __init__(self, config: DataConfig, counts: ColumnCounts) -> None:
        self._classes, self._counts = config.label_classes(), counts
        # Label as spelled → key. Computing the key for each row would take a quarter of the reading time.
        self._keys: dict[str, str] = {}

    def __call__(self, label: str, where: str) -> int | None:
        """Parses a label.

        Args:
            label: as spelled in the file.
            where: file and line.

        Returns:
            0 negative, 1 positive; None for unlabelled rows and for labels that the configuration does not name. The
            latter are reported when the whole column has been read.
        """
        key = self._keys.get(label)
        if key is None:
            key = label_key(label)
            if len(self._keys) < MAX_DISTINCT and len(label) <= _MAX_CACHED_LENGTH:
                self._keys[label] = key
        value = self._classes.get(key)
        if value is None and key in MISSING:
            self._counts.no_label += 1
        else:
            self._counts.add_label(key, label.strip(), where, key in self._classes)
        return value


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
            f'{where}: {_truncated(rating)!r} in column {self._column!r} is not a number between {self._low:g} and '
            f'{self._high:g}; give the lowest and the highest rating with --set data.rating_range=1,5'
        )


def _truncated(field: str) -> str:
    return field if len(field) <= 40 else field[:40] + '…'
