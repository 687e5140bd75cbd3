import numpy as np
import pytest
from scipy import special

from vaiven.label_spec import LabelSpec
from vaiven.models.data.dataset import ClassCounts
from vaiven.models.training.calibration import fit_combination
from vaiven.models.training.class_weights import MAX_POSITIVE_WEIGHT, balanced_weights, frequency_thresholds

CLASSES = ('a', 'b', 'c', 'd')
THRESHOLDS = np.array([-1.0, 0.0, 1.0])


def drawn(kind: str, rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of a path that is far too certain and biased, those of a path of noise, and the targets."""
    draw = np.random.default_rng(seed)
    if kind == 'ordinal':
        scores = draw.normal(scale=2, size=rows)
        above = scores[:, None] + draw.logistic(size=(rows, 1)) > THRESHOLDS
        targets = np.eye(4)[above.sum(axis=1)]
        return 4 * scores + 3, draw.normal(size=rows), targets
    logits = draw.normal(scale=2, size=(rows, 4))
    if kind == 'multiclass':
        targets = np.eye(4)[(logits + draw.gumbel(size=logits.shape)).argmax(axis=1)]
    else:
        targets = (logits + draw.logistic(size=logits.shape) > 0).astype(float)
    return 4 * logits + np.array([3, 0, 0, -3]), draw.normal(size=logits.shape), targets


def log_loss(kind: str, combination: np.ndarray, recurrent, wide, targets) -> float:
    if kind == 'ordinal':
        recurrent, wide = recurrent[:, None], wide[:, None]
    logits = combination[0] * recurrent + combination[1] * wide + combination[2]
    if kind == 'multiclass':
        return -float(np.mean(np.sum(targets * special.log_softmax(logits, axis=1), axis=1)))
    above = special.expit(logits)
    if kind == 'multilabel':
        return -float(np.mean(np.log(np.clip(np.where(targets > 0.5, above, 1 - above), 1e-12, 1))))
    edges = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    likelihoods = np.sum(targets * (edges[:, :-1] - edges[:, 1:]), axis=1)
    return -float(np.mean(np.log(np.clip(likelihoods, 1e-12, 1))))


def fit(kind: str, recurrent, wide, targets, weights=None) -> np.ndarray:
    return fit_combination(LabelSpec(kind, CLASSES), recurrent, wide, targets, THRESHOLDS, weights)


@pytest.mark.parametrize('kind', ['multiclass', 'ordinal', 'multilabel'])
def test_calibration_lowers_the_log_loss_of_other_rows_and_finds_the_path_of_noise(kind):
    combination = fit(kind, *drawn(kind))
    unchanged = np.stack([np.ones_like(combination[0]), np.zeros_like(combination[0]), combination[2] * 0])
    if kind == 'ordinal':
        unchanged[2] = -THRESHOLDS
    others = drawn(kind, seed=1)
    assert log_loss(kind, combination, *others) < 0.8 * log_loss(kind, unchanged, *others)
    np.testing.assert_allclose(combination[0], 0.25, atol=0.1)
    np.testing.assert_allclose(combination[1], 0, atol=0.3)


@pytest.mark.parametrize('kind', ['multiclass', 'ordinal', 'multilabel'])
@pytest.mark.parametrize('rows', [1, 5, 600])
def test_without_a_wide_path_its_weight_is_zero_and_all_numbers_are_finite(kind, rows):
    recurrent, _, targets = drawn(kind, rows)
    combination = fit(kind, recurrent, None, targets)
    assert combination.shape == (3, 3 if kind == 'ordinal' else 4)
    assert not combination[1].any()
    assert np.isfinite(combination).all()


@pytest.mark.parametrize('rows', [4, 600])
def test_fitted_thresholds_increase(rows):
    combination = fit('ordinal', *drawn('ordinal', rows))
    assert (np.diff(combination[2]) < 0).all()  # c is minus the thresholds
    recurrent, wide, targets = drawn('ordinal', rows)
    targets[:, 1:3] = 0  # no row of the classes between the lowest and the highest
    assert (np.diff(fit('ordinal', recurrent, wide, targets)[2]) < 0).all()


def test_few_rows_are_fitted_with_one_temperature_and_no_bias():
    combination = fit('multiclass', *drawn('multiclass', 39))
    assert not combination[2].any()
    assert len(set(combination[0])) == len(set(combination[1])) == 1
    assert fit('multiclass', *drawn('multiclass', 40))[2].any()


def test_a_class_without_rows_has_no_bias():
    recurrent, wide, targets = drawn('multiclass')
    has_row = targets[:, 2] == 0
    combination = fit('multiclass', recurrent[has_row], wide[has_row], targets[has_row])
    assert combination[2, 2] == 0
    assert combination[2, [0, 1, 3]].all()


def test_targets_may_be_soft():
    recurrent, wide, targets = drawn('multiclass')
    soft = 0.9 * targets + 0.025
    assert (
        0 < fit('multiclass', recurrent, wide, soft)[0, 0] < fit('multiclass', recurrent, wide, targets)[0, 0]
    )


@pytest.mark.parametrize('kind', ['multiclass', 'ordinal', 'multilabel'])
def test_weighted_classes_become_more_probable(kind):
    rows = drawn(kind)
    plain, weighted = fit(kind, *rows), fit(kind, *rows, np.array([1, 1, 1, 8.0]))
    assert weighted[2, -1] > plain[2, -1] + 0.5


def test_balanced_weights_are_those_of_scikit_learn():
    counts = ClassCounts(10, np.array([1.0, 4.0, 5.0, 0.0]))
    weights = balanced_weights(LabelSpec('multiclass', CLASSES), counts)
    np.testing.assert_allclose(weights, [10 / 4, 10 / 16, 10 / 20, 1])


def test_the_weights_of_several_labels_are_bounded():
    counts = ClassCounts(1000, np.array([1.0, 250.0, 999.0, 0.0]))
    weights = balanced_weights(LabelSpec('multilabel', CLASSES), counts)
    np.testing.assert_allclose(weights, [MAX_POSITIVE_WEIGHT, 3, 1 / MAX_POSITIVE_WEIGHT, 1])


def test_the_first_thresholds_give_the_frequencies_of_the_classes():
    thresholds = frequency_thresholds(ClassCounts(1000, np.array([100.0, 400.0, 0.0, 500.0])), None)
    below = special.expit(thresholds)
    np.testing.assert_allclose(below, [0.1, 0.5, 0.5], atol=2e-3)
    assert (np.diff(thresholds) > 0).all()
    balanced = frequency_thresholds(ClassCounts(4, np.array([1.0, 3.0])), np.array([2, 2 / 3]))
    np.testing.assert_allclose(balanced, [0], atol=0.3)
