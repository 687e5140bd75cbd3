"""The peer in ONNX Runtime computes what the network computes, and finds the same n-grams."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.serving_onnx import negation_marks, recurrent_graph, subwords_of
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.text.negation import negated_words
from vaiven.models.text.ngrams import word_subwords
from vaiven.models.text.tokenization import BOS_ID, EOS_ID, UNK_ID

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

pytestmark = pytest.mark.slow


def test_the_graph_gives_the_logits_of_the_recurrent_path() -> None:
    network = Network(NetworkConfig(units=5, embedding_size=7, wide_ngrams=0), 12, seed=3)
    ids = np.array(
        [[BOS_ID, 5, UNK_ID, 9, 6, EOS_ID], [BOS_ID, 8, EOS_ID, 0, 0, 0], [BOS_ID, EOS_ID, 0, 0, 0, 0]]
    )
    expected = network.recurrent_logits(ids.astype(np.int32)).numpy()
    draws = np.random.default_rng(0)
    for variable in network.trainable_variables:  # initial biases are zeros
        variable.assign(draws.normal(size=variable.shape, scale=0.5))
    assert not np.allclose(network.recurrent_logits(ids.astype(np.int32)).numpy(), expected, atol=1e-3)
    session = onnxruntime.InferenceSession(recurrent_graph(network))
    (found,) = session.run(None, {'ids': ids, 'lengths': np.array([6, 3, 2], np.int32)})
    assert np.allclose(found, network.recurrent_logits(ids.astype(np.int32)).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    'text',
    ['it is not a good film , but fine', 'far from no one never bad', 'anything but a bad day . nice',
     'sin ninguna gracia y lejos de aburrir mucho a nadie', '¿ no ? ñandú 👍', 'not'],
)  # fmt: skip
@pytest.mark.parametrize('scope', [1, 4])
def test_negations_and_subwords_are_those_of_the_package(text: str, scope: int) -> None:
    words = text.split()
    rows = tf.RaggedTensor.from_tensor(tf.constant([words]))
    assert [bool(mark) for mark in negation_marks(words, scope)] == negated_words(
        rows, scope
    ).numpy().tolist()
    (expected,) = word_subwords(rows).to_list()
    assert [sorted(subwords_of(word)) for word in words] == [
        sorted(part.decode() for part in parts) for parts in expected
    ]
