"""Combines and calibrates the logits of the paths on rows that they were not trained on, by maximum likelihood.

Binary labels are fitted by logistic regression. All other fits are minimised by L-BFGS, and have a weak normal prior
around a start that is sensible without any row. So a class without rows and a coefficient that no row says anything
about stay where they start.
"""

from collections.abc import Callable

import numpy as np
from keras import ops
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression

from vaiven.label_spec import LabelSpec
from vaiven.models.network.heads import label_probabilities

# Inverse variance of the prior of the coefficients, in the unit of the sum of the losses.
PENALTY = 1.0
# Vector scaling has a bias for each class. With fewer rows per class than this it fits noise; then one temperature for
# all classes is fitted, in the words of Guo et al. 2017.
MIN_ROWS_PER_BIAS = 10

# Inverse regularisation of the logistic regression for binary labels.
STACKING_C = 1.0
MIN_PROBABILITY = 1e-12

# Parameters → loss and its gradient.
Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def fit_combination(
    labels: LabelSpec,
    recurrent: np.ndarray,
    wide: np.ndarray | None,
    targets: np.ndarray,
    thresholds: np.ndarray | None = None,
    class_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Fits a, b and c of logits = a · recurrent + b · wide + c.

    Args:
        labels: kind and classes.
        recurrent: logits of the recurrent path, (rows) of binary labels, otherwise (rows, classes), or the scores
            (rows) of ordinal labels.
        wide: those of the wide path; None if there is none: then b is 0.
        targets: (rows) of binary labels, otherwise (rows, classes).
        thresholds: of ordinal labels: those of the recurrent path, (classes − 1).
        class_weights: factor of each class in the loss, (classes); None for 1.

    Returns:
        float (3) of binary labels, otherwise (3, classes), or (3, classes − 1) of ordinal labels.
    """
    weights = np.ones(labels.size) if class_weights is None else np.asarray(class_weights, np.float64)
    paths = np.stack([recurrent] if wide is None else [recurrent, wide]).astype(np.float64)
    if labels.kind == 'binary':
        return _fit_binary(paths, targets > 0.5, weights)
    if labels.kind == 'ordinal':
        assert thresholds is not None
        factors, c = _fit_ordinal(paths, targets * weights, thresholds)
    elif labels.kind == 'multiclass':
        factors, c = _fit_multiclass(paths, targets * weights)
    else:
        factors, c = _fit_multilabel(paths, targets, weights)
    combination = np.zeros((3, len(c)))
    combination[: len(factors)] = factors if factors.ndim == 2 else factors[:, None]
    combination[2] = c
    return combination


def combine(
    labels: LabelSpec, combination: np.ndarray, recurrent: np.ndarray, wide: np.ndarray
) -> np.ndarray:
    """Returns the logits of the labels, as in `vaiven.models.network.heads`, from those of the paths."""
    if labels.kind == 'ordinal':
        recurrent, wide = recurrent[:, None], wide[:, None]
    logits: np.ndarray = combination[0] * recurrent + combination[1] * wide + combination[2]
    return logits


def log_losses(
    labels: LabelSpec, logits: np.ndarray, targets: np.ndarray, class_weights: np.ndarray | None = None
) -> np.ndarray:
    """Returns the logarithmic loss of each row, in nats, summed over the classes of multilabel labels: float (rows).

    Args:
        labels: kind and classes.
        logits: as in `vaiven.models.network.heads`.
        targets: as in `fit_combination`; binary targets are rounded to classes.
        class_weights: as in `fit_combination`.
    """
    probabilities = ops.convert_to_numpy(label_probabilities(labels, logits.astype(np.float64)))
    if labels.kind == 'binary':
        targets = np.stack([targets <= 0.5, targets > 0.5], axis=1)
    weights = 1.0 if class_weights is None else class_weights
    losses = weights * targets * np.log(np.maximum(probabilities, MIN_PROBABILITY))
    if labels.kind == 'multilabel':
        losses = losses + (1 - targets) * np.log(np.maximum(1 - probabilities, MIN_PROBABILITY))
    total: np.ndarray = -losses.sum(axis=1)
    return total


def _fit_binary(paths: np.ndarray, is_positive: np.ndarray, class_weights: np.ndarray) -> np.ndarray:
    """Fits logistic regression to the logits of the paths (paths, rows); with one path it is Platt scaling."""
    row_weights = np.where(is_positive, class_weights[1], class_weights[0])
    model = LogisticRegression(C=STACKING_C).fit(paths.T, is_positive, row_weights)
    factors = [*model.coef_[0], 0.0][:2]  # without a wide path, its factor is 0
    return np.array([*factors, *model.intercept_])


def _fit_multiclass(paths: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fits vector scaling (Guo et al. 2017) with one factor per path: paths (paths, rows, classes)."""
    count, rows, classes = paths.shape
    has_bias = targets.sum(axis=0) > 0 if rows >= MIN_ROWS_PER_BIAS * classes else np.zeros(classes, bool)
    row_weights = targets.sum(axis=1, keepdims=True)

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        logits = np.tensordot(parameters[:count], paths, 1)
        logits[:, has_bias] += parameters[count:]
        log_probabilities = special.log_softmax(logits, axis=1)
        errors = row_weights * np.exp(log_probabilities) - targets
        gradient = [np.vdot(path, errors) for path in paths]
        loss = -np.vdot(targets, log_probabilities)
        return loss, np.concatenate([gradient, errors.sum(axis=0)[has_bias]])

    start = np.concatenate([np.full(count, 1 / count), np.zeros(int(has_bias.sum()))])
    fitted = _minimise(objective, start)
    c = np.zeros(classes)
    c[has_bias] = fitted[count:]
    return fitted[:count], c


def _fit_multilabel(
    paths: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fits Platt scaling for each class, with a prior around coefficients that all classes share."""
    count, _, classes = paths.shape

    def objective(factors: np.ndarray, c: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        logits = np.einsum('pc,prc->rc', factors, paths) + c
        positive, negative = weights * targets, 1 - targets
        loss = -np.vdot(positive, special.log_expit(logits)) - np.vdot(negative, special.log_expit(-logits))
        errors = (positive + negative) * special.expit(logits) - positive  # (rows, classes)
        return loss, np.einsum('prc,rc->pc', paths, errors), errors.sum(axis=0)

    def shared(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        factors = np.repeat(parameters[:-1, None], classes, axis=1)
        loss, by_factors, by_c = objective(factors, np.full(classes, parameters[-1]))
        return loss, np.append(by_factors.sum(axis=1), by_c.sum())

    def separate(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        values = parameters.reshape(count + 1, classes)
        loss, by_factors, by_c = objective(values[:-1], values[-1])
        return loss, np.concatenate([by_factors.ravel(), by_c])

    common = _minimise(shared, np.append(np.full(count, 1 / count), 0.0))
    fitted = _minimise(separate, np.repeat(common, classes)).reshape(count + 1, classes)
    return fitted[:-1], fitted[-1]


def _fit_ordinal(
    paths: np.ndarray, targets: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fits the proportional odds model (McCullagh 1980) to the scores of the paths: paths (paths, rows)."""
    count = len(paths)

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        first, log_gaps = parameters[count], parameters[count + 1 :]
        gaps = np.exp(np.minimum(log_gaps, 30.0))
        values = first + np.concatenate([[0.0], np.cumsum(gaps)])
        logits = (parameters[:count] @ paths)[:, None] - values  # (rows, classes − 1), cumulative
        above = special.expit(logits)
        edges = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        ratios = targets / np.maximum(edges[:, :-1] - edges[:, 1:], 1e-12)  # (rows, classes)
        loss = -np.vdot(targets, np.log(np.maximum(edges[:, :-1] - edges[:, 1:], 1e-12)))
        by_logits = above * (1 - above) * (ratios[:, :-1] - ratios[:, 1:])
        by_values = -by_logits.sum(axis=0)
        by_gaps = np.cumsum(by_values[::-1])[::-1][1:] * gaps  # a gap moves every threshold after it
        by_factors = paths @ by_logits.sum(axis=1)
        return loss, np.concatenate([by_factors, [by_values.sum()], by_gaps])

    gaps = np.maximum(np.diff(thresholds), 1e-3)
    start = np.concatenate([np.full(count, 1 / count), thresholds[:1], np.log(gaps)])
    fitted = _minimise(objective, start)
    gaps = np.exp(np.minimum(fitted[count + 1 :], 30.0))
    return fitted[:count], -(fitted[count] + np.concatenate([[0.0], np.cumsum(gaps)]))


def _minimise(objective: Objective, start: np.ndarray) -> np.ndarray:
    """Minimises a loss plus the prior around `start`."""

    def penalised(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = objective(parameters)
        distance = parameters - start
        return loss + PENALTY / 2 * float(distance @ distance), gradient + PENALTY * distance

    result = optimize.minimize(penalised, start, jac=True, method='L-BFGS-B', options={'maxiter': 500})
    return np.asarray(result.x)
