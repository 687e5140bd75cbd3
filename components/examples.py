"""Reads the examples that TextExampleGen wrote, without Beam."""

import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tfx.types import Artifact, artifact_utils

_TEXT = {'text': tf.io.FixedLenFeature([], tf.string)}
_LABEL = {'label': tf.io.FixedLenFeature([], tf.int64)}


def read_texts(examples: Artifact, split: str) -> list[str]:
    """Texts (n) of a split, whether they have labels or not."""
    return [text.decode() for rows in _batches(examples, split, _TEXT) for text in rows['text'].numpy()]


def read_labelled(examples: Artifact, split: str) -> tuple[list[str], np.ndarray]:
    """Texts (n) and labels int (n), 0 or 1, of a split of labelled rows."""
    texts: list[str] = []
    labels: list[np.ndarray] = []
    for rows in _batches(examples, split, {**_TEXT, **_LABEL}):
        texts += [text.decode() for text in rows['text'].numpy()]
        labels.append(rows['label'].numpy())
    return texts, np.concatenate(labels) if labels else np.zeros(0, np.int64)


def _batches(
    examples: Artifact, split: str, features: dict[str, tf.io.FixedLenFeature]
) -> Iterator[dict[str, tf.Tensor]]:
    folder = artifact_utils.get_split_uri([examples], split)
    files = sorted(tf.io.gfile.glob(os.path.join(folder, '*')))
    for batch in tf.data.TFRecordDataset(files, compression_type='GZIP').batch(4096):
        yield tf.io.parse_example(batch, features)
