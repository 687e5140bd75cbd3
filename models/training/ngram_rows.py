"""The n-grams of many rows, and the matrix of their frequent ones."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse


@dataclasses.dataclass(frozen=True)
class NgramRows:
    """The n-grams of rows, one row after the other: a million rows are two arrays and not a million.

    Attributes:
        ids: int32 (n-grams of all rows), `vaiven.models.text.ngrams`; each id once per row.
        lengths: int64 (rows), the number of n-grams of each row.
    """

    ids: np.ndarray
    lengths: np.ndarray

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int] | np.ndarray]) -> 'NgramRows':
        """Joins the ids of each row."""
        lengths = np.array([len(row) for row in rows], np.int64)
        return cls(np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32), lengths)

    @classmethod
    def from_padded(cls, batches: Iterable[np.ndarray]) -> 'NgramRows':
        """Joins batches (rows, n-grams) that are padded with 0."""
        ids, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for batch in batches:
            is_ngram = batch > 0
            ids.append(batch[is_ngram].astype(np.int32))
            lengths.append(is_ngram.sum(axis=1))
        return cls(np.concatenate(ids), np.concatenate(lengths))

    def __add__(self, other: 'NgramRows') -> 'NgramRows':
        return NgramRows(np.concatenate([self.ids, other.ids]), np.concatenate([self.lengths, other.lengths]))

    def __len__(self) -> int:
        return len(self.lengths)

    def count(self, size: int) -> tuple[np.ndarray, sparse.csr_matrix]:
        """Finds the frequent n-grams.

        Args:
            size: maximum number of n-grams; the ones in the most rows are kept, of equally frequent ones those with
                the lower ids.

        Returns:
            The ids of the n-grams kept, sorted; and a matrix (rows, n-grams), float32, 1 where a row has the n-gram.
        """
        ids, document_counts = np.unique(self.ids, return_counts=True)
        if len(ids) > size:
            ids = ids[np.sort(np.argsort(-document_counts, kind='stable')[:size])]
        # A binary search needs less memory than the inverse of `unique`, which sorts positions of 64 bits.
        positions = np.minimum(np.searchsorted(ids, self.ids), len(ids) - 1).astype(np.int32)
        is_known = ids[positions] == self.ids if len(ids) else np.zeros(0, bool)
        ends = np.concatenate([[0], np.cumsum(is_known)])[np.concatenate([[0], np.cumsum(self.lengths)])]
        columns = positions[is_known]
        counts = sparse.csr_matrix((np.ones(len(columns), np.float32), columns, ends), (len(self), len(ids)))
        counts.sort_indices()
        return ids, counts
