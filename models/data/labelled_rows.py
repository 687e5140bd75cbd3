"""The labelled rows of a split in memory, for the fits that follow gradient descent."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from vaiven.label_spec import LabelSpec
from vaiven.models.data import dataset
from vaiven.models.data.preprocessing import IDS, LABEL, NGRAMS
from vaiven.models.data.targets import COLUMNS, SHARES, Target


@dataclasses.dataclass(frozen=True)
class LabelledRows:
    """Rows in batches of similar length.

    Attributes:
        labels: kind and classes.
        ids: of each batch int32 (batch, time), right-padded with 0.
        ngrams: of each batch int32 (batch, n-grams), right-padded with 0.
        targets: float (rows) of binary labels; otherwise a sparse matrix (rows, classes): a million rows of a thousand
            classes would need 4 GB.
    """

    labels: LabelSpec
    ids: tuple[np.ndarray, ...]
    ngrams: tuple[np.ndarray, ...]
    targets: Any

    def __len__(self) -> int:
        return int(self.targets.shape[0])

    def classes(self) -> list[int]:
        """Returns the numbers of the classes that at least one row has."""
        if self.labels.kind == 'binary':
            return sorted({int(target > 0.5) for target in self.targets})
        if self.labels.kind == 'multilabel':
            return [int(number) for number in np.unique(self.targets.indices[self.targets.data > 0.5])]
        return [int(number) for number in np.unique(self.targets.argmax(axis=1))] if len(self) else []

    def batches(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields ids and n-grams of the rows that are selected, batch by batch.

        Args:
            rows: bool (rows).
        """
        start = 0
        for ids, ngrams in zip(self.ids, self.ngrams, strict=True):
            selected = rows[start : start + len(ids)]
            start += len(ids)
            if selected.any():
                yield ids[selected], ngrams[selected]


def read_labelled_rows(
    files: Sequence[str], batch_size: int, soft_labels: float, labels: LabelSpec
) -> LabelledRows:
    """Reads the labelled rows of a split.

    Args:
        files: gzipped TFRecords of tf.Example that Transform wrote.
        batch_size: texts per batch; fewer where they are long.
        soft_labels: as for `row_target`.
        labels: kind and classes.
    """
    batches = list(dataset.labelled_batches(files, batch_size, soft_labels, labels).as_numpy_iterator())
    return LabelledRows(
        labels,
        tuple(batch[IDS] for batch in batches),
        tuple(batch[NGRAMS] for batch in batches),
        _join_batches([batch[LABEL] for batch in batches], labels),
    )


def join_targets(splits: Sequence[LabelledRows]) -> Any:
    """Returns the targets of the rows of all splits, in the form of `LabelledRows.targets`."""
    targets = [rows.targets for rows in splits]
    return np.concatenate(targets) if splits[0].labels.kind == 'binary' else sparse.vstack(targets, 'csr')


def _join_batches(batches: Sequence[Target], labels: LabelSpec) -> Any:
    if labels.kind == 'binary':
        return np.concatenate(batches) if batches else np.zeros(0, np.float32)
    rows, columns, shares = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    start = 0
    for batch in batches:
        # Column 0 is padding, and the last one is no class.
        is_class = (batch[COLUMNS] > 0) & (batch[COLUMNS] <= labels.size)
        rows.append(start + np.nonzero(is_class)[0])
        columns.append(batch[COLUMNS][is_class] - 1)
        shares.append(batch[SHARES][is_class])
        start += len(batch[COLUMNS])
    values = np.concatenate(shares), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_matrix(values, (start, labels.size))
