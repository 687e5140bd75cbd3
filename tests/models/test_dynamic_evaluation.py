"""Dynamic evaluation of a network with random weights."""

import dataclasses

import numpy as np
import pytest

from vaiven.configuration import ConfigError
from vaiven.models.language.config import AdaptationConfig
from vaiven.models.language.dynamic_evaluation import dynamic_log_probabilities, static_log_probabilities
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import BOS_ID, EOS_ID

pytestmark = pytest.mark.slow

CONFIG = AdaptationConfig(window=10)
NETWORK = NetworkConfig(bidirectional=False, units=12, embedding_size=6, wide_ngrams=0, subword_buckets=0)
REPETITIVE = [BOS_ID, *[4, 5, 6, 7, 8, 9] * 40, EOS_ID]


def network(**settings) -> Network:
    built = Network(dataclasses.replace(NETWORK, **settings), 12, seed=1)
    built(np.full((1, 2), BOS_ID))
    for weight in built.trainable_variables:
        weight.assign(weight * 2)
    return built


def dynamic(model: Network, *texts, **settings) -> list[np.ndarray]:
    return list(dynamic_log_probabilities(model, texts, dataclasses.replace(CONFIG, **settings)))


def static(model: Network, *texts) -> list[np.ndarray]:
    return list(static_log_probabilities(model, texts))


@pytest.fixture(scope='module')
def model() -> Network:
    return network()


def test_with_learning_rate_0_nothing_changes(model: Network) -> None:
    texts = REPETITIVE, REPETITIVE[:3], [BOS_ID, EOS_ID]
    for adapted, fixed in zip(dynamic(model, *texts, learning_rate=0), static(model, *texts), strict=True):
        np.testing.assert_allclose(adapted, fixed, atol=1e-5)


@pytest.mark.parametrize(
    'settings',
    [{}, {'bidirectional': True, 'layers': 2}, {'embedding_size': 0}, {'cell': 'min_gru'}, {'cell': 'gru'}],
    ids=str,
)
def test_adaptation_to_a_repetitive_text_makes_it_more_probable(settings: dict[str, object]) -> None:
    model = network(**settings)
    [adapted], [fixed] = dynamic(model, REPETITIVE, learning_rate=0.02), static(model, REPETITIVE)
    assert adapted.shape == fixed.shape == (len(REPETITIVE) - 1,)
    assert adapted[-60:].mean() > fixed[-60:].mean() + 0.3


def test_the_first_window_is_predicted_without_adaptation(model: Network) -> None:
    [adapted], [fixed] = dynamic(model, REPETITIVE), static(model, REPETITIVE)
    np.testing.assert_allclose(adapted[:10], fixed[:10], atol=1e-5)
    assert np.abs(adapted[10:20] - fixed[10:20]).max() > 1e-4


def test_no_prediction_depends_on_what_comes_later(model: Network) -> None:
    changed = [*REPETITIVE[:100], *[4] * 50]
    [whole], [other] = dynamic(model, REPETITIVE), dynamic(model, changed)
    np.testing.assert_allclose(whole[:99], other[:99], atol=1e-6)


def test_what_a_text_taught_is_kept_for_the_next_one(model: Network) -> None:
    first, second = dynamic(model, REPETITIVE, REPETITIVE)
    assert second[:10].mean() > first[:10].mean()


def test_two_runs_are_equal_and_the_network_stays_as_it_is(model: Network) -> None:
    weights = [np.array(weight) for weight in model.get_weights()]
    [first], [second] = dynamic(model, REPETITIVE), dynamic(model, REPETITIVE)
    np.testing.assert_array_equal(first, second)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_decay_keeps_the_weights_near_their_original_values(model: Network) -> None:
    [free], [held] = (dynamic(model, REPETITIVE, learning_rate=0.02, decay=decay) for decay in (0.0, 1.0))
    [fixed] = static(model, REPETITIVE)
    assert np.abs(held - fixed)[60:].mean() < 0.8 * np.abs(free - fixed)[60:].mean()


@pytest.mark.parametrize(
    ('settings', 'rule'),
    [
        ({'window': 0}, 'the window must have 1 to 1,000 tokens. Received: 0'),
        ({'window': 1001}, 'the window must have'),
        ({'learning_rate': -1.0}, 'the learning rate must be at least 0'),
        ({'learning_rate': float('nan')}, 'the learning rate must be at least 0'),
        ({'decay': 1.5}, 'the decay must be between 0 and 1'),
    ],
    ids=str,
)
def test_settings_out_of_their_range_are_refused(settings: dict[str, float], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        AdaptationConfig(**settings)  # type: ignore[arg-type]
