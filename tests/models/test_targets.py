import numpy as np
import pytest

from tests.models.rows import write_rows
from vaiven.label_spec import NO_CLASS, LabelSpec
from vaiven.models.data import dataset
from vaiven.models.data.labelled_rows import join_targets, read_labelled_rows
from vaiven.models.data.targets import COLUMNS

pytestmark = pytest.mark.slow

CLASSES = ('mal', 'regular', '🙂', 'جيد')
NONE = float('nan')


def targets(folder, kind: str, labels, ratings=(), probabilities=(), soft_labels=6.0) -> list:
    spec = LabelSpec(kind, CLASSES[:2] if kind == 'binary' else CLASSES)
    file = write_rows(folder / 'rows.gz', [[5]] * len(labels), labels, ratings, probabilities)
    examples = dataset.read_examples([file], soft_labels, spec)
    [(_, batch)] = dataset.evaluation_batches(examples, 64, spec)
    return batch.numpy().astype(float).round(4).tolist()


def test_a_class_is_one_of_the_columns_and_an_unlabelled_row_is_minus_one(tmp_path):
    found = targets(tmp_path, 'multiclass', [0, 3, -1])
    assert found == [[1, 0, 0, 0], [0, 0, 0, 1], [-1] * 4]


def test_several_labels_are_several_columns_and_no_label_of_all_is_none(tmp_path):
    found = targets(tmp_path, 'multilabel', [[0, 2], [NO_CLASS], [-1], [], [1]])
    assert found == [[1, 0, 1, 0], [0] * 4, [-1] * 4, [-1] * 4, [0, 1, 0, 0]]


def test_an_ordered_row_is_divided_between_the_two_classes_beside_its_rating(tmp_path):
    ratings = [-1.0, 1.0, 0.0, -0.5, NONE, 0.2]
    found = targets(tmp_path, 'ordinal', [0, 3, 1, 1, 2, -1], ratings)
    assert found[:2] == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert found[2:] == [[0, 0.5, 0.5, 0], [0.25, 0.75, 0, 0], [0, 0, 1, 0], [-1] * 4]


def test_without_soft_labels_the_rating_does_not_count(tmp_path):
    assert targets(tmp_path, 'ordinal', [1], [0.0], soft_labels=0.0) == [[0, 1, 0, 0]]


def test_the_probabilities_of_a_teacher_take_the_place_of_label_and_rating(tmp_path):
    shares = [[0.1, 0.2, 0.3, 0.4], [2.0, 2.0, 0.0, 0.0], []]
    expected = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0, 0], [0, 1, 0, 0]]
    assert targets(tmp_path, 'multiclass', [0, -1, 1], probabilities=shares) == expected
    assert targets(tmp_path, 'ordinal', [0, 0, 1], [0.5, 0.5, NONE], shares) == expected
    independent = [[0.9, 0.8, 0.0, 1.0], []]
    found = targets(tmp_path, 'multilabel', [[0], [1]], probabilities=independent)
    assert found == [[0.9, 0.8, 0, 1], [0, 1, 0, 0]]
    assert targets(tmp_path, 'binary', [0, 1, -1], [-0.5, NONE, NONE], [[0.3, 0.7], [], [0.9, 0.1]]) == [
        0.7,
        1,
        0.1,
    ]


def test_classes_are_counted_by_their_targets(tmp_path):
    spec = LabelSpec('ordinal', CLASSES)
    file = write_rows(tmp_path / 'rows.gz', [[5]] * 4, [0, 1, 1, -1], [NONE, 0.0, NONE, NONE])
    counts = dataset.count_classes(dataset.read_examples([file], 6.0, spec), spec)
    assert (counts.rows, counts.classes.tolist()) == (3, [1, 1.5, 0.5, 0])
    binary = dataset.count_classes(dataset.read_examples([file]), LabelSpec())
    assert (binary.rows, binary.classes.tolist()) == (3, [1, 2])


def test_rows_with_a_label_or_probabilities_are_labelled(tmp_path):
    spec = LabelSpec('multiclass', CLASSES)
    file = write_rows(
        tmp_path / 'rows.gz', [[5], [6], [7]], [2, -1, -1], probabilities=[[], [0.5, 0.5, 0, 0], []]
    )
    rows = read_labelled_rows([file], 8, 0.0, spec)
    assert rows.targets.toarray().tolist() == [[0, 0, 1, 0], [0.5, 0.5, 0, 0]]
    assert join_targets([rows, rows]).shape == (4, 4)
    assert rows.classes() == [0, 2]
    [(ids, ngrams)] = rows.batches(np.array([False, True]))
    assert ids.tolist() == [[2, 6, 3]]
    assert set(ngrams[0].tolist()) == {13, 14}


def test_the_targets_of_a_thousand_classes_are_written_out_batch_by_batch(tmp_path):
    spec = LabelSpec('multiclass', tuple(map(str, range(1000))))
    file = write_rows(tmp_path / 'rows.gz', [[5]] * 3, [999, 0, -1])
    for ids, target in dataset.read_examples([file], 0.0, spec):
        assert (len(ids), target[COLUMNS].shape) == (3, (1,))
    [(_, batch)] = dataset.training_batches(dataset.read_examples([file], 0.0, spec), 8, 50, 0, labels=spec)
    assert batch.shape == (3, 1000)
    assert read_labelled_rows([file], 8, 0.0, spec).targets.nnz == 2
