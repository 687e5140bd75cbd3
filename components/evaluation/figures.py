"""The figures that TFX's Evaluator has written."""

from typing import Any

import numpy as np
from tensorflow_model_analysis.api import model_eval_lib

# The name of the candidate, without and with a baseline model.
_CANDIDATES = ('', 'candidate')


def held_out_figures(evaluation_uri: str) -> dict[str, float | np.ndarray]:
    """The metrics of the candidate over all held-out rows by name.

    Args:
        evaluation_uri: location of the evaluation.

    Returns:
        Numbers, and arrays of float64; empty if nothing was measured.
    """
    figures: dict[str, float | np.ndarray] = {}
    for metrics in model_eval_lib.load_metrics(evaluation_uri):
        if metrics.slice_key.single_slice_keys:
            continue
        for pair in metrics.metric_keys_and_values:
            if not pair.key.is_diff and pair.key.model_name in _CANDIDATES:
                figures[pair.key.name] = _value(pair.value)
    return figures


def failed_thresholds(evaluation_uri: str) -> dict[str, float]:
    """The thresholds that the candidate does not meet.

    Args:
        evaluation_uri: location of the evaluation.

    Returns:
        The bound by name of the metric; NaN for other thresholds than a lower bound.
    """
    validation = model_eval_lib.load_validation_result(evaluation_uri)
    failures = (failure for part in validation.metric_validations_per_slice for failure in part.failures)
    return {failure.metric_key.name: _lower_bound(failure.metric_threshold) for failure in failures}


def _value(value: Any) -> float | np.ndarray:
    if value.HasField('array_value'):
        array = value.array_value
        return np.array(array.float64_values).reshape(array.shape)
    return float(value.double_value.value)


def _lower_bound(threshold: Any) -> float:
    bound = threshold.value_threshold
    return float(bound.lower_bound.value) if bound.HasField('lower_bound') else float('nan')
