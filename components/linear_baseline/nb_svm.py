"""NB-SVM on word unigrams and bigrams (Wang & Manning 2012), the linear baseline."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.svm import LinearSVC

from vaiven.models.training.nb_svm import INTERPOLATION, interpolate, log_ratios

# C = 1, as in the paper.
_REGULARIZATION = 1.0

# A word with its apostrophes, or a single other symbol: exclamation marks carry sentiment.
_TOKEN = r"\w+(?:['’]\w+)*|[^\w\s]"


class NbSvm:
    """A binary text classifier: an SVM on binary n-gram features scaled by naive Bayes log-count ratios."""

    def __init__(self) -> None:
        self._vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=_TOKEN)

    def fit(self, texts: Sequence[str], labels: Sequence[int] | np.ndarray) -> 'NbSvm':
        """Trains the classifier.

        Args:
            texts: training texts (n).
            labels: their labels (n), 0 or 1; both occur.

        Returns:
            The classifier itself, as in scikit-learn.
        """
        counts = self._vectorizer.fit_transform(texts).astype(np.float64)  # (n, features)
        ratios = log_ratios(counts, np.asarray(labels, np.float64))  # (features,)
        svm = LinearSVC(C=_REGULARIZATION, random_state=0).fit(counts @ sparse.diags(ratios), labels)
        self._weights = interpolate(svm.coef_[0], ratios)
        self._bias = INTERPOLATION * float(svm.intercept_[0])
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Predicts the labels int (n), 0 or 1, of texts (n)."""
        scores = self._vectorizer.transform(texts) @ self._weights + self._bias  # (n,)
        return np.asarray((scores > 0).astype(np.int64))
