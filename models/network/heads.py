"""The heads of the network: what its logits mean for each kind of label.

| kind | logits | meaning |
|---|---|---|
| `binary` | (batch) | the logit of the second class |
| `multiclass` | (batch, classes) | unnormalised logarithms of the probabilities |
| `multilabel` | (batch, classes) | the logit of each class |
| `ordinal` | (batch, classes − 1) | cumulative: the logit that the class is above the j-th lowest one; they decrease |

Ordinal labels follow the proportional odds model (McCullagh 1980): the cumulative logits are one score minus increasing
thresholds.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from vaiven.label_spec import LabelSpec
from vaiven.models.network.layers import Tensor

# Two thresholds never coincide: the class between them would have the probability 0.
MIN_GAP = 1e-6


@keras.saving.register_keras_serializable('vaiven')
class OrderedThresholds(keras.layers.Layer):
    """Subtracts increasing thresholds from a score: (batch) → cumulative logits (batch, size).

    The first threshold is a weight, and softplus of a weight is the distance of each further one from the one before.

    Args:
        size: number of thresholds, one less than there are classes.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        first, gap = initial_thresholds(size)[0], float(np.log(np.expm1(1.0)))
        self.first = self.add_weight(shape=(), initializer=keras.initializers.Constant(first), name='first')
        self.gaps = self.add_weight(
            shape=(size - 1,), initializer=keras.initializers.Constant(gap), name='gaps'
        )

    def values(self) -> Tensor:
        """Returns the thresholds, increasing: (size)."""
        gaps = ops.softplus(self.gaps) + MIN_GAP
        steps = ops.concatenate([ops.zeros((1,), gaps.dtype), ops.cumsum(gaps)])
        return self.first + steps

    def set_values(self, thresholds: Sequence[float] | np.ndarray) -> None:
        """Sets the thresholds.

        Args:
            thresholds: (size), increasing.
        """
        gaps = np.maximum(np.diff(np.asarray(thresholds, np.float64)) - MIN_GAP, MIN_GAP)
        self.first.assign(thresholds[0])
        self.gaps.assign(np.log(np.expm1(gaps)))  # the inverse of softplus

    def call(self, scores: Tensor) -> Tensor:
        """Computes the cumulative logits: (batch) → (batch, size)."""
        return ops.expand_dims(scores, -1) - self.values()


def initial_thresholds(size: int) -> np.ndarray:
    """Returns thresholds at a distance of 1, whose mean is 0: float (size)."""
    return np.arange(size) - (size - 1) / 2


def initial_combination(labels: LabelSpec) -> np.ndarray:
    """Returns a, b and c of logits = a · recurrent + b · wide + c that leave the recurrent path alone.

    Returns:
        float32, (3) for binary labels, otherwise (3, number of logits of the head).
    """
    if labels.kind == 'binary':
        return np.array([1.0, 0.0, 0.0], np.float32)
    is_ordinal = labels.kind == 'ordinal'
    c = -initial_thresholds(labels.size - 1) if is_ordinal else np.zeros(labels.size)
    return np.stack([np.ones_like(c), np.zeros_like(c), c]).astype(np.float32)


def label_probabilities(labels: LabelSpec, logits: Tensor) -> Tensor:
    """Computes the probability of each class from the logits of the head.

    Args:
        labels: kind and classes.
        logits: as in the table of this module.

    Returns:
        (batch, classes). Each row sums to 1, except for multilabel labels.
    """
    if labels.kind == 'multiclass':
        return ops.softmax(logits, axis=-1)
    above = ops.sigmoid(logits)
    if labels.kind == 'binary':
        return ops.stack([1 - above, above], axis=-1)
    if labels.kind == 'multilabel':
        return above
    return ops.exp(ordinal_log_probabilities(logits))


def ordinal_log_probabilities(logits: Tensor) -> Tensor:
    """Computes the logarithm of the probability of each class from cumulative logits: (batch, k − 1) → (batch, k)."""
    # σ(x) − σ(y) = σ(x) · σ(−y) · (1 − exp(y − x)) for x > y: logarithms of the factors never overflow.
    above, below = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)  # of each threshold
    gaps = ops.maximum(logits[:, :-1] - logits[:, 1:], MIN_GAP)
    between = above[:, :-1] + below[:, 1:] + ops.log(-ops.expm1(-gaps))
    return ops.concatenate([below[:, :1], between, above[:, -1:]], axis=-1)


def is_labelled(targets: Tensor) -> Tensor:
    """Returns which rows are labelled, float32 (batch), from targets (batch) or (batch, classes)."""
    first = targets if len(targets.shape) == 1 else targets[:, 0]
    return ops.cast(first >= 0, 'float32')


def is_correct(labels: LabelSpec, logits: Tensor, targets: Tensor) -> Tensor:
    """Returns which rows are classified as their targets say, float32 (batch); multilabel: in all classes.

    Args:
        labels: kind and classes.
        logits: as in the table of this module.
        targets: (batch) for binary labels, otherwise (batch, classes).
    """
    if labels.kind == 'binary':
        return ops.cast((logits > 0) == (targets > 0.5), 'float32')
    if labels.kind == 'multilabel':
        return ops.cast(ops.all((logits > 0) == (targets > 0.5), axis=-1), 'float32')
    scores = ordinal_log_probabilities(logits) if labels.kind == 'ordinal' else logits
    return ops.cast(ops.argmax(scores, axis=-1) == ops.argmax(targets, axis=-1), 'float32')
