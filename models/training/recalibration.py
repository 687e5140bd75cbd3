"""Calibrates an exported model anew, to labelled rows and the probabilities that it gives to them.

The logits of a model are a · recurrent + b · wide + c. A factor and a bias for them (Platt scaling; vector scaling,
Guo et al. 2017) give a model of the same form, so only these three change.
"""

import dataclasses

import numpy as np
from keras import ops
from scipy import special

from vaiven.label_spec import LabelSpec
from vaiven.models.network.heads import label_probabilities
from vaiven.models.training.calibration import fit_combination

FOLDS = 5
# Logarithms of smaller probabilities would be noise of 32 bits.
MIN_PROBABILITY = 1e-7


@dataclasses.dataclass(frozen=True)
class Recalibration:
    """logits → factor · logits + bias.

    Attributes:
        labels: kind and classes.
        factor, bias: float () of binary labels, otherwise (number of logits).
    """

    labels: LabelSpec
    factor: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(cls, labels: LabelSpec, probabilities: np.ndarray, targets: np.ndarray) -> 'Recalibration':
        """Fits to rows that the model was not trained on.

        Args:
            labels: kind and classes.
            probabilities: of the model, float (rows, classes).
            targets: 1 for the classes of a row, otherwise 0, (rows, classes).
        """
        logits = to_logits(labels, probabilities)
        if labels.kind == 'binary':
            factor, _, bias = fit_combination(labels, logits, None, targets[:, 1])
            return cls(labels, factor, bias)
        if labels.kind == 'ordinal':
            # A score and thresholds, as the fit expects them: the first logit is the score.
            distances = (logits[:, :1] - logits).mean(axis=0)
            factor, _, bias = fit_combination(labels, logits[:, 0], None, targets, distances)
            return cls(labels, factor, bias + factor * distances)
        factor, _, bias = fit_combination(labels, logits, None, targets)
        return cls(labels, factor, bias)

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities, (rows, classes)."""
        logits = self.factor * to_logits(self.labels, probabilities) + self.bias
        return np.asarray(ops.convert_to_numpy(label_probabilities(self.labels, logits)))

    def combination(self, old: np.ndarray) -> np.ndarray:
        """Returns `Network.combination` of the calibrated model, in the shape of the old one."""
        return np.stack([self.factor * old[0], self.factor * old[1], self.factor * old[2] + self.bias])


def to_logits(labels: LabelSpec, probabilities: np.ndarray) -> np.ndarray:
    """Returns logits that give the probabilities: (rows, classes) → as in `vaiven.models.network.heads`, 64 bits.

    The logits of several classes are the network's minus a number for each row, which no probability depends on.
    """
    bounded = np.clip(np.asarray(probabilities, np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    if labels.kind == 'binary':
        return np.asarray(special.logit(bounded[:, 1]))
    if labels.kind == 'multiclass':
        return np.log(bounded)
    if labels.kind == 'multilabel':
        return np.asarray(special.logit(bounded))
    above = np.cumsum(probabilities[:, ::-1].astype(np.float64), axis=1)[:, ::-1][:, 1:]
    return np.asarray(special.logit(np.clip(above, MIN_PROBABILITY, 1 - MIN_PROBABILITY)))


def cross_validated(labels: LabelSpec, probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the probabilities of each row after a calibration to the other folds' rows, (rows, classes).

    What a calibration does for the rows that it was fitted to says too much.

    Args:
        labels, probabilities, targets: as in `Recalibration.fit`.
    """
    calibrated = np.zeros_like(probabilities, dtype=np.float64)
    fold = np.random.default_rng(0).permutation(len(targets)) % FOLDS
    for number in range(FOLDS):
        inside, outside = fold == number, fold != number
        calibrated[inside] = Recalibration.fit(labels, probabilities[outside], targets[outside]).apply(
            probabilities[inside]
        )
    return calibrated
