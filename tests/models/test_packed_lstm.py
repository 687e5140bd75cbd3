"""The LSTM as it is served gives the vectors of the network."""

import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.export.packed_lstm import PackedLSTM
from vaiven.models.export.text_model import padded
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import BOS_ID, EOS_ID

pytestmark = pytest.mark.slow

VOCABULARY = 30


def network(**settings) -> Network:
    made = Network(
        NetworkConfig(**{'units': 5, 'embedding_size': 3, **settings}), VOCABULARY, use_cudnn=False
    )
    made(np.full((1, 2), BOS_ID))  # builds all weights
    made.set_weights(
        [weight + np.random.default_rng(0).normal(0, 0.3, weight.shape) for weight in made.get_weights()]
    )
    return made


def rows(*lengths: int) -> tf.RaggedTensor:
    """Random texts of this many tokens, unknown ones included, between the begin and the end token."""
    random = np.random.default_rng(1)
    texts = [[BOS_ID, *random.integers(4, VOCABULARY, length), 1, EOS_ID][: length + 2] for length in lengths]
    return tf.ragged.constant(texts, tf.int64, ragged_rank=1)


@pytest.mark.parametrize(
    'settings',
    [
        {},
        {'units': 16, 'embedding_size': 16},
        {'layers': 3},
        {'bidirectional': False},
        {'bidirectional': False, 'layers': 2},
        {'embedding_size': 0},
    ],
)
def test_the_vectors_of_texts_of_any_lengths_are_those_of_the_network(settings):
    made = network(**settings)
    packed = PackedLSTM(made)
    served, expected = (
        tf.function(vectors, input_signature=[tf.RaggedTensorSpec([None, None], tf.int64)], autograph=False)
        for vectors in (
            packed.vectors,
            lambda ids: made.pool(*made.encode(padded(ids))),
        )
    )
    for lengths in ((), (0,), (1,), (9,), (0, 0), (3, 3, 3), (0, 7, 2, 7, 1), (2, 40), range(33)):
        ids = rows(*lengths)
        np.testing.assert_allclose(served(ids), expected(ids), atol=1e-6, err_msg=str(lengths))
