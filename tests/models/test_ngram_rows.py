"""The n-grams of many rows."""

import numpy as np

from vaiven.models.training.ngram_rows import NgramRows

ROWS = [[9, 4], [], [4, 7, 9], [4], []]


def test_padded_batches_give_the_same_rows_as_lists():
    padded = NgramRows.from_padded(
        [np.array([[9, 4], [0, 0]]), np.array([[4, 7, 9], [4, 0, 0], [0, 0, 0]]), np.zeros((0, 5), int)]
    )
    listed = NgramRows.from_rows(ROWS)
    for rows in (padded, listed, NgramRows.from_rows(ROWS[:2]) + NgramRows.from_rows(ROWS[2:])):
        assert rows.ids.tolist() == [9, 4, 4, 7, 9, 4]
        assert rows.ids.dtype == np.int32
        assert rows.lengths.tolist() == [2, 0, 3, 1, 0]
        assert len(rows) == 5


def test_the_matrix_has_a_column_for_each_id_in_order():
    ids, counts = NgramRows.from_rows(ROWS).count(8)
    assert ids.tolist() == [4, 7, 9]
    assert counts.toarray().tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert counts.has_sorted_indices


def test_the_most_frequent_ngrams_are_kept():
    ids, counts = NgramRows.from_rows(ROWS).count(2)
    assert ids.tolist() == [4, 9]
    assert counts.toarray().tolist() == [[1, 1], [0, 0], [1, 1], [1, 0], [0, 0]]
    assert NgramRows.from_rows([[8], [6], [2]]).count(2)[0].tolist() == [2, 6]  # equally frequent


def test_rows_without_ngrams_give_an_empty_matrix():
    for rows in ([[], []], []):
        ids, counts = NgramRows.from_rows(rows).count(4)
        assert (len(ids), counts.shape) == (0, (len(rows), 0))
