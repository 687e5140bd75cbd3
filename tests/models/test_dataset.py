import itertools
import logging

import numpy as np
import pytest
import tensorflow as tf

from tests.models.rows import VOCABULARY, labelled_texts, write_rows
from vaiven.models.data import dataset
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.trainer import train

pytestmark = pytest.mark.slow


@pytest.fixture
def mixed(tmp_path) -> str:
    """Rows of 0 to 100,000 tokens."""
    texts, labels = labelled_texts(200)
    more = [[], [5], [7] * 126, [9] * 600, [9] * 700, [4] * 2046, [6] * 100_000]
    return write_rows(tmp_path / 'rows.gz', [*texts, *more], [*labels, 1, 0, 1, 0, 1, 0, 1])


def test_batches_have_texts_of_similar_length(mixed):
    rows = dataset.read_examples([mixed])
    batches = list(dataset.training_batches(rows, 16, dataset.MAX_SEQUENCE_LENGTH, seed=0))
    for ids, labels in batches:
        lengths = np.count_nonzero(ids.numpy(), axis=1)
        assert len(labels) == len(ids) <= 16
        assert lengths.max() - lengths.min() < max(dataset.BUCKET_STEP, lengths.max() / 4)
    assert sum(len(labels) for _, labels in batches) == 207


def test_the_number_of_batches_is_known_in_advance(mixed):
    rows = dataset.read_examples([mixed])
    for size in (1, 16, 64):
        batches = list(dataset.training_batches(rows, size, 50, seed=0))
        assert dataset.count_batches(np.minimum(dataset.token_counts(rows), 50), size) == len(batches)
    assert dataset.count_batches(np.zeros(0, int), 8) == 0


def test_batches_of_long_texts_are_small_and_the_texts_are_truncated(tmp_path):
    path = write_rows(tmp_path / 'rows.gz', [[5] * 100_000] * 30, [1] * 30)
    for ids, _ in dataset.evaluation_batches(dataset.read_examples([path]), 64):
        assert ids.shape[1] == dataset.MAX_SEQUENCE_LENGTH
        assert ids.shape[0] * ids.shape[1] <= dataset.BATCH_TOKENS


def test_each_epoch_sees_another_segment_of_a_long_text():
    texts = [tf.range(1000), tf.range(2000, 2050), tf.range(3000, 3007)]
    rows = tf.data.Dataset.from_tensor_slices(tf.ragged.stack(texts)).map(
        lambda ids: (ids, tf.cast(ids[0], tf.float32))
    )

    def seen(epoch):
        batches = dataset.training_batches(rows, 1, 50, seed=4, epoch=epoch)
        return {int(labels[0]): ids[0].numpy() for ids, labels in batches}

    segments = [seen(epoch) for epoch in range(40)]
    for each in segments:
        assert len(each[0]) == 50
        np.testing.assert_array_equal(np.diff(each[0]), 1)
        np.testing.assert_array_equal(each[2000], texts[1])
        np.testing.assert_array_equal(each[3000], texts[2])
    starts = [each[0][0] for each in segments]
    assert len(set(starts)) > 30
    assert min(starts) < 150 < 800 < max(starts) <= 950
    np.testing.assert_array_equal(seen(7)[0], segments[7][0])


def test_each_epoch_has_its_own_order_which_is_repeatable():
    rows = tf.data.Dataset.range(64).map(lambda n: (tf.cast([n], tf.int32), tf.cast(n, tf.float32)))

    def order(epoch):
        batches = dataset.training_batches(rows, 8, 50, 0, epoch)
        return list(itertools.chain.from_iterable(labels.numpy().tolist() for _, labels in batches))

    tf.random.set_seed(1)
    once, again, next_one = order(0), order(0), order(1)
    assert once == again
    assert sorted(next_one) == sorted(once)
    assert next_one != once


def test_texts_of_0_to_100000_tokens_train(mixed, tmp_path, caplog):
    caplog.set_level(logging.INFO, 'vaiven.progress')
    config = NetworkConfig(cell='simple_rnn', bidirectional=False, units=2, embedding_size=2, wide_ngrams=0)
    few = write_rows(tmp_path / 'few.gz', *labelled_texts(20))
    network = train(config, TrainingConfig(epochs=1), VOCABULARY, [mixed], [few])
    assert all(np.isfinite(value).all() for value in network.get_weights())
    assert '4 texts are longer: each epoch trains on a random segment of 128 tokens' in caplog.messages


def test_autotune_is_off_for_all_datasets(mixed):
    for batches in (
        dataset.labelled_batches([mixed], 8),
        dataset.evaluation_batches(dataset.read_examples([mixed]), 8),
        dataset.training_batches(dataset.read_examples([mixed]).cache(), 8, 50, 0),
    ):
        assert batches.options().autotune.enabled is False
