"""What the frequencies of the classes decide before the training: their weights, and the first thresholds."""

import numpy as np

from vaiven.label_spec import LabelSpec
from vaiven.models.data.dataset import ClassCounts

# Limits of the weight of a class in multilabel data: a class with three rows in a million would drown all others.
MAX_POSITIVE_WEIGHT = 20.0


def balanced_weights(labels: LabelSpec, counts: ClassCounts) -> np.ndarray:
    """Computes the factor of each class in the loss with which all classes count the same.

    Args:
        labels: kind and classes.
        counts: of the training rows.

    Returns:
        float32 (classes): rows / (classes · rows of the class), as in scikit-learn. Of multilabel labels, rows outside
        the class / rows of the class, between 1 / `MAX_POSITIVE_WEIGHT` and `MAX_POSITIVE_WEIGHT`. A class without rows
        has the factor 1.
    """
    of_class = np.where(counts.classes > 0, counts.classes, 1.0)
    if labels.kind == 'multilabel':
        weights = (counts.rows - counts.classes) / of_class
        weights = np.clip(weights, 1 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)
    else:
        weights = counts.rows / (labels.size * of_class)
    return np.where(counts.classes > 0, weights, 1.0).astype(np.float32)


def frequency_thresholds(counts: ClassCounts, class_weights: np.ndarray | None) -> np.ndarray:
    """Computes the thresholds with which the score 0 has the frequencies of the classes as probabilities.

    Args:
        counts: of the training rows. A class without rows counts as half a row.
        class_weights: factor of each class, (classes); None for 1.

    Returns:
        (classes − 1), increasing.
    """
    smoothed = (counts.classes + 0.5) * (1 if class_weights is None else class_weights)
    below = np.cumsum(smoothed)[:-1] / smoothed.sum()
    return np.asarray(np.log(below) - np.log1p(-below))
