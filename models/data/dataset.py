"""Rows that Transform wrote, as batches of like length."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vaiven.models.data.preprocessing import IDS, LABEL, NGRAMS, NO_POSITION, NO_RATING, POSITION, RATING

# Longer texts are validated, and the paths combined, by their first tokens: memory and time of a batch go by the
# longest text. What is served reads them whole.
LONGEST = 2048
# Texts of like length share a batch, so that little of it is padding: by 4 tokens, and the long ones by a quarter
# of their length.
BUCKET_STEP, LONGEST_FINE = 4, 128
BOUNDARIES = [
    *range(BUCKET_STEP, LONGEST_FINE, BUCKET_STEP),
    *(round(LONGEST_FINE * 1.25**power) for power in range(13)),
]
# Padding included. Fewer texts share a batch where they are long: memory goes by the tokens.
BATCH_TOKENS = 20_480
SHUFFLED_ROWS = 100_000
# Keeps the orders of one seed's epochs apart from those of the next seed.
SEED_STEP = 1_000_003
# A row with a label lies on that side of one half, however weak its rating is.
MIN_SURE = 0.51


def read_rows(files: Sequence[str], soft_labels: float = 0.0) -> tf.data.Dataset:
    """Yields (ids int32 (tokens), label float ()) from gzipped TFRecords of tf.Example, in file order.

    The label is that of `soft_label`.
    """
    return read_features(files).map(lambda row: (row[IDS], soft_label(row[LABEL], row[RATING], soft_labels)))


def soft_label(label: tf.Tensor, rating: tf.Tensor, slope: float) -> tf.Tensor:
    """How probable «positive» is to be: the label says on which side of one half, the rating how far from it.

    Args:
        label: float (…): 1 positive, 0 negative, −1 none, which stays.
        rating: float (…), from −1 to 1; where it is NaN, the label stays.
        slope: of the logistic function of the rating; 0 leaves every label as it is.
    """
    sure = tf.maximum(tf.sigmoid(slope * tf.abs(rating)), MIN_SURE)
    soft = tf.where(label > 0, sure, 1 - sure)
    return tf.where((slope > 0) & (label >= 0) & ~tf.math.is_nan(rating), soft, label)


def labelled_batches(files: Sequence[str], batch_size: int, soft_labels: float = 0.0) -> tf.data.Dataset:
    """The rows with a label, by name.

    Yields:
        `ids` int32 (batch, time) and `ngrams` int32 (batch, n-grams), padded with 0, and `label` float (batch).
    """
    rows = read_features(files).filter(lambda row: row[LABEL] >= 0)
    named = rows.map(
        lambda row: {
            IDS: row[IDS][:LONGEST],
            NGRAMS: tf.cast(row[NGRAMS], tf.int32),
            LABEL: soft_label(row[LABEL], row[RATING], soft_labels),
        }
    )
    return named.bucket_by_sequence_length(
        lambda row: tf.shape(row[IDS])[0],
        BOUNDARIES,
        _sizes(batch_size),
        padded_shapes={IDS: [None], NGRAMS: [None], LABEL: []},
    ).prefetch(tf.data.AUTOTUNE)


def read_features(files: Sequence[str]) -> tf.data.Dataset:
    """As `read_rows`, by name.

    `ids`, `label`, `ngrams` int64 (n-grams) of rows with a label, `position` int64 () (−1 none), `rating` float ()
    (NaN none).
    """
    features = {
        NGRAMS: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        IDS: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
        POSITION: tf.io.FixedLenFeature([], tf.int64, NO_POSITION),
        RATING: tf.io.FixedLenFeature([], tf.float32, NO_RATING),
    }

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        row = tf.io.parse_single_example(serialized, features)
        return {**row, IDS: tf.cast(row[IDS], tf.int32), LABEL: tf.cast(row[LABEL], tf.float32)}

    records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP')
    return without_autotune(records.map(parse, num_parallel_calls=tf.data.AUTOTUNE))


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset without tf.data's tuner, and so is all that is made of it.

    The tuner sleeps for 10 ms, then for twice as long, and so on up to a minute. In TensorFlow 2.21 about one iterator
    in ten that is let go of waits until it wakes up: an epoch of six seconds ended after ten.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def training_batches(
    rows: tf.data.Dataset, batch_size: int, window: int, seed: int, epoch: int | tf.Tensor = 0
) -> tf.data.Dataset:
    """The batches of an epoch, shuffled by its number, in length buckets, padded with 0 to the longest of each.

    Of a text that is longer than `window` tokens an epoch sees one stretch of as many, each epoch another one. So an
    sentiment has to be found in every part of a text, and a few long texts are many examples.
    """
    order = tf.cast(epoch, tf.int64) * SEED_STEP + seed

    def stretch(number: tf.Tensor, row: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        ids, label = row
        places = tf.maximum(tf.size(ids) - window, 0) + 1
        begin = tf.random.stateless_uniform([], [order, number], 0, places, tf.int32)
        return ids[begin : begin + window], label

    shuffled = rows.shuffle(SHUFFLED_ROWS, seed=order, reshuffle_each_iteration=False)
    return _bucket(shuffled.enumerate().map(stretch), batch_size)


def evaluation_batches(rows: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    return _bucket(rows.map(lambda ids, label: (ids[:LONGEST], label)), batch_size)


def _bucket(rows: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    return rows.bucket_by_sequence_length(
        lambda ids, label: tf.shape(ids)[0], BOUNDARIES, _sizes(batch_size), padded_shapes=([None], [])
    ).prefetch(tf.data.AUTOTUNE)


def _sizes(batch_size: int) -> list[int]:
    """Texts a batch of each bucket."""
    return [max(1, min(batch_size, BATCH_TOKENS // longest)) for longest in (*BOUNDARIES, LONGEST)]


def lengths_of(rows: tf.data.Dataset) -> np.ndarray:
    """Tokens of each row, int (rows)."""
    parts = [part.numpy() for part in rows.map(lambda ids, label: tf.size(ids)).batch(4096)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def count_batches(lengths: np.ndarray, batch_size: int) -> int:
    """How many batches an epoch of rows of these lengths has: in each bucket the last one may be smaller."""
    rows_in = np.bincount(np.searchsorted(BOUNDARIES, lengths, side='right'))
    sizes = np.array(_sizes(batch_size))[: len(rows_in)]
    return int(np.sum(-(-rows_in // sizes)))
