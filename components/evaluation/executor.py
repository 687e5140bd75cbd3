"""TFX's Evaluator, with a comparison of the two models row by row."""

import dataclasses
import json
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
from tfx.utils import io_utils, path_utils, proto_utils

from vaiven.components.evaluation.pairs import Pairs
from vaiven.components.examples import read_labelled

PAIRS_FILE = 'pairs.json'
_BATCH = 256
progress = logging.getLogger('vaiven.progress')


class Executor(tfx_executor.Executor):
    """Measures as TFX's Evaluator does, and decides about a drop of the accuracy by pairs.

    TFX refuses a model whose measured accuracy fell by more than the change threshold. On 147 rows one point is less
    than two rows, so equal models would be refused by chance. Here that threshold is a bound for the proven drop.
    """

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        config, min_accuracy, max_drop = _parted(exec_properties[standard_component_specs.EVAL_CONFIG_KEY])
        super().Do(
            input_dict, output_dict, {**exec_properties, standard_component_specs.EVAL_CONFIG_KEY: config}
        )
        blessing = artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY])
        before = next(iter(input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or ()), None)
        good = bool(blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY))
        reason = ''
        if before or not good:
            examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
            texts, labels = read_labelled(examples, 'test')
            model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
            now = right(model, texts, labels)
            if not good:
                reason = (
                    f'accuracy {now.mean():.1%} on {len(now):,} held-out rows is below '
                    f'evaluation.min_accuracy={min_accuracy:g}'
                )
            elif before:
                pairs = Pairs.of(right(before, texts, labels), now)
                evaluation = artifact_utils.get_single_uri(
                    output_dict[standard_component_specs.EVALUATION_KEY]
                )
                content = {**dataclasses.asdict(pairs), 'least_drop': pairs.least_drop}
                io_utils.write_string_file(
                    os.path.join(evaluation, PAIRS_FILE), json.dumps(content, indent=2)
                )
                progress.info(
                    'held-out accuracy: %.1f %%, of the blessed model before it %.1f %%; they differ on %d of %d rows',
                    100 * pairs.accuracy_now,
                    100 * pairs.accuracy_before,
                    pairs.only_before + pairs.only_now,
                    pairs.rows,
                )
                reason = pairs.reason(max_drop)
        if reason:
            _refuse(blessing, reason)


def right(model: Artifact, texts: list[str], labels: np.ndarray) -> np.ndarray:
    """Whether a model gives each text its label: bool (n)."""
    loaded = tf.saved_model.load(path_utils.serving_model_path(model.uri))
    serve = loaded.signatures['serving_default']
    found = [
        serve(text=tf.constant(texts[start : start + _BATCH]))['probability'].numpy().ravel()
        for start in range(0, len(texts), _BATCH)
    ]
    probabilities = np.concatenate(found) if found else np.zeros(0)
    return np.asarray((probabilities > 0.5) == (labels == 1))


def _parted(eval_config: str) -> tuple[str, float, float]:
    """The configuration without its change threshold, the bound of the accuracy, and that threshold as a drop."""
    config = config_pb2.EvalConfig()
    proto_utils.json_to_proto(eval_config, config)
    least, drop = 0.0, 1.0
    for metrics in config.metrics_specs:
        for metric in metrics.metrics:
            if metric.threshold.HasField('change_threshold'):
                least = metric.threshold.value_threshold.lower_bound.value
                drop = -metric.threshold.change_threshold.absolute.value
                metric.threshold.ClearField('change_threshold')
    return proto_utils.proto_to_json(config), least, drop


def _refuse(blessing: Artifact, reason: str) -> None:
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.NOT_BLESSED_VALUE)
    blessing.set_string_custom_property('reason', reason)
    blessed = os.path.join(blessing.uri, constants.BLESSED_FILE_NAME)
    if fileio.exists(blessed):
        fileio.remove(blessed)
    io_utils.write_string_file(os.path.join(blessing.uri, constants.NOT_BLESSED_FILE_NAME), '')
    progress.info('not blessed: %s', reason)
