"""Reads tf.Examples from an Examples artifact without Beam."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.types import Artifact, artifact_utils

from vaiven.errors import UserError
from vaiven.label_spec import LabelSpec

TEXT_FEATURE, LABEL_FEATURE, PROBABILITIES_FEATURE = 'text', 'label', 'probabilities'
TRAIN_SPLIT, TEST_SPLIT, UNLABELLED_SPLIT, TEACHER_SPLIT = 'train', 'test', 'unlabelled', 'teacher'

# Serialized examples that are parsed at once.
_BATCH_SIZE = 4096


def read_texts(examples: Artifact, split: str, text_feature: str = TEXT_FEATURE) -> list[str]:
    """Reads the texts of a split, with or without labels.

    Args:
        examples: gzipped TFRecords of tf.Examples.
        split: name of the split.
        text_feature: name of the feature with the text, one UTF-8 string in each example.

    Returns:
        The texts (n).

    Raises:
        UserError: if the artifact does not have this split.
    """
    features = {text_feature: tf.io.FixedLenFeature([], tf.string)}
    return [
        text.decode() for batch in _batches(examples, split, features) for text in batch[text_feature].numpy()
    ]


def read_labelled(
    examples: Artifact,
    split: str,
    text_feature: str = TEXT_FEATURE,
    label_feature: str = LABEL_FEATURE,
    labels: LabelSpec | None = None,
) -> tuple[list[str], np.ndarray]:
    """Reads the texts and labels of a split in which every example has a label.

    Args:
        examples: gzipped TFRecords of tf.Examples.
        split: name of the split.
        text_feature: name of the feature with the text, one UTF-8 string in each example.
        label_feature: name of the feature with the label, one int64 in each example; multilabel: any number of them.
        labels: kind and classes; by default those of sentiment.

    Returns:
        Texts (n), and the index of the class of each, int64 (n); multilabel: bool (n, k).

    Raises:
        UserError: if the artifact does not have this split.
    """
    labels = labels or LabelSpec()
    is_multilabel = labels.kind == 'multilabel'
    label = tf.io.RaggedFeature(tf.int64) if is_multilabel else tf.io.FixedLenFeature([], tf.int64)
    features = {text_feature: tf.io.FixedLenFeature([], tf.string), label_feature: label}
    texts: list[str] = []
    read: list[np.ndarray] = []
    for batch in _batches(examples, split, features):
        texts += [text.decode() for text in batch[text_feature].numpy()]
        values = batch[label_feature]
        read.append(_has_class(values, labels.size) if is_multilabel else values.numpy())
    if read:
        return texts, np.concatenate(read)
    return texts, np.zeros((0, labels.size), bool) if is_multilabel else np.zeros(0, np.int64)


def _has_class(indices: tf.RaggedTensor, size: int) -> np.ndarray:
    """Whether each row has each class, bool (n, k)."""
    rows, classes = indices.value_rowids().numpy(), indices.values.numpy()
    is_class = classes >= 0  # not `NO_CLASS`
    has_class = np.zeros((int(indices.nrows()), size), bool)
    has_class[rows[is_class], classes[is_class]] = True
    return has_class


def split_pattern(examples: Artifact, split: str) -> str:
    """The glob pattern of a split's files.

    Args:
        examples: the artifact.
        split: name of the split.

    Raises:
        UserError: if the artifact does not have this split.
    """
    present = artifact_utils.decode_split_names(examples.split_names)
    if split not in present:
        raise UserError(
            f'the examples have no split {split!r}. Received the splits: {", ".join(present) or "none"}; '
            'give the component the name of one of them'
        )
    return os.path.join(artifact_utils.get_split_uri([examples], split), '*')


def _batches(examples: Artifact, split: str, features: dict[str, Any]) -> Iterator[dict[str, tf.Tensor]]:
    files = sorted(tf.io.gfile.glob(split_pattern(examples, split)))
    for batch in tf.data.TFRecordDataset(files, compression_type='GZIP').batch(_BATCH_SIZE):
        yield tf.io.parse_example(batch, features)
