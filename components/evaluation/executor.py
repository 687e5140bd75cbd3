"""The executor of the PairedEvaluator component."""

import logging
import os
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_model_analysis.proto import config_pb2
from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as tfx_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from vaiven.components.evaluation.pairs import PairedResults
from vaiven.components.examples import TEXT_FEATURE, read_labelled

PAIRS_FILE = 'pairs.json'
_BATCH_SIZE = 256
progress = logging.getLogger('vaiven.progress')


class Executor(tfx_executor.Executor):
    """TFX's Evaluator whose change threshold applies to the proven drop of the accuracy.

    TFX refuses a model whose measured accuracy fell by more than the change threshold. On 147 rows one percentage point
    is less than two rows, so an equally good model would be refused by chance. Here the change threshold is removed
    before TFX measures, and a paired test applies it to the lower confidence bound of the drop.
    """

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates the candidate with TFX, then compares it with the baseline model example by example.

        Args:
            input_dict: `examples`, `model` and, optionally, `baseline_model`.
            output_dict: `evaluation` and `blessing`.
            exec_properties: those of TFX's Evaluator, and `text_feature`.

        Raises:
            UserError: if the examples do not have one of the splits.
        """
        config, min_accuracy, max_drop = _without_change_threshold(
            exec_properties[standard_component_specs.EVAL_CONFIG_KEY]
        )
        tfx_config = proto_utils.proto_to_json(config)
        super().Do(
            input_dict, output_dict, {**exec_properties, standard_component_specs.EVAL_CONFIG_KEY: tfx_config}
        )
        blessing = artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])
        baseline = next(iter(input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or ()), None)
        is_blessed = bool(blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY))
        if is_blessed and baseline is None:
            return
        model_spec = config.model_specs[0]
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        text_feature = exec_properties.get('text_feature') or TEXT_FEATURE
        texts, labels = _read_splits(examples, exec_properties, text_feature, model_spec.label_key)
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        candidate_correct = correct_predictions(model, texts, labels, model_spec, text_feature)
        if not is_blessed or baseline is None:
            accuracy = candidate_correct.mean()
            reason = (
                f'accuracy {accuracy:.1%} on {len(texts):,} held-out rows is below '
                f'evaluation.min_accuracy={min_accuracy:g}'
                if accuracy < min_accuracy
                else 'a threshold of eval_config is not met'
            )
        else:
            results = PairedResults.from_correct(
                correct_predictions(baseline, texts, labels, model_spec, text_feature), candidate_correct
            )
            evaluation = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
            io_utils.write_string_file(os.path.join(evaluation, PAIRS_FILE), results.to_json())
            progress.info(
                'held-out accuracy: %.1f %%; of the latest blessed model: %.1f %%; they differ on %d of %d rows',
                100 * results.candidate_accuracy,
                100 * results.baseline_accuracy,
                results.only_baseline + results.only_candidate,
                results.rows,
            )
            reason = results.reason(max_drop)
        if reason:
            _refuse(blessing, reason)


def correct_predictions(
    model: Artifact,
    texts: list[str],
    labels: np.ndarray,
    model_spec: config_pb2.ModelSpec,
    text_feature: str = TEXT_FEATURE,
) -> np.ndarray:
    """Whether a model predicts the label of each text.

    Args:
        model: a Model artifact in the layout of TFX's Trainer.
        texts: texts (n).
        labels: their labels int (n), 0 or 1.
        model_spec: gives the signature and the key of its predictions, the probabilities of label 1.
        text_feature: name of the signature's input.

    Returns:
        bool (n).
    """
    loaded = tf.saved_model.load(path_utils.serving_model_path(model.uri))
    signature = loaded.signatures[model_spec.signature_name]
    batches = [
        signature(**{text_feature: tf.constant(texts[start : start + _BATCH_SIZE])})[
            model_spec.prediction_key
        ]
        for start in range(0, len(texts), _BATCH_SIZE)
    ]
    probabilities = np.concatenate([batch.numpy().ravel() for batch in batches]) if batches else np.zeros(0)
    return np.asarray((probabilities > 0.5) == (labels == 1))


def _read_splits(
    examples: Artifact, exec_properties: dict[str, Any], text_feature: str, label_feature: str
) -> tuple[list[str], np.ndarray]:
    # TFX's Evaluator, too, falls back to the split `eval`.
    splits = json_utils.loads(exec_properties.get(standard_component_specs.EXAMPLE_SPLITS_KEY) or 'null') or [
        'eval'
    ]
    read = [read_labelled(examples, split, text_feature, label_feature) for split in splits]
    return [text for texts, _ in read for text in texts], np.concatenate([labels for _, labels in read])


def _without_change_threshold(eval_config: str) -> tuple[config_pb2.EvalConfig, float, float]:
    """The configuration without its change threshold, the minimum accuracy, and that threshold as a maximum drop."""
    config = config_pb2.EvalConfig()
    proto_utils.json_to_proto(eval_config, config)
    min_accuracy, max_drop = 0.0, 1.0
    for metrics in config.metrics_specs:
        for metric in metrics.metrics:
            if metric.threshold.HasField('change_threshold'):
                min_accuracy = metric.threshold.value_threshold.lower_bound.value
                max_drop = -metric.threshold.change_threshold.absolute.value
                metric.threshold.ClearField('change_threshold')
    return config, min_accuracy, max_drop


def _refuse(blessing: Artifact, reason: str) -> None:
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.NOT_BLESSED_VALUE)
    blessing.set_string_custom_property('reason', reason)
    blessed = os.path.join(blessing.uri, constants.BLESSED_FILE_NAME)
    if fileio.exists(blessed):
        fileio.remove(blessed)
    io_utils.write_string_file(os.path.join(blessing.uri, constants.NOT_BLESSED_FILE_NAME), '')
    progress.info('not blessed: %s', reason)
