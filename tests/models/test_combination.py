import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.combination import combine
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network

ROWS = tf.data.Dataset.from_tensors(
    (
        tf.constant([[2, 5, 3], [2, 6, 3], [2, 5, 5], [2, 6, 6], [2, 7, 3]]),
        tf.constant([1.0, 0.0, 1.0, 0.0, -1.0]),
    )
)


def combined(wide_buckets: int, rows: tf.data.Dataset = ROWS) -> Network:
    network = Network(NetworkConfig(units=4, embedding_size=4, wide_buckets=wide_buckets), 8, seed=1)
    combine(network, rows, rows)
    return network


def test_the_wide_path_learns_which_word_is_which():
    network = combined(64)
    _, wide = network.path_logits(np.array([[2, 5, 3], [2, 6, 3]]))
    assert wide[0] > 0 > wide[1]
    assert network.combination[1] > 0


def test_without_a_wide_path_it_counts_for_nothing():
    recurrent, wide, bias = np.array(combined(0).combination)
    assert wide == 0
    assert recurrent != 1  # calibrated
    assert np.isfinite(bias)


@pytest.mark.parametrize('label', [1.0, -1.0])
def test_rows_of_one_class_or_none_change_nothing(label):
    rows = ROWS.map(lambda ids, labels: (ids, tf.fill([5], label)))
    assert np.array(combined(64, rows).combination).tolist() == [1.0, 0.0, 0.0]
