"""NB-SVM: a linear model of features scaled by their naive Bayes log-count ratios.

Wang & Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification". Both the wide path of
the network and the linear baseline that it is measured against are fitted here.
"""

import numpy as np
from scipy import sparse

# Those of the paper, section 3: fixed beforehand, never chosen on held-out rows.
SMOOTHING = 1.0
INTERPOLATION = 0.25


def log_ratios(counts: sparse.csr_matrix, positive: np.ndarray) -> np.ndarray:
    """How much likelier each feature is in positive rows than in negative ones, as a logarithm: (features,).

    Args:
        counts: (n, features), 1 where a row has the feature.
        positive: (n), from 0 to 1; a row between them counts for both classes in part.
    """
    return np.asarray(_log_shares(counts, positive) - _log_shares(counts, 1 - positive))


def interpolated(fitted: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Weights between those of naive Bayes and those that a machine found for scaled counts: all (features,)."""
    return np.asarray(ratios * ((1 - INTERPOLATION) * np.abs(fitted).mean() + INTERPOLATION * fitted))


def _log_shares(counts: sparse.csr_matrix, share: np.ndarray) -> np.ndarray:
    sums = counts.T @ share + SMOOTHING
    return np.asarray(np.log(sums / sums.sum()))
