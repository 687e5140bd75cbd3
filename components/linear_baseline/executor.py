"""The executor of the LinearBaseline component."""

import json
import logging
import os
import time
from typing import Any

import numpy as np
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils

from vaiven.components.examples import LABEL_FEATURE, TEST_SPLIT, TEXT_FEATURE, TRAIN_SPLIT, read_labelled
from vaiven.components.linear_baseline.artifact import BASELINE_FILE
from vaiven.components.linear_baseline.nb_svm import NbSvm
from vaiven.configuration import from_dict
from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation.measures import Measures, measure

progress = logging.getLogger('vaiven.progress')


class Executor(base_executor.BaseExecutor):
    """Writes `baseline.json` to the folder of the artifact."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains the NB-SVM, measures it and the majority class, and writes the result.

        Args:
            input_dict: `examples`.
            output_dict: `baseline`.
            exec_properties: `train_split`, `test_split`, `text_feature`, `label_feature` and `labels`.

        Raises:
            UserError: if the examples do not have one of the splits.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        started = time.monotonic()
        examples = artifact_utils.get_single_instance(input_dict['examples'])
        baseline = artifact_utils.get_single_instance(output_dict['baseline'])
        train_split = exec_properties.get('train_split') or TRAIN_SPLIT
        test_split = exec_properties.get('test_split') or TEST_SPLIT
        features = (
            exec_properties.get('text_feature') or TEXT_FEATURE,
            exec_properties.get('label_feature') or LABEL_FEATURE,
        )
        labels = from_dict(LabelSpec, json.loads(exec_properties.get('labels') or '{}'))
        result = measure_accuracies(
            *read_labelled(examples, train_split, *features, labels),
            *read_labelled(examples, test_split, *features, labels),
            labels,
        )
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


def measure_accuracies(
    texts: list[str],
    labels: np.ndarray,
    test_texts: list[str],
    test_labels: np.ndarray,
    spec: LabelSpec | None = None,
) -> dict[str, float]:
    """Accuracies of the majority class of the training examples, and of an NB-SVM trained on them.

    Args:
        texts: training texts (n).
        labels: index of the class of each, int (n); multilabel: bool (n, k). At least two classes occur.
        test_texts: test texts (m).
        test_labels: their labels, in the same form.
        spec: kind and classes; by default those of sentiment.

    Returns:
        `majority` and `nb_svm`, accuracies from 0 to 1, for several labels per text the share of texts with all labels
        right; `macro_f1` of the NB-SVM; for ordered classes its `mean_absolute_error`, and that of the majority class,
        `majority_mean_absolute_error`, in `LabelSpec.values`; `rows`, the number of test examples.
    """
    spec = spec or LabelSpec()
    predicted = NbSvm(spec).fit(texts, labels).predict(test_texts)
    constant = np.broadcast_to(_majority(labels, spec), predicted.shape)
    nb_svm, majority = (_measure(test_labels, predictions, spec) for predictions in (predicted, constant))
    result = {'majority': majority.accuracy, 'nb_svm': nb_svm.accuracy, 'macro_f1': nb_svm.macro_f1}
    if nb_svm.mean_absolute_error is not None and majority.mean_absolute_error is not None:
        result['mean_absolute_error'] = nb_svm.mean_absolute_error
        result['majority_mean_absolute_error'] = majority.mean_absolute_error
    return {**result, 'rows': len(test_texts)}


def _majority(labels: np.ndarray, spec: LabelSpec) -> np.ndarray:
    """The most frequent class, int (); multilabel: the most frequent set of classes, bool (k)."""
    if spec.kind != 'multilabel':
        return np.asarray(np.bincount(labels, minlength=spec.size).argmax())
    sets, counts = np.unique(np.packbits(labels, axis=1), axis=0, return_counts=True)
    return np.unpackbits(sets[np.argmax(counts)], count=spec.size).astype(bool)


def _measure(labels: np.ndarray, predictions: np.ndarray, spec: LabelSpec) -> Measures:
    # An SVM has no probabilities, and the measures of predictions do not need them.
    probabilities = np.broadcast_to(np.float32(1 / spec.size), (len(labels), spec.size))
    return measure(labels, probabilities, spec, predictions)
