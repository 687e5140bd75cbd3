import numpy as np
import pytest

from vaiven.label_spec import LabelSpec
from vaiven.models.network.heads import (
    OrderedThresholds,
    is_correct,
    is_labelled,
    label_probabilities,
    ordinal_log_probabilities,
)
from vaiven.models.network.losses import label_loss

pytestmark = pytest.mark.slow

CLASSES = ('malo', '¿así?', '👍🏽', 'جيد')
EXTREME = [-300.0, -3.0, 0.0, 0.5, 300.0]


def spec(kind: str) -> LabelSpec:
    return LabelSpec(kind, CLASSES[:2] if kind == 'binary' else CLASSES)


def logits_of(kind: str) -> np.ndarray:
    scores = np.array(EXTREME, 'float32')
    if kind == 'binary':
        return scores
    if kind == 'ordinal':
        return np.array(OrderedThresholds(3)(scores))
    return np.stack([scores, scores[::-1], scores * 0, scores + 1], axis=1)


@pytest.mark.parametrize('kind', ['binary', 'multiclass', 'ordinal'])
def test_probabilities_sum_to_1_even_for_extreme_logits(kind):
    probabilities = np.array(label_probabilities(spec(kind), logits_of(kind)))
    assert probabilities.shape == (5, spec(kind).size)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities >= 0).all()


def test_the_probabilities_of_several_labels_are_independent():
    probabilities = np.array(label_probabilities(spec('multilabel'), logits_of('multilabel')))
    np.testing.assert_allclose(probabilities[2], 1 / (1 + np.exp(-np.array([0, 0, 0, 1.0]))), atol=1e-6)


def test_the_second_class_of_two_has_the_probability_of_the_logit():
    probabilities = np.array(label_probabilities(spec('binary'), np.array([2.0], 'float32')))
    np.testing.assert_allclose(probabilities, [[1 - 0.880797, 0.880797]], atol=1e-6)


def test_thresholds_increase_whatever_the_weights_are():
    layer = OrderedThresholds(5)
    for seed in range(20):
        draw = np.random.default_rng(seed)
        layer.set_weights([np.array(draw.normal(scale=50)), draw.normal(scale=50, size=4)])
        assert (np.diff(np.array(layer.values())) >= 0).all()
    layer.set_weights([np.array(-1.0), np.zeros(4)])
    assert (np.diff(np.array(layer.values())) > 0).all()


def test_thresholds_are_set_as_given():
    layer = OrderedThresholds(3)
    np.testing.assert_allclose(np.array(layer.values()), [-1, 0, 1], atol=1e-5)
    layer.set_values([-2.5, 0.25, 40.0])
    np.testing.assert_allclose(np.array(layer.values()), [-2.5, 0.25, 40.0], atol=1e-5)


def test_two_ordered_classes_have_one_threshold():
    layer = OrderedThresholds(1)
    layer.set_values([0.5])
    np.testing.assert_allclose(np.array(layer(np.array([2.0, 0.5], 'float32'))), [[1.5], [0]])


def test_the_classes_between_two_thresholds_have_the_difference_of_the_cumulative_probabilities():
    logits = np.array([[3.0, 0.5, -1.0], [0.25, 0.0, -4.0]], 'float32')
    above = 1 / (1 + np.exp(-logits.astype('float64')))
    edges = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    expected = np.log(edges[:, :-1] - edges[:, 1:])
    np.testing.assert_allclose(np.array(ordinal_log_probabilities(logits)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ('kind', 'targets', 'expected'),
    [
        ('binary', [0, 1, 0.4, 0.6, -1], [1, 0, 1, 1, 0]),
        ('multiclass', [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]], [1, 1, 1, 0, 0]),
        ('ordinal', [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0.1, 0.9], [0, 0, 0, 1]], [1, 0, 0, 1, 1]),
        ('multilabel', [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]], [1, 1, 1, 1, 0]),
    ],
)  # fmt: skip
def test_a_row_is_correct_if_its_most_probable_class_or_all_its_labels_are(kind, targets, expected):
    found = np.array(is_correct(spec(kind), logits_of(kind), np.array(targets, 'float32')))
    assert found.tolist() == expected


def test_rows_of_minus_one_are_unlabelled():
    assert np.array(is_labelled(np.array([1.0, -1.0, 0.0]))).tolist() == [1, 0, 1]
    assert np.array(is_labelled(np.array([[0.0, 1.0], [-1.0, -1.0]]))).tolist() == [1, 0]


def cross_entropy(kind: str, targets, weights=1.0) -> float:
    """In numpy, of the second to fourth row of `logits_of`."""
    probabilities = np.array(label_probabilities(spec(kind), logits_of(kind)[1:4]), 'float64')
    parts = weights * targets * np.log(probabilities)
    if kind == 'multilabel':
        parts = parts + (1 - targets) * np.log(1 - probabilities)
    return float(-parts.sum(axis=1).mean())


@pytest.mark.parametrize('kind', ['multiclass', 'ordinal', 'multilabel'])
@pytest.mark.parametrize('weights', [None, [0.5, 1, 2, 4]])
def test_the_loss_is_the_cross_entropy_of_the_labelled_rows(kind, weights):
    targets = np.array([[0.2, 0.8, 0, 0], [0, 0, 1, 0], [0, 0, 0.5, 0.5]], 'float32')
    all_targets = np.concatenate([np.full((1, 4), -1), targets, np.full((1, 4), -1)]).astype('float32')
    given = None if weights is None else np.array(weights, 'float32')
    loss = float(label_loss(spec(kind), logits_of(kind), all_targets, given))
    assert loss == pytest.approx(cross_entropy(kind, targets, 1.0 if weights is None else given), rel=1e-4)


def test_the_classes_of_two_are_weighted():
    logits, targets = np.array([2.0, -1.0], 'float32'), np.array([1.0, 0.25], 'float32')
    loss = label_loss(spec('binary'), logits, targets, np.array([3.0, 0.5], 'float32'))
    rows = [0.5 * np.log1p(np.exp(-2)), 0.25 * 0.5 * np.log1p(np.exp(1)) + 0.75 * 3 * np.log1p(np.exp(-1))]
    assert float(loss) == pytest.approx(np.mean(rows), rel=1e-6)


@pytest.mark.parametrize('kind', ['binary', 'multiclass', 'ordinal', 'multilabel'])
def test_weights_of_1_change_nothing_and_no_labelled_row_is_a_loss_of_0(kind):
    targets = np.full((5,) if kind == 'binary' else (5, 4), 0.25, 'float32')
    ones = np.ones(spec(kind).size, 'float32')
    without, with_ones = (float(label_loss(spec(kind), logits_of(kind), targets, w)) for w in (None, ones))
    assert without == pytest.approx(with_ones, rel=1e-6)
    assert float(label_loss(spec(kind), logits_of(kind), targets * 0 - 1)) == 0
