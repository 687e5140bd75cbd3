"""Training, validation and test rows of each fold, fixed by one seed."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.corpora import Review, groups_of

VALIDATION_SHARE = 0.1


class Fold(NamedTuple):
    """One division of a corpus. No group is in two parts.

    Attributes:
        train, validation, test: labelled rows. The test rows are used for measurements only.
        unlabelled: rows without a label, of none of the other parts' groups.
    """

    train: list[Review]
    validation: list[Review]
    test: list[Review]
    unlabelled: list[Review]


def folds(rows: Sequence[Review], count: int, seed: int) -> Iterator[Fold]:
    """Yields `count` folds; each labelled row is a test row in exactly one of them.

    The validation part is taken out of the training folds; text of a held-out group is never read.
    """
    groups = groups_of(row for row in rows if row.label is not None)
    shuffled = np.random.default_rng(seed).permutation(len(groups))
    fold_of = {groups[place]: index % count for index, place in enumerate(shuffled)}
    for tested in range(count):
        training = [group for group in groups if fold_of[group] != tested]
        drawn = np.random.default_rng([seed, tested]).permutation(len(training))
        validating = {training[place] for place in drawn[: round(VALIDATION_SHARE * len(training))]}
        fold = Fold([], [], [], [])
        for row in rows:
            if fold_of.get(row.group) == tested:
                if row.label is not None:
                    fold.test.append(row)
            elif row.group in validating:
                if row.label is not None:
                    fold.validation.append(row)
            elif row.label is None:
                fold.unlabelled.append(row)
            else:
                fold.train.append(row)
        yield fold


def for_choosing(fold: Fold, seed: int) -> Fold:
    """Returns a fold inside the fold: its test rows are the validation rows, and its validation rows are training rows.

    The test rows are in none of its parts.
    """
    groups = groups_of(fold.train)
    drawn = np.random.default_rng(seed).permutation(len(groups))
    validating = {groups[place] for place in drawn[: round(VALIDATION_SHARE * len(groups))]}
    return Fold(
        [row for row in fold.train if row.group not in validating],
        [row for row in fold.train if row.group in validating],
        fold.validation,
        [row for row in fold.unlabelled if row.group not in validating],
    )
