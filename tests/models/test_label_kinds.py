"""Trainings for each kind of label."""

import logging

import keras
import numpy as np
import pytest

from tests.models.rows import VOCABULARY, ngrams_of, texts_of_classes, write_rows
from vaiven.label_spec import LabelSpec
from vaiven.models.data.trainer_inputs import TrainerInputs
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.training.checkpoints import Checkpoint
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.fine_tuning import layer_depths
from vaiven.models.training.trainer import train
from vaiven.models.training.tuning import RandomSearchTuner

pytestmark = pytest.mark.slow

KINDS = ('multiclass', 'ordinal', 'multilabel')
CLASSES = ('malísimo', '😐', 'جيد')
NETWORK = NetworkConfig(
    bidirectional=False, units=12, embedding_size=8, token_dropout=0.0, dropout=0.1, head_dropout=0.1, wide_ngrams=64
)  # fmt: skip
TRAINING = {'epochs': 5, 'batch_size': 32, 'learning_rate': 0.03, 'softmax_candidates': 0}


def trained(folder, kind: str, network=NETWORK, checkpoint=None, callbacks=(), **changes) -> Network:
    train_rows = write_rows(folder / 'train.gz', *texts_of_classes(kind, 400, 1))
    eval_rows = write_rows(folder / 'eval.gz', *texts_of_classes(kind, 120, 2))
    return train(
        network,
        TrainingConfig(**{**TRAINING, **changes}),
        VOCABULARY,
        [train_rows],
        [eval_rows],
        labels=LabelSpec(kind, CLASSES),
        checkpoint=checkpoint,
        callbacks=callbacks,
    )


def inputs_of(texts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    ids = keras.utils.pad_sequences([[2, *text, 3] for text in texts], padding='post')
    return ids, keras.utils.pad_sequences([ngrams_of(text) for text in texts], padding='post')


def share_right(network: Network) -> float:
    texts, labels = texts_of_classes(network.labels.kind, 200, 3)
    probabilities = np.array(network.probabilities(*inputs_of(texts)))
    if network.labels.kind != 'multilabel':
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        return float(np.mean(probabilities.argmax(axis=1) == labels))
    truth = [[c in label for c in range(3)] for label in labels]
    return float(np.mean(np.all((probabilities > 0.5) == truth, axis=1)))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('class_weight', ['none', 'balanced'])
def test_each_kind_is_learned_and_calibrated(kind, class_weight, tmp_path, caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    network = trained(tmp_path, kind, class_weight=class_weight)
    assert share_right(network) > 0.9
    name = 'accuracy' if kind == 'ordinal' else 'macro-F1'
    assert any(line.startswith(f'validation: {name} ') for line in caplog.messages)
    assert network.combination.shape == (3, 2 if kind == 'ordinal' else 3)
    if network.thresholds is not None:
        assert (np.diff(np.array(network.thresholds.values())) > 0).all()
        assert (np.diff(np.array(network.combination)[2]) < 0).all()


def test_a_rare_class_gets_a_higher_probability_if_the_classes_are_balanced(tmp_path):
    texts, labels = texts_of_classes('multiclass', 300, 1)
    # Half of the texts of the last class hide it, and most rows are of the first one.
    rows = [
        ([t for t in text if t != 6] or [9] if number % 2 else text, label)
        for number, (text, label) in enumerate(zip(texts, labels, strict=True))
        if label == 0 or number % 6 == 0
    ]
    file = write_rows(tmp_path / 'rows.gz', *zip(*rows, strict=True))
    spec = LabelSpec('multiclass', CLASSES)
    plain, balanced = (
        train(NETWORK, TrainingConfig(**TRAINING, class_weight=way), VOCABULARY, [file], [file], labels=spec)
        for way in ('none', 'balanced')
    )
    unclear = inputs_of([[9, 10], [11, 12, 13]])
    rare = [np.array(network.probabilities(*unclear))[:, 1:].sum() for network in (plain, balanced)]
    assert rare[1] > rare[0]


@pytest.mark.parametrize('kind', KINDS)
def test_a_killed_training_resumes_to_the_same_weights(kind, tmp_path):
    def stop(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    network = NetworkConfig(cell='simple_rnn', bidirectional=False, units=4, embedding_size=4, wide_ngrams=16)
    kill = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    path = str(tmp_path / 'training.npz')

    def run(checkpoint, callbacks=()):
        return trained(tmp_path, kind, network, checkpoint, callbacks, epochs=2, seed=4)

    with pytest.raises(KeyboardInterrupt):
        run(Checkpoint(path, 'x', {}), [kill])
    resumed, whole = run(Checkpoint(path, 'x', {})), run(None)
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_classes_are_another_training(tmp_path):
    values = {'network': {}, 'training': {}, 'text': {}}
    labels = (
        {},
        {'label_kind': 'multiclass', 'classes': CLASSES},
        {'label_kind': 'ordinal', 'classes': CLASSES},
        {'label_kind': 'ordinal', 'classes': CLASSES[::-1]},
    )
    fingerprints = {TrainerInputs({**values, 'data': data}, '', (), (), ()).fingerprint() for data in labels}
    assert len(fingerprints) == 4


@pytest.mark.parametrize('kind', KINDS)
def test_the_hyperparameters_of_each_kind_are_searched(kind, tmp_path):
    file = write_rows(tmp_path / 'rows.gz', *texts_of_classes(kind, 64))
    values = {
        'network': {
            'cell': 'simple_rnn', 'bidirectional': False, 'units': 4, 'embedding_size': 4, 'wide_ngrams': 0,
        },
        'training': {**TRAINING, 'epochs': 1},
        'text': {},
        'tuning': {'trials': 2},
        'data': {'label_kind': kind, 'classes': list(CLASSES)},
    }  # fmt: skip
    tuner = RandomSearchTuner(TrainerInputs(values, '', VOCABULARY, (file,), (file,)), 2, str(tmp_path / 't'))
    tuner.search()
    assert all(0 < trial.score < 5 for trial in tuner.oracle.trials.values())


def test_the_thresholds_are_part_of_the_head_for_the_rates_of_the_layers():
    network = Network(NETWORK, 32, labels=LabelSpec('ordinal', CLASSES))
    network(np.array([[2, 3]]))
    depths = layer_depths(network)
    of_head = {id(weight) for weight in (*network.sentiment.weights, *network.thresholds.weights)}
    found = [
        depth
        for weight, depth in zip(network.trainable_variables, depths, strict=True)
        if id(weight) in of_head
    ]
    assert found == [0, 0, 0]


def test_a_split_of_one_class_leaves_the_thresholds_of_the_training(tmp_path, caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    texts, labels = texts_of_classes('ordinal', 60)
    rows = write_rows(tmp_path / 'a.gz', texts, labels), write_rows(tmp_path / 'b.gz', texts, [1] * 60)
    network = train(
        NETWORK,
        TrainingConfig(**{**TRAINING, 'epochs': 1}),
        VOCABULARY,
        [rows[0]],
        [rows[1]],
        labels=LabelSpec('ordinal', CLASSES),
    )
    assert 'the validation rows have labels of one class only (😐)' in caplog.messages[-1]
    a, b, c = np.array(network.combination)
    assert (a.tolist(), b.tolist()) == ([1, 1], [0, 0])
    np.testing.assert_allclose(c, -np.array(network.thresholds.values()), rtol=1e-6)
