"""The configuration of TensorFlow Model Analysis for a classifier that is served raw text."""

import json

# The Evaluator loads models that need the operations of the tokeniser.
import tensorflow_text  # noqa: F401
from tensorflow_model_analysis.proto import config_pb2

from vaiven.components.evaluation.calibration import BINS
from vaiven.components.evaluation.config import EvaluationConfig

# The likelier class is right.
_ACCURACY = 'BinaryAccuracy'
# The mean squared error of a probability is its Brier score.
_OTHERS = ('AUC', 'Precision', 'Recall', 'MeanSquaredError', 'ExampleCount')


def eval_config(config: EvaluationConfig) -> config_pb2.EvalConfig:
    """What the Evaluator measures on the split `test`, and the bounds that bless a model.

    The model is called by its signature `serving_default`: `text` in, `probability` and `label` out. Without a
    blessed model before it, only the lower bound counts.
    """
    thresholds = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={'value': config.min_accuracy}),
        change_threshold=config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            absolute={'value': -config.max_accuracy_drop},
        ),
    )
    metrics = [config_pb2.MetricConfig(class_name=_ACCURACY, threshold=thresholds)]
    metrics += [config_pb2.MetricConfig(class_name=name) for name in _OTHERS]
    bins = json.dumps({'num_buckets': BINS, 'left': 0, 'right': 1})
    metrics.append(config_pb2.MetricConfig(class_name='CalibrationPlot', config=bins))
    slices = [config_pb2.SlicingSpec()]
    if config.by_language:
        slices.append(config_pb2.SlicingSpec(feature_keys=['language']))
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name='serving_default', prediction_key='probability', label_key='label'
            )
        ],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
        slicing_specs=slices,
    )
