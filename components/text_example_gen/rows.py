"""From the fields of a file to a row: its label, its identity, and its split. Pure functions."""

import hashlib
import math
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError

UNLABELLED_SPLIT = 'unlabelled'
SPLITS = ('train', 'eval', 'test', UNLABELLED_SPLIT)
CLASSES = ('negative', 'positive')

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
    return unicodedata.normalize('NFC', text)


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


def preferred(first: Row, second: Row) -> Row:
    """Of two rows with the same text: the labelled one, else the one that comes first."""
    return min(first, second, key=lambda row: (row.origin, row.label is None, row.number))


class RowReader:
    """Turns the fields of a row into a `Row`."""

    def __init__(self, config: DataConfig) -> None:
        self._label, self._rating = LabelReader(config), RatingReader(config)

    def __call__(self, number: int, fields: Mapping[str, str | None], where: str) -> Row:
        """Raises DataError for a label or a rating that is none, with `where` it was.

        Args:
            number: of the row.
            fields: `text`, `label`, … by name; None or absent for none.
            where: file and line.
        """
        label, rating = fields.get('label'), fields.get('rating')
        group, language = ((fields.get(part) or '').strip() or None for part in ('group', 'language'))
        return Row(
            number,
            nfc(fields['text'] or ''),
            None if label is None else self._label(label, where),
            group,
            language,
            None if rating is None else self._rating(rating, where),
        )


class LabelReader:
    """Turns the labels of a file into 0, 1 or None."""

    def __init__(self, config: DataConfig) -> None:
        self._column = config.label_column
        self._classes: dict[str, int | None] = dict.fromkeys(config.labels_of('unlabelled'))
        self._classes |= dict.fromkeys(config.labels_of('negative'), 0)
        self._classes |= dict.fromkeys(config.labels_of('positive'), 1)

    def __call__(self, label: str, where: str) -> int | None:
        """Raises DataError for a label that is neither, with `where` it was."""
        try:
            return self._classes[label.strip().casefold()]
        except KeyError:
            raise DataError(
                f'{where}: {_shown(label)!r} in column {self._column!r} is no label; name the labels with '
                '--set data.positive_labels=A,B --set data.negative_labels=C,D '
                '(and --set data.unlabelled_labels=E), or another column with --label-column'
            ) from None


class RatingReader:
    """Turns the ratings of a file into numbers between -1 and 1, or None."""

    def __init__(self, config: DataConfig) -> None:
        self._column = config.rating_column
        self._low, self._high = config.rating_range

    def __call__(self, rating: str, where: str) -> float | None:
        """Raises DataError for a rating that is no number in the range, with `where` it was."""
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
