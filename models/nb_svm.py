"""NB-SVM: a linear model of features scaled by their naive Bayes log-count ratios.

Wang & Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification". Both the wide path of
the network and the linear baseline that it is measured against are fitted here.
"""

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin

# Those of the paper, section 3: fixed beforehand, never chosen on held-out rows.
SMOOTHING = 1.0
INTERPOLATION = 0.25


def fit_nb_svm(
    counts: sparse.csr_matrix, labels: np.ndarray, machine: ClassifierMixin
) -> tuple[np.ndarray, float]:
    """Weights between those of naive Bayes and those of the machine.

    Args:
        counts: (n, features), 1 where a row has the feature.
        labels: (n), 0 or 1, both of which occur.
        machine: a linear classifier of scikit-learn, not fitted yet.

    Returns:
        weights (features,), and the machine's own intercept. A feature that no row has weighs nothing.
    """
    ratio = _log_shares(counts[labels == 1]) - _log_shares(counts[labels == 0])  # (features,)
    machine.fit(counts @ sparse.diags(ratio), labels)
    fitted = machine.coef_[0]
    # Where nothing was counted, the ratio is that of the class sizes alone and means nothing.
    seen = np.asarray(counts.sum(axis=0))[0] > 0
    weights = (1 - INTERPOLATION) * np.abs(fitted[seen]).mean() + INTERPOLATION * fitted
    return np.where(seen, ratio * weights, 0.0), float(machine.intercept_[0])


def _log_shares(counts: sparse.csr_matrix) -> np.ndarray:
    """Logarithm of each feature's smoothed share in (n, features): (features,)."""
    sums = np.asarray(counts.sum(axis=0))[0] + SMOOTHING
    return np.log(sums / sums.sum())
