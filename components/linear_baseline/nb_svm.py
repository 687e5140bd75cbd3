"""NB-SVM: a linear classifier on n-grams scaled by their naive Bayes log-count ratios.

Wang & Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification".
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.svm import LinearSVC

# Those of the paper, section 3: fixed beforehand, never chosen on held-out rows.
_SMOOTHING = 1.0
_C = 1.0
_INTERPOLATION = 0.25

# A word with its apostrophes, or one other sign: exclamation marks carry sentiment.
_TOKEN = r"\w+(?:['’]\w+)*|[^\w\s]"


class NbSvm:
    """A binary classifier of texts by words and pairs of words."""

    def __init__(self) -> None:
        self._vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=_TOKEN)

    def fit(self, texts: Sequence[str], labels: Sequence[int] | np.ndarray) -> 'NbSvm':
        """Learns from texts (n) and labels (n) of 0 and 1, both of which occur."""
        counts = self._vectorizer.fit_transform(texts).astype(np.float64)  # (n, features)
        positive = np.asarray(labels) == 1
        ratio = _log_shares(counts[positive]) - _log_shares(counts[~positive])  # (features,)
        machine = LinearSVC(C=_C, random_state=0)
        machine.fit(counts @ sparse.diags(ratio), np.asarray(labels))
        weights = machine.coef_[0]
        # Between the naive Bayes weights and those of the support vector machine.
        mean = np.abs(weights).mean()
        self._weights = ratio * ((1 - _INTERPOLATION) * mean + _INTERPOLATION * weights)
        self._bias = _INTERPOLATION * machine.intercept_[0]
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Labels int (n), 0 or 1."""
        scores = self._vectorizer.transform(texts) @ self._weights + self._bias
        return (scores > 0).astype(np.int64)


def _log_shares(counts: sparse.csr_matrix) -> np.ndarray:
    """Logarithm of each feature's smoothed share in (n, features): (features,)."""
    sums = np.asarray(counts.sum(axis=0))[0] + _SMOOTHING
    return np.log(sums / sums.sum())
