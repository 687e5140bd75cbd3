import numpy as np
import pytest
import tensorflow as tf

from vaiven.configuration import ConfigError
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.subwords import SubwordEmbeddings
from vaiven.models.text.subwords import assign_subwords, subword_table, subwords_of
from vaiven.models.training.hardware import inference_network


def test_subwords_mark_the_ends_of_a_word():
    assert subwords_of('sol') == ['<so', 'sol', 'ol>', '<sol', 'sol>', '<sol>']
    assert subwords_of('ñu') == ['<ñu', 'ñu>', '<ñu>']
    assert subwords_of('##os') == ['os>']  # continues a word whose start is unknown


@pytest.mark.parametrize('token', ['a', '¡', '👍', '[PAD]', '[UNK]', '[BOS]', '[EOS]'])
def test_single_characters_and_special_tokens_have_none(token):
    assert subwords_of(token) == []


def test_words_that_share_subwords_share_buckets_and_long_words_are_truncated():
    one, other, short, long = subword_table(['maravillosa', 'maravilloso', 'a', 'x' * 100], 4096, 50)
    shared = set(one) & set(other) - {0}
    assert len(shared) >= 20
    assert not short.any()
    assert np.count_nonzero(long) == 50
    assert subword_table(['maravillosa'], 64, 5).max() < 64


def test_the_vector_is_the_sum_divided_by_the_root_of_the_number():
    layer = SubwordEmbeddings(4, 8, 2)
    layer.build((None, None))
    layer.vectors.assign(np.arange(16).reshape(8, 2) * (np.arange(8) > 0)[:, None])
    layer.subword_ids.assign(
        np.pad([[0, 0, 0, 0], [3, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0]], ((0, 0), (0, 16)))
    )
    found = np.array(layer(np.array([[0, 1], [2, 3]])))
    np.testing.assert_allclose(found, [[[0, 0], [6, 7]], [[20 / 2, 24 / 2], [0, 0]]], atol=1e-6)


def test_gradients_sum_over_all_positions_of_a_subword_and_skip_padding():
    layer = SubwordEmbeddings(3, 5, 2, seed=0)
    layer.build((None, None))
    layer.subword_ids.assign(np.pad([[0, 0], [3, 0], [1, 3]], ((0, 0), (0, 18))))
    assert not np.array(layer.vectors)[0].any()
    ids, upstream = np.array([[0, 1], [2, 2]]), np.arange(1.0, 9).reshape(2, 2, 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(ids) * upstream)
    found = np.array(tape.gradient(loss, layer.vectors.value))
    both = upstream[1].sum(axis=0) / np.sqrt(2)
    np.testing.assert_allclose(found, [[0, 0], both, [0, 0], upstream[0, 1] + both, [0, 0]], atol=1e-6)


def test_words_with_similar_subwords_have_similar_vectors_and_unknown_words_none():
    vocabulary = ['[PAD]', '[UNK]', '[BOS]', '[EOS]', 'maravillosa', 'maravilloso', 'perro']
    network = Network(
        NetworkConfig(units=4, embedding_size=64, subword_buckets=4096, wide_ngrams=0), 7, seed=1
    )
    network(np.array([[2, 3]]))
    network.subwords.subword_ids.assign(subword_table(vocabulary, 4096, network.subwords.max_subwords))
    network.embedding.embeddings.assign(np.zeros((7, 64)))
    _, one, other, third = np.array(network.token_vectors(np.array([1, 4, 5, 6])))
    assert one @ other > 5 * abs(one @ third)


def test_folding_subwords_into_the_embedding_changes_no_output():
    vocabulary = ['[PAD]', '[UNK]', '[BOS]', '[EOS]', 'maravillosa', 'maravilloso', 'perro']
    network = Network(NetworkConfig(units=4, embedding_size=8, subword_buckets=64, wide_ngrams=3), 7, seed=1)
    ids = np.array([[2, 4, 1, 6, 3], [2, 5, 3, 0, 0]])
    network(ids)
    assign_subwords(network, vocabulary)
    plain = inference_network(network)
    assert plain.subwords is None
    assert plain.config.subword_buckets == 0
    before, after = network(ids), plain(ids)
    for name in before:
        np.testing.assert_allclose(np.array(after[name]), np.array(before[name]), atol=1e-6)
    np.testing.assert_allclose(
        np.array(plain.token_logits(after['forward'])),
        np.array(network.token_logits(before['forward'])),
        atol=1e-6,
    )
    assert np.abs(np.array(network.subwords(ids[0, 1:2]))).max() > 0.01


def test_one_hot_inputs_have_no_subwords_and_one_bucket_is_refused():
    network = Network(NetworkConfig(units=4, embedding_size=0, subword_buckets=16, wide_ngrams=0), 5)
    assert network.subwords is None
    with pytest.raises(ConfigError, match='subword_buckets must lie between 2 and'):
        NetworkConfig(subword_buckets=1)
