"""The task `language` from ids to a network."""

import dataclasses

import keras
import numpy as np
import pytest

from vaiven.models.network.config import NetworkConfig
from vaiven.models.text.subwords import subwords_of
from vaiven.models.text.tokenization import SPECIAL_TOKENS
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.language import train_language

pytestmark = pytest.mark.slow

NETWORK = NetworkConfig(
    bidirectional=False, units=12, embedding_size=6, dropout=0.1, token_dropout=0, wide_ngrams=0
)
WORDS = [*SPECIAL_TOKENS, 'sola', 'solo', 'rosas', 'rosos', 'y', 'no', 'luna', 'lunar']
TEXT = np.array([4, 5, 6, 7, 8, 9] * 100)


def training(**settings) -> TrainingConfig:
    values = {'task': 'language', 'window': 10, 'batch_size': 4, 'epochs': 8, 'learning_rate': 0.02}
    return TrainingConfig(**{**values, **settings})


def loss(network) -> float:
    states, _ = network.read_window('forward', TEXT[None, :-1], None)
    logits = np.array(network.token_logits(network.project('forward', states)), 'float64')[0]
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return float(-log_probabilities[np.arange(len(TEXT) - 1), TEXT[1:]].mean())


@pytest.mark.parametrize('settings', [{}, {'targets': 'last'}, {'weight_averaging': 0.9}])
def test_a_repetitive_text_is_learnt(settings) -> None:
    assert loss(train_language(NETWORK, training(**settings), WORDS, TEXT, TEXT[:60])) < 0.7


class ValidationLosses(keras.callbacks.Callback):
    """The validation loss of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append(logs['val_language_loss'])


@pytest.mark.parametrize('part', ['text', 'validation'])
def test_a_text_with_fewer_windows_than_a_batch_is_accepted(part: str) -> None:
    texts = {'text': TEXT, 'validation': TEXT, part: TEXT[:14]}
    recorder = ValidationLosses()
    settings = training(targets='last', batch_size=64, epochs=2)
    train_language(NETWORK, settings, WORDS, **texts, callbacks=[recorder])
    assert all(0 < loss < 5 for loss in recorder.losses)
    assert len(recorder.losses) == 2


@pytest.mark.parametrize('bidirectional', [False, True])
def test_the_loss_of_a_short_validation_text_does_not_depend_on_the_batch_size(
    bidirectional,
) -> None:
    config = dataclasses.replace(NETWORK, bidirectional=bidirectional, dropout=0.0)
    held = TEXT[:13]
    recorder = ValidationLosses()
    network = train_language(
        config, training(batch_size=15, epochs=1), WORDS, TEXT, held, callbacks=[recorder]
    )
    losses = []
    for direction, ids in zip(network.directions, (held, held[::-1]), strict=False):
        states, _ = network.read_window(direction, ids[None, :-1], None)
        logits = np.array(network.token_logits(network.project(direction, states)), 'float64')[0]
        log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        losses.append(-log_probabilities[np.arange(len(held) - 1), ids[1:]].mean())
    assert recorder.losses == pytest.approx([np.mean(losses)], rel=1e-4)


def test_two_trainings_with_one_seed_give_the_same_weights() -> None:
    first, second = (train_language(NETWORK, training(epochs=2), WORDS, TEXT, TEXT[:60]) for _ in range(2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_subwords_are_assigned_and_shared_with_the_softmax() -> None:
    config = dataclasses.replace(NETWORK, subword_buckets=512)
    network = train_language(config, training(epochs=1), WORDS, TEXT, TEXT[:60])
    assert np.count_nonzero(np.array(network.subwords.subword_ids)[WORDS.index('luna')]) == len(
        subwords_of('luna')
    )
    # The softmax and the input share the vectors, subwords included.
    np.testing.assert_allclose(
        np.array(network.vector_table()), np.array(network.token_vectors(np.arange(12))), atol=1e-7
    )


def test_a_short_text_is_refused_with_the_rule() -> None:
    with pytest.raises(TrainingError, match=r'longer than a window of 10 tokens. Received: 11 tokens'):
        train_language(NETWORK, training(), WORDS, TEXT[:11], TEXT)
    with pytest.raises(TrainingError, match='the validation text'):
        train_language(NETWORK, training(), WORDS, TEXT, TEXT[:0])
