import numpy as np
import pytest
from scipy import special

from vaiven.label_spec import LabelSpec
from vaiven.models.network.heads import label_probabilities
from vaiven.models.training.calibration import combine, log_losses
from vaiven.models.training.recalibration import Recalibration, cross_validated, to_logits

KINDS = ('binary', 'multiclass', 'ordinal', 'multilabel')
CLASSES = ('no', 'so-so', 'sí', '👍🏽')


def spec(kind: str) -> LabelSpec:
    return LabelSpec(kind, CLASSES[:2] if kind == 'binary' else CLASSES)


def drawn(kind: str, rows: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are far too certain and biased, float32 as a model answers them, and the targets."""
    draw = np.random.default_rng(seed)
    labels = spec(kind)
    if kind == 'ordinal':
        logits = draw.normal(scale=2, size=(rows, 1)) - np.array([-1.0, 0.0, 1.5])
    else:
        logits = draw.normal(scale=1.5, size=rows if kind == 'binary' else (rows, labels.size))
    true = np.array(label_probabilities(labels, logits))
    if kind == 'multilabel':
        targets = (draw.random(true.shape) < true).astype(float)
    else:
        places = (draw.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1)
        targets = np.eye(labels.size)[np.minimum(places, labels.size - 1)]
    return np.array(label_probabilities(labels, 3 * logits + 1)).astype(np.float32), targets


def mean_loss(kind: str, probabilities: np.ndarray, targets: np.ndarray) -> float:
    bounded = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    losses = targets * np.log(bounded)
    if kind == 'multilabel':
        losses = losses + (1 - targets) * np.log(1 - bounded)
    return -float(losses.sum(axis=1).mean())


@pytest.mark.parametrize('kind', KINDS)
def test_it_lowers_the_loss_of_rows_that_it_was_not_fitted_to(kind):
    probabilities, targets = drawn(kind)
    fitted = Recalibration.fit(spec(kind), probabilities, targets)
    others, truth = drawn(kind, seed=1)
    assert mean_loss(kind, fitted.apply(others), truth) < 0.9 * mean_loss(kind, others, truth)
    crossed = cross_validated(spec(kind), probabilities, targets)
    assert mean_loss(kind, crossed, targets) < 0.9 * mean_loss(kind, probabilities, targets)
    np.testing.assert_allclose(fitted.factor, 1 / 3, atol=0.12)


@pytest.mark.parametrize('kind', KINDS)
def test_logits_give_the_probabilities_again(kind):
    probabilities, _ = drawn(kind)
    again = np.array(label_probabilities(spec(kind), to_logits(spec(kind), probabilities)))
    np.testing.assert_allclose(again, probabilities, atol=2e-6)


@pytest.mark.parametrize('kind', KINDS)
def test_the_new_combination_of_the_paths_gives_the_calibrated_probabilities(kind):
    labels = spec(kind)
    draw = np.random.default_rng(3)
    shape = (50,) if kind in ('binary', 'ordinal') else (50, labels.size)
    recurrent, wide = draw.normal(size=shape), draw.normal(size=shape)
    old = np.array([0.7, 0.5, 0.1])
    if kind != 'binary':
        c = -np.array([-1.0, 0.2, 1.1]) if kind == 'ordinal' else draw.normal(size=labels.size)
        old = np.stack([np.full_like(c, 0.7), np.full_like(c, 0.5), c])
    served = np.array(label_probabilities(labels, combine(labels, old, recurrent, wide)))
    _, targets = drawn(kind, rows=50)
    fitted = Recalibration.fit(labels, served, targets)
    new = np.array(label_probabilities(labels, combine(labels, fitted.combination(old), recurrent, wide)))
    np.testing.assert_allclose(new, fitted.apply(served), atol=1e-5)


def test_certain_answers_and_a_class_without_rows_give_finite_numbers():
    labels = spec('multiclass')
    probabilities = np.repeat(np.eye(4)[:3], 20, axis=0)
    fitted = Recalibration.fit(labels, probabilities, probabilities)
    assert np.isfinite(fitted.factor).all()
    assert np.isfinite(fitted.bias).all()
    assert np.isfinite(fitted.apply(np.eye(4))).all()


@pytest.mark.parametrize('kind', KINDS)
def test_log_losses_are_those_of_the_probabilities(kind):
    probabilities, targets = drawn(kind)
    labels = spec(kind)
    flat = targets[:, 1] if kind == 'binary' else targets
    losses = log_losses(labels, to_logits(labels, probabilities), flat)
    assert losses.mean() == pytest.approx(mean_loss(kind, probabilities, targets), rel=1e-3)


def test_weights_of_classes_count_in_log_losses():
    logits = np.array([special.logit(0.8), special.logit(0.8)])
    losses = log_losses(spec('binary'), logits, np.array([1.0, 0.0]), np.array([2.0, 0.5]))
    np.testing.assert_allclose(losses, [-0.5 * np.log(0.8), -2 * np.log(0.2)], rtol=1e-6)
