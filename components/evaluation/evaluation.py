"""The TensorFlow Model Analysis configuration of a classifier whose signature takes raw text."""

import json

# Registers the tokeniser's ops: the Evaluator loads models that use them.
import tensorflow_text  # noqa: F401
from tensorflow_model_analysis.proto import config_pb2

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.examples import LABEL_FEATURE
from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation.calibration import BINS

BINARY_MIN_ACCURACY = 0.6
# Counts a prediction as correct if the probability of the label exceeds 0.5.
_ACCURACY = 'BinaryAccuracy'
# The mean squared error of the probabilities is the Brier score (Brier 1950).
_OTHER_METRICS = ('AUC', 'Precision', 'Recall', 'MeanSquaredError', 'ExampleCount')
_LABEL_MEASURES, _MODULE = 'LabelMeasures', 'vaiven.components.evaluation.label_measures'


def eval_config(
    config: EvaluationConfig, labels: LabelSpec | None = None, label_feature: str = LABEL_FEATURE
) -> config_pb2.EvalConfig:
    """Builds the metrics and thresholds of the Evaluator.

    The model is called by its signature `serving_default`, which takes raw text and returns `probability`, the
    probability of the second of two classes, or `probabilities` (n, k) for other labels. Without a baseline model, only
    the bounds of the accuracy and of the macro-F1 apply.

    Args:
        config: the thresholds.
        labels: the labels of the model; by default those of sentiment.
        label_feature: name of the feature with the index of the class, or of multilabel rows those of all classes.

    Returns:
        A configuration for `PairedEvaluator` or TFX's Evaluator.
    """
    labels = labels or LabelSpec()
    is_binary = labels.kind == 'binary'
    measures = config_pb2.MetricConfig(
        class_name=_LABEL_MEASURES,
        module=_MODULE,
        config=json.dumps({'kind': labels.kind, 'classes': labels.classes}, ensure_ascii=False),
    )
    metrics = config_pb2.MetricsSpec(
        metrics=[
            *(_binary_metrics(config) if is_binary else [config_pb2.MetricConfig(class_name='ExampleCount')]),
            measures,
        ]
    )
    for name, threshold in _thresholds(config, is_binary).items():
        metrics.per_slice_thresholds[name].thresholds.append(_on_all_rows(threshold))
    slices = [config_pb2.SlicingSpec()]
    if config.by_language:
        slices.append(config_pb2.SlicingSpec(feature_keys=['language']))
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                signature_name='serving_default',
                prediction_key='probability' if is_binary else 'probabilities',
                label_key=label_feature,
            )
        ],
        metrics_specs=[metrics],
        slicing_specs=slices,
    )


def label_spec(config: config_pb2.EvalConfig) -> LabelSpec:
    """The labels that `eval_config` was built for; those of sentiment if another program built the configuration."""
    for metrics in config.metrics_specs:
        for metric in metrics.metrics:
            if metric.class_name == _LABEL_MEASURES:
                values = json.loads(metric.config)
                return LabelSpec(values['kind'], tuple(values['classes']))
    return LabelSpec()


def _binary_metrics(config: EvaluationConfig) -> list[config_pb2.MetricConfig]:
    min_accuracy = BINARY_MIN_ACCURACY if config.min_accuracy is None else config.min_accuracy
    threshold = _on_all_rows(_accuracy_threshold(config, min_accuracy))
    metrics = [config_pb2.MetricConfig(class_name=_ACCURACY, per_slice_thresholds=[threshold])]
    metrics += [config_pb2.MetricConfig(class_name=name) for name in _OTHER_METRICS]
    bins = json.dumps({'num_buckets': BINS, 'left': 0, 'right': 1})
    metrics.append(config_pb2.MetricConfig(class_name='CalibrationPlot', config=bins))
    return metrics


def _thresholds(config: EvaluationConfig, is_binary: bool) -> dict[str, config_pb2.MetricThreshold]:
    """The thresholds of `LabelMeasures` by figure."""
    thresholds = {}
    if config.min_macro_f1 is not None:
        thresholds['macro_f1'] = _bound(config.min_macro_f1)
    elif not is_binary or config.min_accuracy is None:
        # A bound of the accuracy that the user has set for two classes stands alone.
        thresholds['better_than_chance'] = _bound(1)
    if not is_binary:
        thresholds['accuracy'] = _accuracy_threshold(config, config.min_accuracy)
        thresholds['is_constant'] = config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(upper_bound={'value': 0})
        )
    return thresholds


def _accuracy_threshold(config: EvaluationConfig, min_accuracy: float | None) -> config_pb2.MetricThreshold:
    threshold = config_pb2.MetricThreshold() if min_accuracy is None else _bound(min_accuracy)
    threshold.change_threshold.CopyFrom(
        config_pb2.GenericChangeThreshold(
            direction=config_pb2.MetricDirection.HIGHER_IS_BETTER,
            absolute={'value': -config.max_accuracy_drop},
        )
    )
    return threshold


def _on_all_rows(threshold: config_pb2.MetricThreshold) -> config_pb2.PerSliceMetricThreshold:
    """Without slices, TFMA would apply a threshold to each slice: to each language."""
    return config_pb2.PerSliceMetricThreshold(slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold)


def _bound(value: float) -> config_pb2.MetricThreshold:
    return config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(lower_bound={'value': value})
    )
