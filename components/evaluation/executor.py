"""The executor of the PairedEvaluator component."""

import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from tensorflow.python.tools import saved_model_utils
from tensorflow_model_analysis.proto import config_pb2
from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as tfx_executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from vaiven.components.evaluation import shared_model
from vaiven.components.evaluation.behaviour.results import run_cases
from vaiven.components.evaluation.behaviour.selection import BehaviourTests
from vaiven.components.evaluation.evaluation import label_spec
from vaiven.components.evaluation.pairs import PairedResults
from vaiven.components.evaluation.predictions import Classifier, correct_predictions
from vaiven.components.evaluation.refusal import refusal
from vaiven.components.examples import TEXT_FEATURE, read_labelled
from vaiven.label_spec import LabelSpec

PAIRS_FILE, BEHAVIOUR_FILE = 'pairs.json', 'behaviour.json'
_MAX_SHOWN_CLASSES = 5
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
            exec_properties: those of TFX's Evaluator, `text_feature` and `behaviour`.

        Raises:
            UserError: if the examples do not have one of the splits.
        """
        config, max_drop = _without_change_threshold(
            exec_properties[standard_component_specs.EVAL_CONFIG_KEY]
        )
        labels, model_spec = label_spec(config), config.model_specs[0]
        baseline = next(iter(input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or ()), None)
        inputs = dict(input_dict)
        if baseline is not None and not (labels.kind == 'binary' and _has_output(baseline, model_spec)):
            # TFMA measures both models by the same labels, and this one may have other classes.
            del inputs[standard_component_specs.BASELINE_MODEL_KEY]
        changed = {
            standard_component_specs.EVAL_CONFIG_KEY: proto_utils.proto_to_json(config),
            standard_component_specs.MODULE_PATH_KEY: shared_model.MODULE_PATH,
        }
        try:
            super().Do(inputs, output_dict, {**exec_properties, **changed})
            self._judge(input_dict, output_dict, exec_properties, config, max_drop)
        finally:
            shared_model.forget_models()

    def _judge(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
        config: config_pb2.EvalConfig,
        max_drop: float,
    ) -> None:
        """Says why TFX has not blessed the candidate; runs the behavioural tests and the paired test."""
        labels, model_spec = label_spec(config), config.model_specs[0]
        baseline = next(iter(input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or ()), None)
        evaluation = artifact_utils.get_single_uri(output_dict[standard_component_specs.EVALUATION_KEY])
        blessing = artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])
        is_blessed = bool(blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY))
        if not is_blessed:
            _refuse(blessing, refusal(evaluation, labels))
        tests = BehaviourTests.from_json(exec_properties.get('behaviour') or '')
        if tests.which == 'none' and (baseline is None or not is_blessed):
            return
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        text_feature = exec_properties.get('text_feature') or TEXT_FEATURE
        rows = _read_splits(examples, exec_properties, text_feature, model_spec.label_key, labels)
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        candidate = Classifier(model, labels, model_spec, text_feature)
        if tests.which != 'none':
            behaviour = run_cases(tests.cases(rows[0], labels), candidate.probabilities, labels)
            io_utils.write_string_file(os.path.join(evaluation, BEHAVIOUR_FILE), behaviour.to_json())
            if is_blessed and (reason := behaviour.refusal(tests.min_score)):
                is_blessed = False
                _refuse(blessing, reason)
        if baseline is None or not is_blessed:
            return
        blessed_model = Classifier(baseline, labels, model_spec, text_feature)
        of_candidate, of_baseline = (
            correct_predictions(one, *rows, labels) for one in (candidate, blessed_model)
        )
        results = PairedResults.from_correct(of_baseline.correct, of_candidate.correct)
        io_utils.write_string_file(os.path.join(evaluation, PAIRS_FILE), results.to_json())
        progress.info(
            'held-out accuracy: %.1f %%; of the latest blessed model: %.1f %%; they differ on %d of %d rows',
            100 * results.candidate_accuracy,
            100 * results.baseline_accuracy,
            results.only_baseline + results.only_candidate,
            results.rows,
        )
        if of_baseline.unknown_rows:
            progress.info(
                'the latest blessed model does not have %s; %d rows with it count as wrong for that model',
                _shown(of_baseline.unknown_classes),
                of_baseline.unknown_rows,
            )
        if reason := results.reason(max_drop):
            _refuse(blessing, reason)


def _has_output(model: Artifact, model_spec: config_pb2.ModelSpec) -> bool:
    """Whether a model has the output that is evaluated, without loading it."""
    (graph,) = saved_model_utils.read_saved_model(path_utils.serving_model_path(model.uri)).meta_graphs
    return model_spec.prediction_key in graph.signature_def[model_spec.signature_name].outputs


def _read_splits(
    examples: Artifact,
    exec_properties: dict[str, Any],
    text_feature: str,
    label_feature: str,
    labels: LabelSpec,
) -> tuple[list[str], np.ndarray]:
    # TFX's Evaluator, too, falls back to the split `eval`.
    splits = json_utils.loads(exec_properties.get(standard_component_specs.EXAMPLE_SPLITS_KEY) or 'null') or [
        'eval'
    ]
    read = [read_labelled(examples, split, text_feature, label_feature, labels) for split in splits]
    return [text for texts, _ in read for text in texts], np.concatenate([labels for _, labels in read])


def _without_change_threshold(eval_config: str) -> tuple[config_pb2.EvalConfig, float]:
    """The configuration without its change threshold, and that threshold as a maximum drop of the accuracy."""
    config = config_pb2.EvalConfig()
    proto_utils.json_to_proto(eval_config, config)
    max_drop = 1.0
    for threshold in _thresholds(config):
        if threshold.HasField('change_threshold'):
            max_drop = -threshold.change_threshold.absolute.value
            threshold.ClearField('change_threshold')
    return config, max_drop


def _thresholds(config: config_pb2.EvalConfig) -> Iterator[config_pb2.MetricThreshold]:
    for metrics in config.metrics_specs:
        yield from metrics.thresholds.values()
        for of_slices in metrics.per_slice_thresholds.values():
            yield from (one.threshold for one in of_slices.thresholds)
        for metric in metrics.metrics:
            yield metric.threshold
            yield from (one.threshold for one in metric.per_slice_thresholds)


def _shown(classes: Sequence[str]) -> str:
    more = f' and {len(classes) - _MAX_SHOWN_CLASSES} more' if len(classes) > _MAX_SHOWN_CLASSES else ''
    return ', '.join(map(repr, classes[:_MAX_SHOWN_CLASSES])) + more


def _refuse(blessing: Artifact, reason: str) -> None:
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.NOT_BLESSED_VALUE)
    blessing.set_string_custom_property('reason', reason)
    blessed = os.path.join(blessing.uri, constants.BLESSED_FILE_NAME)
    if fileio.exists(blessed):
        fileio.remove(blessed)
    io_utils.write_string_file(os.path.join(blessing.uri, constants.NOT_BLESSED_FILE_NAME), '')
    progress.info('not blessed: %s', reason)
