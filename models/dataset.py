"""Rows that Transform wrote, as batches of like length."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vaiven.models.preprocessing import IDS, LABEL, NO_POSITION, NO_RATING, POSITION, RATING

# Texts of like length share a batch, so that little of it is padding.
BUCKET_STEP, LONGEST_BUCKET = 8, 128
BOUNDARIES = list(range(BUCKET_STEP, LONGEST_BUCKET + 1, BUCKET_STEP))
SHUFFLED_ROWS = 100_000
# Keeps the orders of one seed's epochs apart from those of the next seed.
SEED_STEP = 1_000_003


def read_rows(files: Sequence[str]) -> tf.data.Dataset:
    """Yields (ids int32 (tokens), label float ()) from gzipped TFRecords of tf.Example, in file order."""
    return read_features(files).map(lambda row: (row[IDS], row[LABEL]))


def read_features(files: Sequence[str]) -> tf.data.Dataset:
    """As `read_rows`, by name: `ids`, `label`, `position` int64 () (−1 none), `rating` float () (NaN none)."""
    features = {
        IDS: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
        POSITION: tf.io.FixedLenFeature([], tf.int64, NO_POSITION),
        RATING: tf.io.FixedLenFeature([], tf.float32, NO_RATING),
    }

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        row = tf.io.parse_single_example(serialized, features)
        return {**row, IDS: tf.cast(row[IDS], tf.int32), LABEL: tf.cast(row[LABEL], tf.float32)}

    records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP')
    return records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)


def training_batches(
    rows: tf.data.Dataset, batch_size: int, seed: int, epoch: int | tf.Tensor = 0
) -> tf.data.Dataset:
    """The batches of an epoch, shuffled by its number, in length buckets, padded with 0 to the longest of each."""
    order = tf.cast(epoch, tf.int64) * SEED_STEP + seed
    return _bucket(rows.shuffle(SHUFFLED_ROWS, seed=order, reshuffle_each_iteration=False), batch_size)


def evaluation_batches(rows: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    return _bucket(rows, batch_size)


def _bucket(rows: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    sizes = [batch_size] * (len(BOUNDARIES) + 1)
    return rows.bucket_by_sequence_length(
        lambda ids, label: tf.shape(ids)[0], BOUNDARIES, sizes, padded_shapes=([None], [])
    ).prefetch(tf.data.AUTOTUNE)


def count_batches(rows: tf.data.Dataset, batch_size: int) -> int:
    """How many batches an epoch has: in each bucket the last one may be smaller."""
    lengths = np.concatenate([part.numpy() for part in rows.map(lambda ids, label: tf.size(ids)).batch(4096)])
    rows_in = np.bincount(np.searchsorted(BOUNDARIES, lengths, side='right'))
    return int(np.sum(-(-rows_in // batch_size)))
