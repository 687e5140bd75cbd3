import numpy as np
import pytest

from tests.models.rows import labelled_texts, write_rows
from vaiven.configuration import ConfigError
from vaiven.models.data import dataset
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.objective import JointNetwork
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.fine_tuning import LayerRates, layer_depths
from vaiven.models.training.training_loop import train_phase

pytestmark = pytest.mark.slow

SIZES = {'layers': 2, 'units': 4, 'embedding_size': 6, 'subword_buckets': 8, 'wide_ngrams': 0}


def network_of(**sizes) -> JointNetwork:
    network = JointNetwork(
        NetworkConfig(**{**SIZES, **sizes}), 32, language_weight=0.1, softmax_candidates=0, seed=1
    )
    network(np.array([[2, 3]]))
    return network


def index_of(network: JointNetwork) -> dict[str, int]:
    """The index of each weight, by a name without that of the network."""
    names = [variable.path.removeprefix(f'{network.name}/') for variable in network.trainable_variables]
    return {name: number for number, name in enumerate(names)}


def depth_of(network: JointNetwork) -> dict[str, int]:
    found = layer_depths(network)
    return {name: found[number] for name, number in index_of(network).items()}


def test_each_layer_lies_deeper_than_the_one_above_it():
    found = depth_of(network_of())
    assert found['sentiment/kernel'] == 0
    assert found['forward_language/kernel'] == found['backward_1/lstm_cell/bias'] == 1
    assert found['backward_0/lstm_cell/kernel'] == found['forward_0/lstm_cell/recurrent_kernel'] == 2
    assert found['embedding/embeddings'] == found['subwords/vectors'] == found['softmax_bias'] == 3
    assert depth_of(network_of(layers=1, bidirectional=False))['embedding/embeddings'] == 2


def test_rates_fall_from_layer_to_layer_and_layers_are_unfrozen_in_turn():
    network = network_of()
    rates = LayerRates(network, 2.0, 10)
    indices = index_of(network)
    named = {0: 'sentiment/bias', 1: 'forward_language/bias', 3: 'embedding/embeddings'}
    factors = {
        depth: [float(rates(indices[name], step)) for step in (0, 9, 10, 30)] for depth, name in named.items()
    }
    assert factors == {0: [1, 1, 1, 1], 1: [0, 0, 0.5, 0.5], 3: [0, 0, 0, 0.125]}


def moved(folder, decay: float, unfreeze_steps: int) -> dict[int, float]:
    """How far the weights of each depth go in one epoch, the farthest of each."""
    rows = dataset.read_examples([write_rows(folder / 'rows.gz', *labelled_texts(32))])
    network = network_of(token_dropout=0, dropout=0, head_dropout=0)
    before = [np.array(variable) for variable in network.trainable_variables]

    def batches(epoch):
        return dataset.training_batches(rows, 8, 128, 0, epoch)

    steps = dataset.count_batches(dataset.token_counts(rows), 8)
    rates = LayerRates(network, decay, unfreeze_steps)
    train_phase(
        network, TrainingConfig(learning_rate=1e-4), batches, 1, steps, phase='sentiment', layer_rates=rates
    )
    found: dict[int, float] = {}
    for depth, variable, was in zip(rates.depths, network.trainable_variables, before, strict=True):
        found[depth] = max(found.get(depth, 0.0), float(np.abs(np.array(variable) - was).max()))
    return found


def test_training_applies_the_layer_rates(tmp_path):
    plain, slower, frozen = (moved(tmp_path, *how) for how in ((1.0, 0), (4.0, 0), (1.0, 10**6)))
    assert frozen[0] > 0
    assert all(frozen[depth] == 0 for depth in (1, 2, 3))
    for depth in (1, 2, 3):  # Adam's steps are about as long as the rate
        assert slower[depth] == pytest.approx(plain[depth] / 4**depth, rel=0.3)


@pytest.mark.parametrize(
    ('settings', 'rule'),
    [({'layer_decay': 0.5}, 'layer_decay must lie between 1'), ({'unfreeze_epochs': -1}, 'not be negative')],
)
def test_invalid_rates_are_refused(settings, rule):
    with pytest.raises(ConfigError, match=rule):
        TrainingConfig(**settings)
