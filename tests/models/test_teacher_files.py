"""Rows of a teacher in training: their weights, and what they must not change."""

import numpy as np
import pytest

from tests.models.rows import write_rows
from vaiven.label_spec import LabelSpec
from vaiven.models.data import dataset
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.losses import label_loss
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.trainer import train

pytestmark = pytest.mark.slow

CLASSES = ('mal', '🙂', 'جيد')
NETWORK = NetworkConfig(units=8, embedding_size=8, dropout=0, token_dropout=0, head_dropout=0, wide_ngrams=0)
VOCABULARY = [f'w{number}' for number in range(20)]
TOKENS = {'binary': (5, 6), 'multiclass': (5, 6, 7), 'ordinal': (5, 6, 7), 'multilabel': (5, 6, 7)}


def spec(kind: str) -> LabelSpec:
    return LabelSpec(kind, CLASSES[:2] if kind == 'binary' else CLASSES)


def shares(kind: str, number: int) -> list[float]:
    """What a teacher is sure of, when a text has the token of class `number`."""
    return [0.98 if index == number else 0.02 / (spec(kind).size - 1) for index in range(spec(kind).size)]


@pytest.mark.parametrize('kind', TOKENS)
def test_each_row_of_a_batch_has_its_weight(tmp_path, kind):
    labels = [[0]] * 5 if kind == 'multilabel' else [0] * 5
    none = [[-1]] * 4 if kind == 'multilabel' else [-1] * 4
    labelled = dataset.read_examples([write_rows(tmp_path / 'a.gz', [[5]] * 5, labels)], 0.0, spec(kind))
    file = write_rows(tmp_path / 'b.gz', [[6]] * 4, none, probabilities=[shares(kind, 1)] * 4)
    taught = dataset.read_examples([file], 0.0, spec(kind))
    rows = dataset.weighted(labelled, 1.0).concatenate(dataset.weighted(taught, 0.25))
    assert len(dataset.token_counts(rows)) == 9
    [(ids, targets, weights)] = dataset.training_batches(rows, 16, 50, 0, labels=spec(kind))
    assert sorted(zip(ids[:, 1].numpy(), weights.numpy(), strict=True)) == [(5, 1.0)] * 5 + [(6, 0.25)] * 4
    dense = targets.numpy() if kind == 'binary' else targets.numpy()[:, 1]
    assert dense == pytest.approx(np.where(ids[:, 1] == 6, 0.98, 0))


@pytest.mark.parametrize('kind', TOKENS)
def test_the_weight_of_a_row_is_a_factor_of_its_loss(kind):
    size = 2 if kind in ('binary', 'ordinal') else 3
    logits = np.array([[0.5, -1.0, 2.0][:size], [3.0, 0.0, -0.5][:size], [1.0, 1.0, 1.0][:size]], 'float32')
    targets = np.tile(np.array(shares(kind, 1), 'float32'), (3, 1))
    if kind == 'binary':
        logits, targets = logits[:, 0], targets[:, 1]
    each = [float(label_loss(spec(kind), logits[n : n + 1], targets[n : n + 1])) for n in range(3)]
    weights = np.array([1.0, 0.5, 0.0], 'float32')
    loss = float(label_loss(spec(kind), logits, targets, row_weights=weights))
    assert loss == pytest.approx(np.dot(each, weights) / 3, rel=1e-5)


def trained(folder, kind: str, with_teacher: bool, **settings):
    """A network that has labels for half of the tokens that a teacher knows."""
    draw = np.random.default_rng(0)
    numbers = draw.integers(len(TOKENS[kind]), size=120)
    texts = [[*draw.integers(10, 20, 4), TOKENS[kind][number]] for number in numbers]
    few = [[*draw.integers(10, 20, 4)] for _ in range(24)]
    labels = [n % 2 for n in range(24)]
    several = kind == 'multilabel'
    train_file = write_rows(folder / 'train.gz', few, [[n] for n in labels] if several else labels)
    none = [[-1]] * 120 if several else [-1] * 120
    taught = write_rows(folder / 'teacher.gz', texts, none, probabilities=[shares(kind, n) for n in numbers])
    held = [[n] for n in numbers.tolist()] if several else numbers.tolist()
    eval_file = write_rows(folder / 'eval.gz', texts, held)
    defaults = {'epochs': 12, 'batch_size': 16, 'learning_rate': 0.02, 'patience': 20, 'language_weight': 0.0}
    network = train(
        NETWORK,
        TrainingConfig(**{**defaults, **settings}),
        VOCABULARY,
        [train_file],
        [eval_file],
        labels=spec(kind),
        teacher_files=[taught] if with_teacher else [],
    )
    ids = np.array([[2, 10, token, 3] for token in TOKENS[kind]])
    probabilities = np.array(network.probabilities(ids, np.zeros((len(ids), 1), 'int32')))
    return network, probabilities.argmax(axis=1).tolist()


@pytest.mark.parametrize('kind', TOKENS)
def test_the_network_learns_from_a_teacher_what_no_label_says(tmp_path, kind):
    expected = list(range(spec(kind).size))
    assert trained(tmp_path, kind, with_teacher=True)[1] == expected


def test_the_weights_of_the_classes_depend_on_labels_alone(tmp_path):
    alone, taught = (
        trained(tmp_path, 'multiclass', given, class_weight='balanced', epochs=1)[0].class_weights
        for given in (False, True)
    )
    np.testing.assert_array_equal(alone, taught)
