"""NB-SVM: a linear model of features scaled by their naive Bayes log-count ratios.

Wang & Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification". The wide path of the
network and the linear baseline that the network is compared with share these functions.
"""

import numpy as np
from scipy import sparse

# α and β of the paper, section 3: fixed in advance, never tuned on held-out rows.
SMOOTHING = 1.0
INTERPOLATION = 0.25


def log_ratios(
    counts: sparse.csr_matrix, positive: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Computes how much more probable each feature is in positive rows than in negative ones, as a logarithm.

    Args:
        counts: (rows, features), 1 where a row has the feature.
        positive: (rows), probability of «positive»; a row counts for each class with its probability.
        weights: (rows), how much each row counts; by default 1.

    Returns:
        (features).
    """
    negative = 1 - positive
    if weights is not None:
        positive, negative = weights * positive, weights * negative
    return np.asarray(_log_shares(counts, positive) - _log_shares(counts, negative))


def interpolate(weights: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Interpolates between the weights of naive Bayes and those fitted to scaled counts (the paper's section 2.3).

    Args:
        weights: (features), fitted to counts scaled by the ratios.
        ratios: (features), from `log_ratios`.

    Returns:
        (features), for counts that are not scaled.
    """
    return np.asarray(ratios * ((1 - INTERPOLATION) * np.abs(weights).mean() + INTERPOLATION * weights))


def _log_shares(counts: sparse.csr_matrix, row_weights: np.ndarray) -> np.ndarray:
    sums = counts.T @ row_weights + SMOOTHING  # (features)
    return np.asarray(np.log(sums / sums.sum()))
