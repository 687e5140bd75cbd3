"""Trains the baseline and measures it."""

import json
import logging
import os
import time
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from vaiven.components.linear_baseline.artifact import BASELINE_FILE
from vaiven.components.linear_baseline.nb_svm import NbSvm

progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Writes `baseline.json`; see `LinearBaselineArtifact`."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        started = time.monotonic()
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        baseline = artifact_utils.get_single_instance(output_dict['baseline'])
        result = measure(*read_labelled(examples, 'train'), *read_labelled(examples, 'test'))
        seconds = time.monotonic() - started
        fileio.makedirs(baseline.uri)
        with fileio.open(os.path.join(baseline.uri, BASELINE_FILE), 'w') as file:
            file.write(json.dumps({**result, 'seconds': round(seconds, 2)}, indent=2))
        progress.info(
            'held-out accuracy: %.1f %% majority class, %.1f %% NB-SVM (%d rows)',
            100 * result['majority'], 100 * result['nb_svm'], result['rows'],
        )  # fmt: skip


def measure(
    texts: list[str], labels: np.ndarray, test_texts: list[str], test_labels: np.ndarray
) -> dict[str, float]:
    """Accuracies on the test rows of the larger class of the training rows, and of an NB-SVM learnt from them."""
    majority = int(labels.mean() > 0.5)
    predicted = NbSvm().fit(texts, labels).predict(test_texts)
    return {
        'majority': float((test_labels == majority).mean()),
        'nb_svm': float((test_labels == predicted).mean()),
        'rows': len(test_texts),
    }


def read_labelled(examples: Artifact, split: str) -> tuple[list[str], np.ndarray]:
    """Texts (n) and labels int (n) of a split."""
    folder = artifact_utils.get_split_uri([examples], split)
    files = sorted(tf.io.gfile.glob(os.path.join(folder, '*')))
    features = {'text': tf.io.FixedLenFeature([], tf.string), 'label': tf.io.FixedLenFeature([], tf.int64)}
    texts: list[str] = []
    labels: list[np.ndarray] = []
    for batch in tf.data.TFRecordDataset(files, compression_type='GZIP').batch(4096):
        rows = tf.io.parse_example(batch, features)
        texts += [text.decode() for text in rows['text'].numpy()]
        labels.append(rows['label'].numpy())
    return texts, np.concatenate(labels) if labels else np.zeros(0, np.int64)
