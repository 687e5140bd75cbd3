"""The TensorFlow Model Analysis configuration of a classifier whose signature takes raw text."""

import json

# Registers the tokeniser's ops: the Evaluator loads models that use them.
import tensorflow_text  # noqa: F401
from tensorflow_model_analysis.proto import config_pb2

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.examples import LABEL_FEATURE
from vaiven.serving.evaluation.calibration import BINS

# Counts a prediction as correct if the probability of the label exceeds 0.5.
_ACCURACY = 'BinaryAccuracy'
# The mean squared error of the probabilities is the Brier score (Brier 1950).
_OTHER_METRICS = ('AUC', 'Precision', 'Recall', 'MeanSquaredError', 'ExampleCount')


def eval_config(config: EvaluationConfig, label_feature: str = LABEL_FEATURE) -> config_pb2.EvalConfig:
    """Builds the metrics and thresholds of the Evaluator.

    The model is called by its signature `serving_default`, which takes raw text and returns `probability`. Without a
    baseline model, only the lower bound of the accuracy applies.

    Args:
        config: the thresholds.
        label_feature: name of the feature with the label, 0 or 1.

    Returns:
        A configuration for `PairedEvaluator` or TFX's Evaluator.
    """
    thresholds = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={'value': config.min_accuracy}),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            absolute={'value': -config.max_accuracy_drop},
        ),
    )
    metrics = [config_pb2.MetricConfig(class_name=_ACCURACY, threshold=thresholds)]
    metrics += [config_pb2.MetricConfig(class_name=name) for name in _OTHER_METRICS]
    bins = json.dumps({'num_buckets': BINS, 'left': 0, 'right': 1})
    metrics.append(config_pb2.MetricConfig(class_name='CalibrationPlot', config=bins))
    slices = [config_pb2.SlicingSpec()]
    if config.by_language:
        slices.append(config_pb2.SlicingSpec(feature_keys=['language']))
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name='serving_default', prediction_key='probability', label_key=label_feature
            )
        ],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
        slicing_specs=slices,
    )
