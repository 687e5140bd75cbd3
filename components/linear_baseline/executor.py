"""Trains the baseline and measures it."""

import json
import logging
import os
import time
from typing import Any

import numpy as np
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from vaiven.components.examples import read_labelled
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
            100 * result['majority'],
            100 * result['nb_svm'],
            result['rows'],
        )


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
