"""Rows: the fingerprint of a text, the split of a row, and what is kept of rows with the same text. Pure functions."""

import hashlib
import math
from collections.abc import Mapping
from typing import NamedTuple

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.serving.common.labels import nfc

UNLABELLED_SPLIT, TEACHER_SPLIT = 'unlabelled', 'teacher'
# Those of every run; the split `teacher` exists if there are files of a teacher.
SPLITS = ('train', 'eval', 'test', UNLABELLED_SPLIT)

# Index of the class; of a row with several labels, the indices in increasing order; None for an unlabelled row.
Label = int | tuple[int, ...] | None

# Origin of a row: `--data`; a line of a held-out row, which must not reach the training split from another file;
# `--teacher`; or `--unlabelled`. Of rows with the same text, the one with the lower origin is kept.
DATA, HELD_OUT_LINE, TEACHER, UNLABELLED = range(4)


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        number: 1 for the first row below the header of the first file.
        text: NFC.
        label: index of the class; indices of the classes, if a row may have several; None for an unlabelled row.
        group: None if the configuration names no such column, or the field is empty.
        language: None in the same cases.
        rating: from -1 to 1; None in the same cases.
        position: of a passage in running text, consecutive passages have consecutive numbers; None for other rows.
        origin: `DATA`, `HELD_OUT_LINE`, `TEACHER` or `UNLABELLED`.
        probabilities: of the classes, by another model; None in the same cases as the group.
        split: of a split column; None in the same cases.
        time: of a time column, in seconds or as the number in the file; None in the same cases.
    """

    number: int
    text: str
    label: Label
    group: str | None = None
    language: str | None = None
    rating: float | None = None
    position: int | None = None
    origin: int = DATA
    probabilities: tuple[float, ...] | None = None
    split: str | None = None
    time: float | None = None


def text_fingerprint(text: str) -> bytes:
    """SHA-256 (32 bytes) that is the same for texts that differ only in case, white space or Unicode form.

    Args:
        text: a text, or the name of a group.
    """
    # Case folding can undo the normal form, so the text is normalised before and after it.
    folded = nfc(nfc(text).casefold())
    return hashlib.sha256(' '.join(folded.split()).encode()).digest()


def assign_split(row: Row, fingerprint: bytes, config: DataConfig) -> str:
    """The split of a row: that of its split column or its time, or else by a hash of its group or its text.

    The same row always gets the same split.

    Args:
        row: the row.
        fingerprint: `text_fingerprint(row.text)`.
        config: sizes of the splits, in buckets, and the times at which eval and test start.

    Returns:
        `train`, `eval` or `test`; `unlabelled` for rows without a label, and for rows that lack their split or time;
        `teacher` for rows of a teacher.
    """
    if row.origin == TEACHER:
        return TEACHER_SPLIT
    if row.origin != DATA or is_unlabelled(row, config):
        return UNLABELLED_SPLIT
    if config.split_column is not None and row.position is None:
        return row.split or UNLABELLED_SPLIT
    if config.time_column is not None and row.position is None:
        return split_of_time(row.time, config.time_boundaries)
    digest = text_fingerprint(row.group) if row.group is not None else fingerprint
    buckets = config.buckets()
    bucket = int.from_bytes(digest[:8], 'big') % sum(buckets.values())
    for name, size in buckets.items():
        if bucket < size:
            return name
        bucket -= size
    raise AssertionError('the bucket is below the sum of the split sizes')


def is_unlabelled(row: Row, config: DataConfig) -> bool:
    """Whether a row of data with labels has none.

    Args:
        row: of `--data`.
        config: says whether the data has labels.
    """
    return row.label is None and row.position is None and config.label_column is not None


def split_of_time(time: float | None, boundaries: tuple[float, ...]) -> str:
    """The split of a time; `unlabelled` for none.

    Args:
        time: of the row.
        boundaries: first time of eval, and first time of test.
    """
    if time is None:
        return UNLABELLED_SPLIT
    return SPLITS[sum(time >= boundary for boundary in boundaries)]


def most_held_out(first: str | None, second: str | None) -> str | None:
    """Of the splits of two rows with one text, the one that the text is kept in: test, else eval, else train.

    Args:
        first: value of the split column of one row.
        second: of the other row.
    """
    return max(first, second, key=lambda split: -1 if split is None else SPLITS.index(split))


def latest(first: float | None, second: float | None) -> float | None:
    """Of the times of two rows with one text, the later one, so that the text is not trained on if it is tested on.

    Args:
        first: time of one row.
        second: of the other row.
    """
    return max(first, second, key=lambda time: -math.inf if time is None else time)


def indices(label: Label) -> tuple[int, ...]:
    """The classes of a label.

    Args:
        label: index or indices; None for an unlabelled row.
    """
    return label if isinstance(label, tuple) else () if label is None else (label,)


def majority_label(labels: Mapping[Label, int]) -> Label:
    """The label of most rows with the same text; None only if no row has a label.

    Args:
        labels: label → number of rows, in the order of their first rows. The first label wins a tie.
    """
    votes = {label: rows for label, rows in labels.items() if label is not None}
    return max(votes, key=votes.__getitem__, default=None)
