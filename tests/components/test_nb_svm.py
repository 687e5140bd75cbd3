"""The linear baseline."""

import numpy as np
import pytest

from vaiven.components.linear_baseline.executor import measure_accuracies
from vaiven.components.linear_baseline.nb_svm import NbSvm

GOOD = ['una película muy bonita', 'great film !', 'bonita', 'a great great film', '👍 bonita']
BAD = ['una película muy mala', 'awful film .', 'mala', 'an awful film', '👎 mala']
TEXTS, LABELS = GOOD + BAD, np.array([1] * 5 + [0] * 5)


def test_words_signs_and_emoji_decide():
    machine = NbSvm().fit(TEXTS, LABELS)
    assert machine.predict(['qué bonita', 'qué mala', '👍', '👎']).tolist() == [1, 0, 1, 0]


def test_a_pair_of_words_can_turn_a_word_round():
    texts = ['good', 'not good', 'good film', 'film not good', 'bad', 'not bad', 'bad film', 'film not bad']
    labels = [1, 0, 1, 0, 0, 1, 0, 1]
    assert NbSvm().fit(texts, labels).predict(['not good', 'not bad']).tolist() == [0, 1]


def test_an_empty_text_and_unknown_words_get_an_answer():
    assert set(NbSvm().fit(TEXTS, LABELS).predict(['', 'xyz'])) <= {0, 1}


def test_the_same_rows_give_the_same_weights():
    first, second = NbSvm().fit(TEXTS, LABELS), NbSvm().fit(TEXTS, LABELS)
    np.testing.assert_array_equal(first._weights, second._weights)


def test_the_majority_is_that_of_the_training_rows():
    result = measure_accuracies(['a', 'a b', 'c'], np.array([1, 1, 0]), ['c', 'c', 'a'], np.array([0, 0, 1]))
    assert result == {'majority': pytest.approx(1 / 3), 'nb_svm': 1.0, 'rows': 3}
