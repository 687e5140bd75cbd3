"""The examples that Transform wrote, as batches of texts of similar length."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vaiven.label_spec import SENTIMENT_LABELS, LabelSpec
from vaiven.models.data.preprocessing import (
    IDS,
    LABEL,
    NAMES,
    NGRAMS,
    NO_POSITION,
    NO_RATING,
    POSITION,
    PROBABILITIES,
    RATING,
)
from vaiven.models.data.targets import batch_targets, has_target, row_target, target_shapes

# Training, validation and the stacking of the two paths read at most this many tokens of a text: memory and time of a
# batch grow with its longest text. The served model reads all of `text.max_tokens`.
MAX_SEQUENCE_LENGTH = 2048
# Texts of similar length share a batch, so that little of it is padding: bucket boundaries are 4 tokens apart up to
# 128 tokens, and grow by a quarter from there.
BUCKET_STEP, LAST_FINE_BOUNDARY = 4, 128
BOUNDARIES = [
    *range(BUCKET_STEP, LAST_FINE_BOUNDARY, BUCKET_STEP),
    *(round(LAST_FINE_BOUNDARY * 1.25**power) for power in range(13)),
]
# Tokens of a batch, padding included. Batches of long texts have fewer rows: memory grows with the tokens.
BATCH_TOKENS = 20_480
SHUFFLE_BUFFER = 100_000
# The shuffle seeds of one training are `seed + epoch · SEED_STEP`; trainings with neighbouring seeds share none.
SEED_STEP = 1_000_003


def read_examples(
    files: Sequence[str], soft_labels: float = 0.0, labels: LabelSpec = SENTIMENT_LABELS
) -> tf.data.Dataset:
    """Reads (ids int32 (tokens), target as from `row_target`) from gzipped TFRecords of tf.Example, in file order.

    Args:
        files: paths.
        soft_labels: as for `row_target`; 0 for hard labels.
        labels: kind and classes.
    """
    return read_features(files, labels).map(
        lambda example: (example[IDS], row_target(example, labels, soft_labels))
    )


def labelled_batches(
    files: Sequence[str], batch_size: int, soft_labels: float = 0.0, labels: LabelSpec = SENTIMENT_LABELS
) -> tf.data.Dataset:
    """Reads batches of the labelled examples, in length buckets, for both paths of the network.

    Args:
        files: gzipped TFRecords of tf.Example.
        batch_size: texts per batch; fewer where they are long.
        soft_labels: as for `row_target`; 0 for hard labels.
        labels: kind and classes.

    Yields:
        A dict: `ids` int32 (batch, time) and `ngrams` int32 (batch, n-grams), padded with 0; `label` float (batch), or
        the pairs of the rows if the labels are not binary (see `vaiven.models.data.targets`).
    """
    examples = read_features(files, labels).filter(has_target)
    inputs = examples.map(
        lambda example: {
            IDS: example[IDS][:MAX_SEQUENCE_LENGTH],
            NGRAMS: tf.cast(example[NGRAMS], tf.int32),
            LABEL: row_target(example, labels, soft_labels),
        }
    )
    return inputs.bucket_by_sequence_length(
        lambda example: tf.shape(example[IDS])[0],
        BOUNDARIES,
        _bucket_batch_sizes(batch_size),
        padded_shapes={IDS: [None], NGRAMS: [None], LABEL: target_shapes(labels)},
    ).prefetch(tf.data.AUTOTUNE)


def read_features(files: Sequence[str], labels: LabelSpec = SENTIMENT_LABELS) -> tf.data.Dataset:
    """Reads the features of each example by name, from gzipped TFRecords of tf.Example in file order.

    Args:
        files: paths.
        labels: kind and classes.

    Yields:
        A dict: `ids` int32 (tokens); `label` float (), −1 unlabelled, or (labels of the row) of multilabel data;
        `ngrams` int64 (n-grams), empty if unlabelled; `position` int64 (), −1 none; `rating` float (), NaN none;
        `probabilities` float (classes), empty if none; `names` int64 (names), empty if none were looked for.
    """
    one_label = tf.io.FixedLenFeature([], tf.int64)
    many_labels = tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True)
    features = {
        NGRAMS: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        IDS: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        LABEL: one_label if labels.kind != 'multilabel' else many_labels,
        POSITION: tf.io.FixedLenFeature([], tf.int64, NO_POSITION),
        RATING: tf.io.FixedLenFeature([], tf.float32, NO_RATING),
        PROBABILITIES: tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True),
        NAMES: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
    }

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        example = tf.io.parse_single_example(serialized, features)
        return {
            **example,
            IDS: tf.cast(example[IDS], tf.int32),
            LABEL: tf.cast(example[LABEL], tf.float32),
        }

    records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP')
    return without_autotune(records.map(parse, num_parallel_calls=tf.data.AUTOTUNE))


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Turns off tf.data's autotuner for this dataset and for all datasets derived from it.

    The autotuner sleeps for 10 ms, then twice as long, and so on up to a minute. In TensorFlow 2.21 about one in ten
    iterators waits at its end until the autotuner wakes up: an epoch of 6 s ended after 10 s.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def weighted(examples: tf.data.Dataset, weight: float) -> tf.data.Dataset:
    """Adds the weight of each row's label in the loss, float ().

    Args:
        examples: as `read_examples` yields them.
        weight: of every row.
    """
    return examples.map(lambda ids, target: (ids, target, tf.constant(weight)))


def training_batches(
    examples: tf.data.Dataset,
    batch_size: int,
    window: int,
    seed: int,
    epoch: int | tf.Tensor = 0,
    labels: LabelSpec = SENTIMENT_LABELS,
) -> tf.data.Dataset:
    """Builds the batches of one epoch: shuffled, in length buckets, right-padded with 0 to the longest of each batch.

    Of a text longer than `window` tokens, each epoch sees one random segment of that length. The network has to find
    the sentiment in every part of a text, and a few long texts are many examples.

    Args:
        examples: as `read_examples` or `weighted` yields them.
        batch_size: texts per batch; fewer where they are long.
        window: maximum number of tokens of a text.
        seed: seed of the order and of the segments.
        epoch: number of the epoch; the same seed and number give the same batches.
        labels: kind and classes.

    Yields:
        (ids int32 (batch, time), targets as from `batch_targets`), and weights float (batch) if the examples have them.
    """
    order = tf.cast(epoch, tf.int64) * SEED_STEP + seed

    def segment(number: tf.Tensor, example: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        ids, *others = example
        starts = tf.maximum(tf.size(ids) - window, 0) + 1
        start = tf.random.stateless_uniform([], [order, number], 0, starts, tf.int32)
        return ids[start : start + window], *others

    shuffled = examples.shuffle(SHUFFLE_BUFFER, seed=order, reshuffle_each_iteration=False)
    return _write_out(_bucket(shuffled.enumerate().map(segment), batch_size, labels), labels)


def evaluation_batches(
    examples: tf.data.Dataset, batch_size: int, labels: LabelSpec = SENTIMENT_LABELS
) -> tf.data.Dataset:
    """Builds batches of the first `MAX_SEQUENCE_LENGTH` tokens of each text, in length buckets, without shuffling.

    The first pass over them keeps them in memory.

    Args:
        examples: as `read_examples` yields them.
        batch_size: texts per batch; fewer where they are long.
        labels: kind and classes.

    Yields:
        (ids int32 (batch, time), targets as from `batch_targets`).
    """
    cut = examples.map(lambda ids, target: (ids[:MAX_SEQUENCE_LENGTH], target))
    return _write_out(_bucket(cut, batch_size, labels).cache(), labels)


def _bucket(examples: tf.data.Dataset, batch_size: int, labels: LabelSpec) -> tf.data.Dataset:
    has_weights = len(examples.element_spec) > 2
    return examples.bucket_by_sequence_length(
        lambda ids, *others: tf.shape(ids)[0],
        BOUNDARIES,
        _bucket_batch_sizes(batch_size),
        padded_shapes=([None], target_shapes(labels), *([[]] if has_weights else [])),
    )


def _write_out(batches: tf.data.Dataset, labels: LabelSpec) -> tf.data.Dataset:
    if labels.kind != 'binary':
        batches = batches.map(lambda ids, target, *weights: (ids, batch_targets(target, labels), *weights))
    return batches.prefetch(tf.data.AUTOTUNE)


@dataclasses.dataclass(frozen=True)
class ClassCounts:
    """How many rows the classes have.

    Attributes:
        rows: number of labelled rows.
        classes: float (classes), the sum of the targets of each class.
    """

    rows: int
    classes: np.ndarray


def count_classes(examples: tf.data.Dataset, labels: LabelSpec) -> ClassCounts:
    """Counts how many rows each class has.

    Args:
        examples: as `read_examples` yields them.
        labels: kind and classes.
    """
    counts, rows = np.zeros(labels.size), 0
    targets = examples.map(lambda ids, target: target).padded_batch(1024, target_shapes(labels))
    for batch in targets:
        dense = batch_targets(batch, labels).numpy()
        if labels.kind == 'binary':
            dense = np.where(dense[:, None] < 0, -1, np.stack([1 - dense, dense], axis=1))
        dense = dense[dense[:, 0] >= 0]
        counts += dense.sum(axis=0)
        rows += len(dense)
    return ClassCounts(rows, counts)


def _bucket_batch_sizes(batch_size: int) -> list[int]:
    limits = (*BOUNDARIES, MAX_SEQUENCE_LENGTH)
    return [max(1, min(batch_size, BATCH_TOKENS // limit)) for limit in limits]


def token_counts(examples: tf.data.Dataset) -> np.ndarray:
    """Counts the tokens of each example: int (examples)."""
    counts = [batch.numpy() for batch in examples.map(lambda ids, *others: tf.size(ids)).batch(4096)]
    return np.concatenate(counts) if counts else np.zeros(0, np.int32)


def count_batches(lengths: np.ndarray, batch_size: int) -> int:
    """Counts the batches of an epoch; the last batch of each bucket may be smaller than the others.

    Args:
        lengths: int (examples), tokens of each text.
        batch_size: as for `training_batches`.
    """
    examples_per_bucket = np.bincount(np.searchsorted(BOUNDARIES, lengths, side='right'))
    sizes = np.array(_bucket_batch_sizes(batch_size))[: len(examples_per_bucket)]
    return int(np.sum(-(-examples_per_bucket // sizes)))  # rounded up
