import keras
import numpy as np
import pytest
import tensorflow as tf

from vaiven.label_spec import SENTIMENT_LABELS
from vaiven.models.network.config import CELLS, NetworkConfig
from vaiven.models.network.layers import MaskedPooling, TokenDropout, reverse_sequences
from vaiven.models.network.losses import label_loss, language_loss
from vaiven.models.network.network import Network
from vaiven.models.network.wide import MAX_ENTRIES, NO_NGRAM, WideNgrams

pytestmark = pytest.mark.slow

IDS = np.array([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]], 'int32')


def small(**options) -> Network:
    network = Network(NetworkConfig(units=6, embedding_size=4, **options), 12, seed=1)
    network(IDS)
    return network


def test_reversing_leaves_the_right_padding_in_place():
    reversed_ids = reverse_sequences(keras.ops.convert_to_tensor(IDS), np.array([5, 3]))
    assert np.array(reversed_ids).tolist() == [[3, 7, 6, 5, 2], [3, 8, 2, 0, 0]]


def test_pooling_ignores_the_padding():
    states = np.array([[[1.0], [3.0], [9.0]], [[-2.0], [-1.0], [-4.0]]], 'float32')
    pooled = MaskedPooling()(states, np.array([2, 3]))
    np.testing.assert_allclose(np.array(pooled), [[3, 3, 2], [-4, -1, -7 / 3]], rtol=1e-6)


def test_token_dropout_drops_whole_tokens_in_training_only():
    layer = TokenDropout(0.5, seed=3)
    vectors = np.ones((4, 50, 3), 'float32')
    dropped = np.array(layer(vectors, training=True))
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert (dropped.min(axis=2) == dropped.max(axis=2)).all()
    assert (np.array(layer(vectors, training=False)) == 1).all()


@pytest.mark.parametrize('options', [{}, {'subword_buckets': 8}])
def test_ids_may_be_floats_as_keras_itself_passes_them_when_a_model_is_saved(options):
    network = small(**options)
    expected, found = network(IDS), network(IDS.astype('float32'))
    for name in expected:
        np.testing.assert_array_equal(np.array(found[name]), np.array(expected[name]))


def test_reversed_vectors_are_those_of_the_reversed_ids():
    vectors = np.random.default_rng(0).normal(size=(*IDS.shape, 3)).astype('float32')
    found = np.array(reverse_sequences(keras.ops.convert_to_tensor(vectors), np.array([5, 3])))
    np.testing.assert_array_equal(found[0], vectors[0, ::-1])
    np.testing.assert_array_equal(found[1], vectors[1, [2, 1, 0, 3, 4]])


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


def test_unlabelled_rows_do_not_count_in_the_label_loss():
    loss = label_loss(
        SENTIMENT_LABELS, np.array([2.0, -9.0, 0.5], 'float32'), np.array([1.0, -1.0, 0.0], 'float32')
    )
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


NGRAMS = np.array([[9, 40, 7, 2**31 - 2], [8, 41, 0, 0]], 'int32')


def test_the_wide_path_sums_the_weights_of_known_ngrams():
    wide = WideNgrams(6)
    wide.build((None, None))
    assert np.array(wide(NGRAMS)).tolist() == [0, 0]  # it knows none
    wide.ngrams.assign([7, 8, 9, 10, 2**31 - 2, NO_NGRAM])
    wide.table.assign([1, 2, 4, 8, 16, 32])
    wide.bias.assign(0.5)
    assert np.array(wide(NGRAMS)).tolist() == [1 + 4 + 16 + 0.5, 2 + 0.5]
    assert np.array(wide(np.zeros((2, 0), 'int32'))).tolist() == [0.5, 0.5]


@pytest.mark.parametrize('outputs', [1, 2, 40])
def test_the_sum_of_a_text_that_is_longer_than_usual_grows_with_the_root_of_its_length(outputs):
    wide = WideNgrams(8, outputs)
    wide.build((None, None))
    wide.ngrams.assign(np.arange(1, 9))
    table = np.zeros(wide.table.shape)
    table.reshape(8, -1)[:, 0] = 1
    wide.table.assign(table)
    wide.bias.assign(np.full(wide.bias.shape, 0.5))
    wide.usual_length.assign(2.0)
    ngrams = np.array([[1, 0, 0, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8]], 'int32')
    logits = np.array(wide(ngrams)).reshape(3, -1)[:, 0]
    np.testing.assert_allclose(logits, [1.5, 2.5, 0.5 + 8 * np.sqrt(2 / 8)])


def test_with_several_outputs_an_ngram_has_a_weight_for_each():
    wide = WideNgrams(3, outputs=2)
    wide.build((None, None))
    assert np.array(wide(NGRAMS)).tolist() == [[0, 0], [0, 0]]
    wide.ngrams.assign([7, 8, 9])
    wide.table.assign([[1, -1], [2, 0], [4, 8]])
    wide.bias.assign([0.5, 0.25])
    assert np.array(wide(NGRAMS)).tolist() == [[5.5, 7.25], [2.5, 0.25]]
    assert np.array(wide(np.zeros((2, 0), 'int32'))).tolist() == [[0.5, 0.25]] * 2


def test_with_many_outputs_an_ngram_has_a_few_weights_and_says_for_which():
    wide = WideNgrams(3, outputs=1000)
    wide.build((None, None))
    assert wide.table.shape == wide.classes.shape == (3, MAX_ENTRIES)
    wide.ngrams.assign([7, 8, 9])
    table, classes = np.zeros((3, MAX_ENTRIES)), np.zeros((3, MAX_ENTRIES))
    table[:, :2], classes[:, :2] = [[1, -1], [2, 3], [4, 8]], [[999, 5], [5, 0], [999, 7]]
    wide.table.assign(table)
    wide.classes.assign(classes)
    wide.bias.assign(np.full(1000, 0.5))
    logits = np.array(wide(NGRAMS))
    assert logits.shape == (2, 1000)
    assert [np.flatnonzero(row != 0.5).tolist() for row in logits] == [[5, 7, 999], [0, 5]]
    assert logits[0, [5, 7, 999]].tolist() == [-0.5, 8.5, 5.5]
    assert logits[1, [0, 5]].tolist() == [3.5, 2.5]
    assert np.array(wide(np.zeros((2, 0), 'int32'))).tolist() == [[0.5] * 1000] * 2


@pytest.mark.parametrize('outputs', [1, 3, 40])
def test_a_graph_of_the_wide_path_takes_any_number_of_texts_and_ngrams(outputs):
    wide = WideNgrams(5, outputs)
    wide.build((None, None))
    wide.ngrams.assign([7, 8, 9, 40, 41])
    wide.table.assign(np.random.default_rng(0).normal(size=wide.table.shape))
    graph = tf.function(wide, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    for ngrams in (NGRAMS, NGRAMS[:1, :2], np.zeros((0, 0), 'int32')):
        np.testing.assert_allclose(graph(ngrams), wide(ngrams), atol=1e-6)


def test_the_paths_are_combined_as_the_weights_say():
    network = small(wide_ngrams=3)
    network.wide.ngrams.assign([7, 8, 9])
    network.wide.table.assign([-0.5, 0.75, 1])
    network.combination.assign([0.5, 2.0, 0.25])
    recurrent, wide = (np.array(part) for part in network.path_logits(IDS, NGRAMS))
    np.testing.assert_allclose(recurrent, np.array(network(IDS)['sentiment']), atol=1e-6)
    np.testing.assert_allclose(wide, [0.5, 0.75], atol=1e-6)
    both = np.array(network.label_logits(IDS, NGRAMS))
    np.testing.assert_allclose(both, 0.5 * recurrent + 2 * wide + 0.25, atol=1e-6)


def test_without_a_wide_path_the_recurrent_one_stands_alone():
    network = small(wide_ngrams=0)
    np.testing.assert_allclose(
        np.array(network.label_logits(IDS, NGRAMS)), np.array(network(IDS)['sentiment']), atol=1e-6
    )
