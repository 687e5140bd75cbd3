import numpy as np
import pytest
from scipy import sparse

from vaiven.label_spec import LabelSpec
from vaiven.models.network.wide import MAX_ENTRIES, NO_NGRAM, WideNgrams
from vaiven.models.training.ngram_rows import NgramRows
from vaiven.models.training.wide_fit import MAX_FITTED_CLASSES, NEGATED_SHARE, fit_wide

pytestmark = pytest.mark.slow

# Odd numbers are words and pairs, even numbers are subwords.
GOOD, BAD, GOOD_SUBWORD, BAD_SUBWORD, COMMON = 11, 13, 20, 22, 15


def fitted(rows, targets, size=16, labels=None, weights=None, negated=None) -> WideNgrams:
    wide = WideNgrams(size, (labels or LabelSpec()).logits)
    wide.build((None, None))
    targets = targets if sparse.issparse(targets) else np.array(targets)
    fit_wide(wide, NgramRows.from_rows(rows), targets, labels, weights, negated)
    return wide


def logits(wide: WideNgrams, *ngrams: int) -> np.ndarray:
    return np.array(wide(np.array([ngrams], 'int32').reshape(1, -1))[0])


def logit(wide: WideNgrams, *ngrams: int) -> float:
    return float(logits(wide, *ngrams))


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


def test_a_word_that_was_never_seen_after_a_negation_counts_against_its_other_weight():
    not_good, not_bad, unseen, not_unseen, not_common = 201, 203, 205, 207, 9
    rows, targets = [*ROWS * 3, [not_bad, COMMON]], [*TARGETS * 3, 0]
    negated = np.array([[GOOD, not_good], [BAD, not_bad], [unseen, not_unseen], [COMMON, not_common]])
    plain, wide = fitted(rows, targets), fitted(rows, targets, negated=negated)
    neutral = logit(wide)
    assert logit(wide, not_good) - neutral == pytest.approx(-NEGATED_SHARE * (logit(wide, GOOD) - neutral))
    for ngram in (
        not_bad,
        not_unseen,
        GOOD,
        BAD,
        COMMON,
    ):  # seen after a negation, seen nowhere, seen without one
        assert logit(wide, ngram) == pytest.approx(logit(plain, ngram))
    assert wide.ngrams.numpy().tolist() == sorted(wide.ngrams.numpy().tolist())


def test_negated_words_take_the_places_of_the_weakest_ngrams_if_the_table_is_full():
    negated = np.array([[COMMON, 9], [GOOD, 201]])
    wide = fitted(ROWS * 3, TARGETS * 3, size=5, negated=negated)
    assert wide.ngrams.numpy().tolist() == [GOOD, BAD, GOOD_SUBWORD, BAD_SUBWORD, 201]
    # A negated word that some row has, but the table has no place for, is not unseen.
    rows, targets = [*ROWS * 3, [201]], [*TARGETS * 3, 1]
    assert 201 not in fitted(rows, targets, size=5, negated=negated).ngrams.numpy()


def test_training_texts_are_not_longer_than_usual_except_for_one_in_a_hundred():
    assert float(fitted(ROWS * 3, TARGETS * 3).usual_length) == 3
    assert float(fitted([*ROWS * 100, [COMMON] * 500], [*TARGETS * 100, 1]).usual_length) == 3


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


TOPICS = LabelSpec('multiclass', ('دفع', 'envío', '📦'))
# A word of each class, and one that all share.
TOPIC_ROWS, TOPIC_TARGETS = [[11, COMMON], [13, COMMON], [17, COMMON]] * 6, np.tile(np.eye(3), (6, 1))


def test_every_class_gets_the_weights_of_its_own_ngrams():
    wide = fitted(TOPIC_ROWS, TOPIC_TARGETS, labels=TOPICS)
    assert [int(np.argmax(logits(wide, ngram))) for ngram in (11, 13, 17)] == [0, 1, 2]
    assert np.ptp(logits(wide, COMMON) - logits(wide)) < 0.1  # it speaks for no class
    np.testing.assert_array_equal(logits(wide, 19, 24), logits(wide))  # never seen


def test_a_row_can_belong_to_several_classes_or_to_none():
    labels = LabelSpec('multilabel', ('a', 'b', 'c'))
    rows = [[11], [13], [11, 13], [15]] * 6
    wide = fitted(rows, [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]] * 6, labels=labels)
    assert (logits(wide, 11, 13) > 0).tolist() == [True, True, False]
    assert (logits(wide, 15) < 0).all()


def test_ordered_classes_share_one_table():
    rows = [[11], [13], [15]] * 6
    wide = fitted(rows, [0, 0.5, 1] * 6, labels=LabelSpec('ordinal', ('1', '2', '3')))
    assert logit(wide, 11) < logit(wide, 13) < logit(wide, 15)


def test_rows_count_as_their_weights_say():
    rows, targets = [[GOOD, COMMON], [BAD, COMMON], [GOOD], [BAD]] * 4, [1, 0, 1, 0] * 4
    same, none = fitted(rows, targets, weights=np.full(16, 1.0)), fitted(rows, targets)
    np.testing.assert_allclose(np.array(same.table), np.array(none.table), atol=1e-5)
    heavy = fitted(rows, targets, weights=np.tile([9.0, 1.0], 8))
    assert logit(heavy, COMMON) > logit(none, COMMON) + 0.5


@pytest.mark.parametrize('classes', [MAX_ENTRIES + 4, MAX_FITTED_CLASSES + 10])
@pytest.mark.parametrize('kind', ['multiclass', 'multilabel'])
def test_with_many_classes_an_ngram_keeps_its_strongest_weights(classes, kind):
    labels = LabelSpec(kind, tuple(f'class {number}' for number in range(classes)))
    rows = [[2 * number + 1, 2 * number + 2, 999] for number in range(classes)] * 6
    targets = np.tile(np.eye(classes), (6, 1))
    for given in (targets, sparse.csr_matrix(targets)):
        wide = fitted(rows, given, 256, labels)
        assert np.array(wide.table).shape == (256, MAX_ENTRIES)
        found = [int(np.argmax(logits(wide, 2 * number + 1))) for number in range(classes)]
        assert found == list(range(classes))
        assert np.ptp(logits(wide, 999) - logits(wide)) < 1  # it speaks for no class


def test_with_many_classes_rows_count_as_their_weights_say():
    labels = LabelSpec('multiclass', tuple(f'class {number}' for number in range(MAX_FITTED_CLASSES + 1)))
    rows = [[11]] * (20 * labels.size)
    targets = np.tile(np.eye(labels.size), (20, 1))
    weights = np.where(targets[:, 7] == 1, 9.0, 1.0)
    assert int(np.argmax(logits(fitted(rows, targets, labels=labels, weights=weights)))) == 7
