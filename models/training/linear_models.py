"""The linear models that the wide path is stacked from: one of words and pairs of words, one of subwords."""

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from vaiven.models.training.nb_svm import INTERPOLATION, interpolate, log_ratios

# Inverse regularisation of the model of words, as in the paper of NB-SVM.
WORDS_C = 1.0
# Penalty of the model of subwords, in mean squared norms of a row.
SUBWORDS_PENALTY = 3.0

# No target is certain, so that every row counts a little for both classes.
MAX_TARGET = 0.999

LinearModel = tuple[np.ndarray, float]  # weights (features,) and intercept


def fit_words(counts: sparse.csr_matrix, targets: np.ndarray, row_weights: np.ndarray | None) -> LinearModel:
    """Fits NB-SVM with a logistic loss to probabilities (Wang & Manning 2012)."""
    if not counts.shape[1]:
        return np.zeros(0), 0.0
    ratios = log_ratios(counts, targets, row_weights)
    weights, intercept = logistic_regression(counts @ sparse.diags(ratios), targets, WORDS_C, row_weights)
    return interpolate(weights, ratios), INTERPOLATION * intercept


def fit_subwords(
    counts: sparse.csr_matrix, targets: np.ndarray, row_weights: np.ndarray | None
) -> LinearModel:
    """Fits ridge regression to probabilities, on features scaled as in NB-SVM."""
    if not counts.shape[1]:
        return np.zeros(0), 0.0
    ratios = log_ratios(counts, targets, row_weights)
    scaled = counts @ sparse.diags(ratios)
    penalty = SUBWORDS_PENALTY * scaled.multiply(scaled).sum() / max(len(targets), 1)
    ridge = Ridge(alpha=max(penalty, 1e-6), solver='sparse_cg', tol=1e-3).fit(
        scaled, 2 * targets - 1, row_weights
    )
    return ratios * ridge.coef_, float(ridge.intercept_)


def logistic_regression(
    features: sparse.csr_matrix | np.ndarray, targets: np.ndarray, c: float, row_weights: np.ndarray | None
) -> LinearModel:
    """Fits logistic regression to probabilities.

    scikit-learn takes classes only, so each row appears once per class, weighted by the probability of the class.
    """
    stack = sparse.vstack if sparse.issparse(features) else np.concatenate
    classes = np.repeat([1, 0], len(targets))
    weights = np.concatenate([targets, 1 - targets])
    if row_weights is not None:
        weights *= np.tile(row_weights, 2)
    model = LogisticRegression(C=c, solver='liblinear', max_iter=200)
    model.fit(stack([features, features]), classes, weights)
    return model.coef_[0], float(model.intercept_[0])
