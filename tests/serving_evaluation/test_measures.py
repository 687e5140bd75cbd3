"""The measures are those of scikit-learn, for every kind of labels and for degenerate rows."""

import math

import numpy as np
import pytest
from sklearn import metrics

from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation import row_scores
from vaiven.serving.evaluation.measures import Measures, measure
from vaiven.serving.evaluation.row_scores import concatenate, score_rows

STARS = LabelSpec('ordinal', ('1', '2', '3', '4', '5'))


def names(count: int) -> tuple[str, ...]:
    return tuple(f'class {number}' for number in range(count))


def spec_of(count: int) -> LabelSpec:
    return LabelSpec('binary') if count == 2 else LabelSpec('multiclass', names(count))


def draw(rows: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), rows).reshape(rows, classes)
    likely = np.array([rng.choice(classes, p=row) for row in probabilities], int)
    return np.where(rng.random(rows) < 0.7, likely, rng.integers(0, classes, rows)), probabilities


@pytest.mark.parametrize('classes', [2, 3, 7, 1000])
def test_measures_of_one_class_per_row_are_those_of_scikit_learn(classes: int) -> None:
    labels, probabilities = draw(400, classes)
    predicted = probabilities.argmax(axis=1)
    measured = measure(labels, probabilities, spec_of(classes))
    assert measured.rows == 400
    assert measured.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted))
    present = np.unique(labels)
    recalls = metrics.recall_score(labels, predicted, labels=present, average=None)
    assert measured.balanced_accuracy == pytest.approx(recalls.mean())
    assert measured.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average='macro'))
    everything = range(classes)
    assert measured.log_loss == pytest.approx(metrics.log_loss(labels, probabilities, labels=everything))
    assert (measured.confusion == metrics.confusion_matrix(labels, predicted, labels=everything)).all()
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(
        labels, predicted, labels=everything, zero_division=np.nan
    )
    assert [c.precision for c in measured.classes] == pytest.approx(precision, nan_ok=True)
    assert [c.recall for c in measured.classes] == pytest.approx(recall, nan_ok=True)
    assert [c.f1 for c in measured.classes] == pytest.approx(f1, nan_ok=True)
    assert [c.rows for c in measured.classes] == list(rows)
    assert sum(c.predicted for c in measured.classes) == 400
    if classes >= 5:
        assert measured.top_k_accuracy == pytest.approx(
            metrics.top_k_accuracy_score(labels, probabilities, k=3, labels=everything)
        )
    else:
        assert measured.top_k_accuracy is None
    one_hot = np.eye(classes)[labels]
    squares = ((probabilities - one_hot) ** 2).sum(axis=1).mean()
    assert measured.brier == pytest.approx(squares / 2 if classes == 2 else squares)


def test_binary_measures_rate_the_probability_of_the_second_class() -> None:
    labels, probabilities = draw(500, 2)
    measured = measure(labels, probabilities, LabelSpec())
    assert measured.brier == pytest.approx(metrics.brier_score_loss(labels, probabilities[:, 1]))
    assert measured.auc == pytest.approx(metrics.roc_auc_score(labels, probabilities[:, 1]))


def test_equal_probabilities_count_half_in_the_auc() -> None:
    labels, probabilities = draw(300, 2)
    rounded = probabilities.round(1)
    assert measure(labels, rounded, LabelSpec()).auc == pytest.approx(
        metrics.roc_auc_score(labels, rounded[:, 1])
    )


def test_ordinal_measures_know_the_order() -> None:
    labels, probabilities = draw(500, 5)
    predicted = probabilities.argmax(axis=1)
    measured = measure(labels, probabilities, STARS)
    assert measured.mean_absolute_error == pytest.approx(metrics.mean_absolute_error(labels, predicted))
    assert measured.quadratic_kappa == pytest.approx(
        metrics.cohen_kappa_score(labels, predicted, weights='quadratic')
    )
    assert measured.auc is None


def test_the_absolute_error_is_in_the_values_of_the_classes() -> None:
    spec = LabelSpec('ordinal', ('0 %', '10 %', '100 %'))
    probabilities = np.eye(3)[[0, 2]]
    assert measure([1, 1], probabilities, spec).mean_absolute_error == pytest.approx((10 + 90) / 2)


@pytest.mark.parametrize('classes', [1, 3, 40])
def test_multilabel_measures_are_those_of_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(1)
    probabilities = rng.random((300, classes))
    labels = rng.random((300, classes)) < probabilities * 0.6
    predicted = probabilities >= 0.5
    measured = measure(labels, probabilities, LabelSpec('multilabel', names(classes)))
    assert (
        measured.accuracy
        == measured.subset_accuracy
        == pytest.approx((labels == predicted).all(axis=1).mean())
    )
    if classes > 1:
        assert measured.micro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average='micro'))
        assert measured.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average='macro'))
        assert measured.hamming == pytest.approx(metrics.hamming_loss(labels, predicted))
    cells = labels.ravel(), probabilities.ravel()
    assert measured.log_loss == pytest.approx(metrics.log_loss(*cells))
    assert measured.brier == pytest.approx(metrics.brier_score_loss(*cells))
    assert measured.confusion is None
    assert measured.balanced_accuracy is None


def test_multilabel_rows_without_a_class_count() -> None:
    measured = measure(
        [[False, False], [True, False]], [[0.1, 0.2], [0.1, 0.2]], LabelSpec('multilabel', names(2))
    )
    assert (measured.accuracy, measured.hamming) == (0.5, 0.25)
    assert math.isnan(measured.classes[0].precision)
    assert measured.classes[0].recall == 0
    assert math.isnan(measured.classes[1].f1)


def test_the_calibration_error_of_several_classes_is_that_of_the_predicted_one() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1]] * 5)
    assert measure([0, 0, 0, 0, 1], probabilities, spec_of(3)).ece == pytest.approx(0)
    assert measure([1] * 5, probabilities, spec_of(3)).ece == pytest.approx(0.8)


def test_a_model_may_choose_its_class_otherwise_than_by_the_highest_probability() -> None:
    measured = measure([1, 0], [[0.6, 0.4], [0.9, 0.1]], LabelSpec(), predictions=[1, 0])
    assert measured.accuracy == 1
    assert measured.ece == pytest.approx(abs(0.4 - 1) / 2 + 0.1 / 2)


@pytest.mark.parametrize('spec', [LabelSpec(), spec_of(6), STARS, LabelSpec('multilabel', names(3))])
def test_no_rows_have_no_measures(spec: LabelSpec) -> None:
    labels = np.zeros((0, 3), bool) if spec.kind == 'multilabel' else np.zeros(0, int)
    measured = measure(labels, np.zeros((0, spec.size)), spec)
    assert measured.rows == 0
    assert all(math.isnan(value) for value in measured.scalars().values())


def test_rows_of_one_class_have_no_auc_and_no_kappa() -> None:
    assert math.isnan(measure([1, 1], [[0.5, 0.5], [0.1, 0.9]], LabelSpec()).auc or 0)
    certain = measure([2, 2], np.eye(5)[[2, 2]], STARS)
    assert math.isnan(certain.quadratic_kappa or 0)
    assert (certain.accuracy, certain.balanced_accuracy, certain.macro_f1) == (1, 1, 1)


def test_classes_without_rows_and_predictions_do_not_lower_the_macro_f1() -> None:
    labels, predicted = [0, 0, 1], np.eye(1000)[[0, 1, 1]]
    assert measure(labels, predicted, spec_of(1000)).macro_f1 == pytest.approx(
        metrics.f1_score(labels, [0, 1, 1], average='macro')
    )


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    single = np.array([[1, 0]], np.float32)
    assert measure([1], single, LabelSpec()).log_loss == pytest.approx(
        -math.log(np.finfo(np.float32).eps), rel=1e-5
    )
    assert measure([1], single.astype(int), LabelSpec()).log_loss == pytest.approx(
        -math.log(np.finfo(float).eps)
    )


@pytest.mark.parametrize(
    ('labels', 'probabilities', 'message'),
    [
        ([0], [[0.2, 0.3, 0.5]], r'probabilities must be \(rows, 2\). Received: \(1, 3\)'),
        ([0, 1], [[0.2, 0.8]], r'labels must be \(1,\). Received: \(2,\)'),
        ([2], [[0.2, 0.8]], 'labels must be from 0 to 1. Received: 2, 2'),
        ([-1], [[0.2, 0.8]], 'labels must be from 0 to 1. Received: -1, -1'),
    ],
)
def test_arrays_that_do_not_match_are_refused(labels: list, probabilities: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(labels, probabilities, LabelSpec())


@pytest.mark.parametrize('kind', ['multiclass', 'ordinal', 'multilabel'])
def test_blocks_of_rows_add_up_to_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = LabelSpec(kind, names(6))  # type: ignore[arg-type]
    labels, probabilities = draw(101, 6)
    labels = np.eye(6, dtype=bool)[labels] if kind == 'multilabel' else labels
    whole = measure(labels, probabilities, spec)
    monkeypatch.setattr(row_scores, '_BLOCK', 60)
    same(measure(labels, probabilities, spec), whole)
    parts = [score_rows(labels[part], probabilities[part], spec) for part in (slice(0, 40), slice(40, None))]
    joined = concatenate(parts)
    assert joined.size == 101
    assert (joined.select(np.arange(40)).terms == parts[0].terms).all()


def same(one: Measures, other: Measures) -> None:
    assert one.scalars() == pytest.approx(other.scalars())
    assert one.classes == other.classes
