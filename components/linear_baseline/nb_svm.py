"""The linear baseline: NB-SVM on words and pairs of words, see `vaiven.models.training.nb_svm`."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.svm import LinearSVC

from vaiven.models.training.nb_svm import INTERPOLATION, interpolate, log_ratios

_C = 1.0  # the paper's

# A word with its apostrophes, or one other sign: exclamation marks carry sentiment.
_TOKEN = r"\w+(?:['’]\w+)*|[^\w\s]"


class NbSvm:
    """A binary classifier of texts by words and pairs of words."""

    def __init__(self) -> None:
        self._vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=_TOKEN)

    def fit(self, texts: Sequence[str], labels: Sequence[int] | np.ndarray) -> 'NbSvm':
        """Learns from texts (n) and labels (n) of 0 and 1, both of which occur."""
        counts = self._vectorizer.fit_transform(texts).astype(np.float64)  # (n, features)
        ratios = log_ratios(counts, np.asarray(labels, np.float64))
        machine = LinearSVC(C=_C, random_state=0).fit(counts @ sparse.diags(ratios), labels)
        self._weights = interpolate(machine.coef_[0], ratios)
        self._bias = INTERPOLATION * float(machine.intercept_[0])
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Labels int (n), 0 or 1."""
        scores = self._vectorizer.transform(texts) @ self._weights + self._bias
        return np.asarray((scores > 0).astype(np.int64))
