import numpy as np
import pytest

from vaiven.models.network.wide import NO_NGRAM, WideNgrams
from vaiven.models.training.wide_fit import fit_wide

pytestmark = pytest.mark.slow

# Odd numbers are words and pairs, even numbers are subwords.
GOOD, BAD, GOOD_SUBWORD, BAD_SUBWORD, COMMON = 11, 13, 20, 22, 15


def fitted(rows, targets, size=16) -> WideNgrams:
    wide = WideNgrams(size)
    wide.build((None, None))
    fit_wide(wide, [np.array(row, 'int64') for row in rows], np.array(targets))
    return wide


def logit(wide: WideNgrams, *ngrams: int) -> float:
    return float(wide(np.array([ngrams], 'int32').reshape(1, -1))[0])


ROWS = [
    [GOOD, GOOD_SUBWORD, COMMON], [BAD, BAD_SUBWORD, COMMON], [GOOD, COMMON], [BAD, COMMON],
    [GOOD_SUBWORD], [BAD_SUBWORD], [], [],
]  # fmt: skip
TARGETS = [1, 0, 1, 0, 1, 0, 1, 0]


def test_words_and_subwords_of_one_class_get_weights_and_common_ones_do_not():
    wide = fitted(ROWS * 3, TARGETS * 3)
    neutral = logit(wide)
    for good, bad in ((GOOD, BAD), (GOOD_SUBWORD, BAD_SUBWORD)):
        assert logit(wide, good) > neutral + 0.1
        assert logit(wide, bad) < neutral - 0.1
    assert logit(wide, COMMON) == pytest.approx(neutral, abs=0.2)
    assert logit(wide, 17, 24) == neutral  # never seen


def test_targets_between_the_classes_get_smaller_weights():
    sure, unsure = fitted(ROWS * 3, TARGETS * 3), fitted(ROWS * 3, [0.6, 0.4] * 12)
    assert 0 < logit(unsure, GOOD) - logit(unsure, BAD) < logit(sure, GOOD) - logit(sure, BAD)


def test_a_small_table_keeps_the_frequent_ngrams():
    wide = fitted([*ROWS * 3, [99]], [*TARGETS * 3, 1], size=5)
    known = np.array(wide.ngrams)
    assert sorted(known) == known.tolist() == [GOOD, BAD, COMMON, GOOD_SUBWORD, BAD_SUBWORD]


def test_ids_are_sorted_and_unused_entries_are_marked():
    known = np.array(fitted(ROWS, TARGETS).ngrams)
    assert (np.diff(known) >= 0).all()
    assert known[-1] == NO_NGRAM


def test_the_same_rows_give_the_same_weights():
    first, second = fitted(ROWS, TARGETS), fitted(ROWS, TARGETS)
    np.testing.assert_array_equal(np.array(first.table), np.array(second.table))


def test_two_rows_and_rows_without_any_n_gram_are_enough():
    assert np.isfinite(logit(fitted([[GOOD], [BAD]], [1, 0]), GOOD))
    assert logit(fitted([[], []], [1, 0]), GOOD) == 0
    only_words = fitted([[GOOD], [BAD], [GOOD], [BAD]], [1, 0, 1, 0])
    assert logit(only_words, GOOD) > 0 > logit(only_words, BAD)
