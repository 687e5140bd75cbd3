"""The linear baseline."""

import numpy as np
import pytest

from vaiven.components.linear_baseline.executor import measure_accuracies
from vaiven.components.linear_baseline.nb_svm import NbSvm
from vaiven.label_spec import LabelSpec
from vaiven.models.training.wide_fit import MAX_FITTED_CLASSES

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
    assert result == {'majority': pytest.approx(1 / 3), 'nb_svm': 1.0, 'macro_f1': 1.0, 'rows': 3}


@pytest.mark.parametrize('size', [3, MAX_FITTED_CLASSES + 5])
def test_several_classes_are_told_apart(size):
    spec = LabelSpec('multiclass', tuple(f'año {number}' for number in range(size)))
    labels = np.arange(6 * size) % size
    texts = [f'word{label} the of' for label in labels]
    result = measure_accuracies(texts, labels, texts, labels, spec)
    assert result == {
        'majority': pytest.approx(1 / size), 'nb_svm': 1.0, 'macro_f1': 1.0, 'rows': len(texts),
    }  # fmt: skip


def test_the_mean_absolute_error_of_ordered_classes_is_measured():
    spec = LabelSpec('ordinal', ('1', '2', '3'))
    texts = ['low', 'middle', 'high'] * 5
    labels = np.array([0, 1, 2] * 5)
    result = measure_accuracies(texts, labels, ['low', 'high'], np.array([2, 2]), spec)
    assert (result['nb_svm'], result['mean_absolute_error']) == (0.5, 1.0)
    assert (result['majority'], result['majority_mean_absolute_error']) == (0.0, 2.0)


@pytest.mark.parametrize('size', [3, MAX_FITTED_CLASSES + 5])
def test_a_text_has_any_number_of_labels(size):
    spec = LabelSpec('multilabel', tuple(f'c{number}' for number in range(size)))
    labels = np.zeros((4 * size, size), bool)
    labels[np.arange(4 * size), np.arange(4 * size) % size] = True
    labels[0] = False
    texts = [' '.join(f'word{label}' for label in np.flatnonzero(row)) for row in labels]
    predicted = NbSvm(spec).fit(texts, labels).predict(texts)
    assert predicted.shape == labels.shape
    assert predicted.dtype == bool
    assert (predicted == labels).mean() > 0.9


def test_a_class_without_rows_is_never_predicted():
    spec = LabelSpec('multiclass', ('a', 'b', 'c'))
    predicted = NbSvm(spec).fit(['x', 'y'] * 3, np.array([0, 2] * 3)).predict(['x', 'y', 'z'])
    assert 1 not in predicted.tolist()


def test_the_majority_of_multilabel_rows_is_the_most_frequent_set_of_classes():
    spec = LabelSpec('multilabel', tuple('abcdefghij'))
    labels = np.zeros((6, 10), bool)
    labels[:3, [1, 9]] = True
    labels[3:5, 0] = True
    result = measure_accuracies(
        ['a', 'a', 'a', 'b', 'b', 'c'], labels, ['a', 'b', 'a', 'c'], labels[[0, 3, 1, 5]], spec
    )
    assert result['majority'] == 0.5


def test_words_of_any_script_and_emoji_tell_several_classes_apart():
    machine = NbSvm(LabelSpec('multiclass', ('דואר', 'envío', '📦')))
    machine.fit(['مرحبا a', 'mañana b', '📦 a'] * 3, np.array([0, 1, 2] * 3))
    assert machine.predict(['مرحبا', 'MAÑANA', '📦']).tolist() == [0, 1, 2]
    assert machine.predict(['']).shape == (1,)
