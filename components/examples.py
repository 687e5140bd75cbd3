"""Reads the examples that TextExampleGen wrote, without Beam."""

import os

import numpy as np
import tensorflow as tf
from tfx.types import Artifact, artifact_utils

_FEATURES = {'text': tf.io.FixedLenFeature([], tf.string), 'label': tf.io.FixedLenFeature([], tf.int64)}


def read_labelled(examples: Artifact, split: str) -> tuple[list[str], np.ndarray]:
    """Texts (n) and labels int (n), 0 or 1, of a split of labelled rows."""
    folder = artifact_utils.get_split_uri([examples], split)
    files = sorted(tf.io.gfile.glob(os.path.join(folder, '*')))
    texts: list[str] = []
    labels: list[np.ndarray] = []
    for batch in tf.data.TFRecordDataset(files, compression_type='GZIP').batch(4096):
        rows = tf.io.parse_example(batch, _FEATURES)
        texts += [text.decode() for text in rows['text'].numpy()]
        labels.append(rows['label'].numpy())
    return texts, np.concatenate(labels) if labels else np.zeros(0, np.int64)
