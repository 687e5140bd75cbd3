"""Fine-tunes a pre-trained encoder on the labelled rows."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from vaiven.label_spec import LabelSpec
from vaiven.models.data import dataset
from vaiven.models.data.preprocessing import LABEL, NO_LABEL, NO_RATING, PROBABILITIES, RATING, TEXT
from vaiven.models.data.targets import batch_targets, has_target, row_target, target_shapes
from vaiven.models.network.layers import Tensor
from vaiven.models.teacher.config import TeacherConfig
from vaiven.models.teacher.encoder import Encoder
from vaiven.models.teacher.network import TeacherNetwork
from vaiven.models.training.checkpoints import Checkpoint
from vaiven.models.training.class_weights import frequency_thresholds
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.training_loop import train_phase

progress = logging.getLogger('vaiven.progress')

# Part of the steps in which the learning rate rises from 0: the new head would shake the encoder.
_WARM_UP = 0.1
# The best epoch is kept; training does not stop before the last one, whose rate is the lowest.
_FINAL_RATE_FRACTION = 0.05

# string (n) → int32 (n, None)
Tokenizer = Callable[[tf.Tensor], tf.RaggedTensor]


def fine_tune(
    encoder: Encoder,
    tokenizer: Tokenizer,
    config: TeacherConfig,
    labels: LabelSpec,
    train_files: Sequence[str],
    eval_files: Sequence[str],
    checkpoint: Checkpoint | None = None,
) -> TeacherNetwork:
    """Fine-tunes an encoder on the rows with a label.

    Args:
        encoder: with its weights, which are changed. Its dropout has seeds already: `set_random_seed` comes before it.
        tokenizer: of the encoder.
        config: how it is fine-tuned.
        labels: kind and classes.
        train_files, eval_files: gzipped TFRecords of tf.Example with `text` and `label`.
        checkpoint: where the state is saved after each epoch; an interrupted training resumes from it.

    Returns:
        The network with the weights of the lowest validation loss.

    Raises:
        TrainingError: the loss is NaN or infinite.
    """
    examples = read_labelled_texts(train_files, tokenizer, labels, config.soft_labels).cache()
    steps = dataset.count_batches(dataset.token_counts(examples), config.batch_size)
    validation = dataset.evaluation_batches(
        read_labelled_texts(eval_files, tokenizer, labels, config.soft_labels), config.batch_size, labels
    )
    encoder.freeze(config.frozen_layers)
    network = TeacherNetwork(encoder, labels)
    if network.thresholds is not None:
        network.thresholds.set_values(frequency_thresholds(dataset.count_classes(examples, labels), None))
    warm_up_steps = max(1, round(_WARM_UP * steps * config.epochs))

    def warm_up(index: int, step: Tensor) -> Tensor:
        return tf.minimum((tf.cast(step, tf.float32) + 1) / warm_up_steps, 1.0)

    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        return dataset.training_batches(
            examples, config.batch_size, config.max_tokens, config.seed, epoch, labels
        )

    progress.info('fine-tuning the teacher on %d batches of %d texts', steps, config.batch_size)
    train_phase(
        network,
        TrainingConfig(
            learning_rate=config.learning_rate,
            final_rate_fraction=_FINAL_RATE_FRACTION,
            patience=config.epochs,
            seed=config.seed,
        ),
        batches,
        config.epochs,
        steps,
        phase='teacher',
        monitor='loss',
        validation=validation,
        layer_rates=warm_up,
        checkpoint=checkpoint,
    )
    return network


def read_labelled_texts(
    files: Sequence[str], tokenizer: Tokenizer, labels: LabelSpec, soft_labels: float
) -> tf.data.Dataset:
    """Reads (ids int32 (tokens), target as from `row_target`) of the rows with a label, in file order.

    Args:
        files: gzipped TFRecords of tf.Example with `text` and `label`, as TextExampleGen writes them.
        tokenizer: of the encoder.
        labels: kind and classes.
        soft_labels: as for `row_target`.
    """
    rows = _read_rows(files, labels, soft_labels)
    return dataset.without_autotune(rows.map(lambda text, target: (tokenizer(text[None])[0], target)))


def read_texts_and_targets(
    files: Sequence[str], labels: LabelSpec, soft_labels: float
) -> tuple[list[str], np.ndarray]:
    """Reads the texts (n) of the rows with a label, and the target of each class, float32 (n, classes).

    Args:
        files: as for `read_labelled_texts`.
        labels: kind and classes.
        soft_labels: as for `row_target`.
    """
    texts: list[str] = []
    targets = [np.zeros((0, labels.size), np.float32)]
    batches = _read_rows(files, labels, soft_labels).padded_batch(1024, ([], target_shapes(labels)))
    for batch, target in batches:
        texts += [text.decode() for text in batch.numpy()]
        dense = batch_targets(target, labels).numpy()
        targets.append(np.stack([1 - dense, dense], axis=1) if labels.kind == 'binary' else dense)
    return texts, np.concatenate(targets)


def _read_rows(files: Sequence[str], labels: LabelSpec, soft_labels: float) -> tf.data.Dataset:
    """The text, string (), and the target of the rows with a label."""
    many_labels = tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True)
    features = {
        TEXT: tf.io.FixedLenFeature([], tf.string),
        LABEL: many_labels if labels.kind == 'multilabel' else tf.io.FixedLenFeature([], tf.int64, NO_LABEL),
        RATING: tf.io.FixedLenFeature([], tf.float32, NO_RATING),
        PROBABILITIES: tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True),
    }

    def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        example = tf.io.parse_single_example(serialized, features)
        return {**example, LABEL: tf.cast(example[LABEL], tf.float32)}

    records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').map(parse).filter(has_target)
    return records.map(lambda example: (example[TEXT], row_target(example, labels, soft_labels)))
