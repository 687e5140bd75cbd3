import itertools

import keras
import numpy as np
import pytest

from vaiven.models.network.config import CELLS, NetworkConfig
from vaiven.models.network.layers import MaskedPooling, TokenDropout, reverse_sequences
from vaiven.models.network.losses import language_loss, sentiment_loss
from vaiven.models.network.network import Network
from vaiven.models.network.wide import ngram_ids

IDS = np.array([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]], 'int32')


def small(**options) -> Network:
    network = Network(NetworkConfig(units=6, embedding_size=4, **options), 12, seed=1)
    network(IDS)
    return network


def test_reversing_leaves_the_padding_at_the_right():
    reversed_ids = reverse_sequences(keras.ops.convert_to_tensor(IDS), np.array([5, 3]))
    assert np.array(reversed_ids).tolist() == [[3, 7, 6, 5, 2], [3, 8, 2, 0, 0]]


def test_pooling_ignores_the_padding():
    states = np.array([[[1.0], [3.0], [9.0]], [[-2.0], [-1.0], [-4.0]]], 'float32')
    pooled = MaskedPooling()(states, np.array([2, 3]))
    np.testing.assert_allclose(np.array(pooled), [[3, 3, 2], [-4, -1, -7 / 3]], rtol=1e-6)


def test_token_dropout_blanks_whole_tokens_in_training_only():
    layer = TokenDropout(0.5, seed=3)
    vectors = np.ones((4, 50, 3), 'float32')
    dropped = np.array(layer(vectors, training=True))
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert (dropped.min(axis=2) == dropped.max(axis=2)).all()
    assert (np.array(layer(vectors, training=False)) == 1).all()


@pytest.mark.parametrize('cell', CELLS)
@pytest.mark.parametrize('layers', [1, 2])
def test_no_direction_sees_its_own_future(cell, layers):
    network = small(cell=cell, layers=layers)
    changed = IDS.copy()
    changed[0, 3] = 9
    for direction, places in (('forward', slice(0, 3)), ('backward', slice(0, 1))):
        before = np.array(network(IDS)[direction])
        after = np.array(network(changed)[direction])
        np.testing.assert_allclose(before[0, places], after[0, places], atol=1e-6)
        assert np.abs(before[0] - after[0]).max() > 1e-4


@pytest.mark.parametrize('cell', CELLS)
def test_padding_changes_nothing(cell):
    network = small(cell=cell)
    alone = network(IDS[1:, :3])
    together = network(IDS)
    for name in ('forward', 'backward'):
        np.testing.assert_allclose(np.array(alone[name])[0], np.array(together[name])[1, :3], atol=1e-6)
    np.testing.assert_allclose(np.array(alone['sentiment'])[0], np.array(together['sentiment'])[1], atol=1e-6)


def test_one_seed_gives_the_same_weights():
    for one, other in zip(small().get_weights(), small().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_unlabelled_rows_do_not_count_in_the_sentiment_loss():
    loss = sentiment_loss(np.array([2.0, -9.0, 0.5], 'float32'), np.array([1.0, -1.0, 0.0], 'float32'))
    expected = (np.log1p(np.exp(-2.0)) + np.log1p(np.exp(0.5))) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_full_softmax_loss_is_the_cross_entropy_of_the_right_tokens():
    network = small()
    outputs = network(IDS)
    losses = language_loss(network, outputs, IDS, 0, None)
    read = {'forward': IDS, 'backward': np.array([[3, 7, 6, 5, 2], [3, 8, 2, 0, 0]])}
    for direction, loss in losses.items():
        logits = np.array(network.token_logits(outputs[direction]), 'float64')
        log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        wanted = [
            -log_probabilities[row, step, read[direction][row, step + 1]]
            for row in range(2)
            for step in range(4)
            if read[direction][row, step + 1]
        ]
        assert float(loss) == pytest.approx(np.mean(wanted), rel=1e-5)


def test_sampled_softmax_agrees_with_the_full_one_on_average():
    network = Network(NetworkConfig(units=6, embedding_size=4), 400, seed=1)
    ids = np.random.default_rng(0).integers(4, 400, (8, 12)).astype('int32')
    outputs = network(ids)
    full = float(language_loss(network, outputs, ids, 0, None)['forward'])
    seed = keras.random.SeedGenerator(5)
    sampled = np.mean([float(language_loss(network, outputs, ids, 200, seed)['forward']) for _ in range(40)])
    assert sampled == pytest.approx(full, abs=0.05)


def test_words_and_pairs_of_a_text_count_once_and_padding_never():
    ids = np.array([[2, 5, 5, 5, 3, 0], [2, 3, 0, 0, 0, 0]], 'int32')
    ngrams = [set(row[row > 0].tolist()) for row in np.array(ngram_ids(ids, 12, 1000))]
    kept = [int((row > 0).sum()) for row in np.array(ngram_ids(ids, 12, 1000))]
    assert kept == [len(found) for found in ngrams] == [3 + 3, 2 + 1]  # 2 5 3 and (2,5) (5,5) (5,3)
    assert {gram for gram in ngrams[0] if gram < 12} == {2, 3, 5}
    assert all(12 <= gram < 1012 for gram in ngrams[0] - {2, 3, 5})


def test_pairs_of_large_ids_stay_inside_the_buckets():
    ids = np.full((1, 3), 499_999, 'int32')
    pairs = [gram for gram in np.array(ngram_ids(ids, 500_000, 64))[0].tolist() if gram > 499_999]
    assert len(pairs) == 1
    assert 500_000 <= pairs[0] < 500_064


def test_few_pairs_share_a_bucket():
    rng = np.random.default_rng(0)
    ids = (rng.zipf(1.3, (2000, 12)) % 9000 + 4).astype('int32')
    pairs = {(a, b) for row in ids for a, b in itertools.pairwise(row)}
    found = {gram for row in np.array(ngram_ids(ids, 9004, 2**18)) for gram in row.tolist() if gram >= 9004}
    expected = 2**18 * (1 - np.exp(-len(pairs) / 2**18))  # of a perfect hash
    assert len(found) > 0.98 * expected


def test_the_paths_are_combined_as_the_weights_say():
    network = small(wide_buckets=50)
    network.wide.table.assign(np.linspace(-1, 1, 62))
    network.combination.assign([0.5, 2.0, 0.25])
    recurrent, wide = (np.array(part) for part in network.path_logits(IDS))
    np.testing.assert_allclose(
        np.array(network.sentiment_logits(IDS)), 0.5 * recurrent + 2 * wide + 0.25, atol=1e-6
    )
    grams = np.array(ngram_ids(IDS, 12, 50))
    expected = [np.linspace(-1, 1, 62)[row[row > 0]].sum() for row in grams]
    np.testing.assert_allclose(wide, expected, atol=1e-5)


def test_without_a_wide_path_the_recurrent_one_stands_alone():
    network = small(wide_buckets=0)
    np.testing.assert_allclose(
        np.array(network.sentiment_logits(IDS)), np.array(network(IDS)['sentiment']), atol=1e-6
    )
