"""The task `language` from ids to a network."""

import dataclasses

import numpy as np
import pytest

from vaiven.models.fitting import TrainingError
from vaiven.models.language_training import train_language
from vaiven.models.network.config import NetworkConfig
from vaiven.models.pieces import pieces_of
from vaiven.models.text import SPECIAL_TOKENS
from vaiven.models.training_config import TrainingConfig

NETWORK = NetworkConfig(
    bidirectional=False, units=12, embedding_size=6, dropout=0.1, token_dropout=0, wide_ngrams=0
)
WORDS = [*SPECIAL_TOKENS, 'sola', 'solo', 'rosas', 'rosos', 'y', 'no', 'luna', 'lunar']
TEXT = np.array([4, 5, 6, 7, 8, 9] * 100)


def training(**settings) -> TrainingConfig:
    values = {'task': 'language', 'window': 10, 'batch_size': 4, 'epochs': 8, 'learning_rate': 0.02}
    return TrainingConfig(**{**values, **settings})


def loss(network) -> float:
    states, _ = network.read_on('forward', TEXT[None, :-1], None)
    logits = np.array(network.token_logits(network.project('forward', states)), 'float64')[0]
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return float(-log_probabilities[np.arange(len(TEXT) - 1), TEXT[1:]].mean())


@pytest.mark.parametrize('settings', [{}, {'targets': 'last'}, {'weight_averaging': 0.9}])
def test_a_text_that_repeats_itself_is_learnt(settings) -> None:
    assert loss(train_language(NETWORK, training(**settings), WORDS, TEXT, TEXT[:60])) < 0.7


def test_two_trainings_with_one_seed_give_the_same_weights() -> None:
    first, second = (train_language(NETWORK, training(epochs=2), WORDS, TEXT, TEXT[:60]) for _ in range(2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_words_that_share_pieces_are_told_so() -> None:
    config = dataclasses.replace(NETWORK, piece_buckets=512)
    network = train_language(config, training(epochs=1), WORDS, TEXT, TEXT[:60])
    assert np.count_nonzero(np.array(network.pieces.pieces)[WORDS.index('luna')]) == len(pieces_of('luna'))
    # What predicts them is what reads them: the pieces' vectors are in both.
    np.testing.assert_allclose(
        np.array(network.vector_table()), np.array(network.token_vectors(np.arange(12))), atol=1e-7
    )


def test_too_little_text_is_refused_with_the_rule() -> None:
    with pytest.raises(TrainingError, match=r'longer than a window of 10 tokens. Received: 11 tokens'):
        train_language(NETWORK, training(), WORDS, TEXT[:11], TEXT)
    with pytest.raises(TrainingError, match='the validation text'):
        train_language(NETWORK, training(), WORDS, TEXT, TEXT[:0])
