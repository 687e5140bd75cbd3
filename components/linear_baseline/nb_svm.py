"""NB-SVM on word unigrams and bigrams (Wang & Manning 2012), the linear baseline."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.svm import LinearSVC

from vaiven.label_spec import LabelSpec
from vaiven.models.training.class_information import fit_many_classes
from vaiven.models.training.nb_svm import INTERPOLATION, interpolate, log_ratios
from vaiven.models.training.wide_fit import needs_closed_form

# C = 1, as in the paper.
_REGULARIZATION = 1.0

# A word with its apostrophes, or a single other symbol: exclamation marks carry sentiment.
_TOKEN = r"\w+(?:['’]\w+)*|[^\w\s]"

# Scores that are computed at once.
_BLOCK = 10_000_000


class NbSvm:
    """A linear text classifier: SVMs on binary n-gram features scaled by naive Bayes log-count ratios.

    With more than two classes there is one SVM against the rest for each. With so many that this takes too long
    (`needs_closed_form`), the weights are computed from counts as those of the wide path.

    Args:
        labels: kind and classes; by default those of sentiment. Ordinal classes are classified without their order.
    """

    def __init__(self, labels: LabelSpec | None = None) -> None:
        self.labels = labels or LabelSpec()
        self._vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, token_pattern=_TOKEN)

    def fit(self, texts: Sequence[str], labels: Sequence[int] | np.ndarray) -> 'NbSvm':
        """Trains the classifier.

        Args:
            texts: training texts (n).
            labels: index of the class of each, int (n); multilabel: bool (n, k). At least two classes occur.

        Returns:
            The classifier itself, as in scikit-learn.
        """
        counts = self._vectorizer.fit_transform(texts)  # (n, features)
        if self.labels.kind == 'binary':
            weights, bias = _fit_class(counts.astype(np.float64), np.asarray(labels))
            self._weights, self._bias = weights[:, None], np.array([bias])
            return self
        targets = self._targets(np.asarray(labels))  # (n, k)
        if needs_closed_form(counts.nnz, targets.shape[1]):
            is_word = np.ones(counts.shape[1], bool)
            is_multilabel = self.labels.kind == 'multilabel'
            table = fit_many_classes(counts.astype(np.float32), is_word, targets, is_multilabel, None)
            self._weights, self._bias = table.matrix(), table.bias
            return self
        counts, columns = counts.astype(np.float64), targets.toarray().T
        # liblinear releases Python's lock.
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            models = list(pool.map(lambda column: _fit_class(counts, column), columns))
        self._weights = np.stack([weights for weights, _ in models], axis=1)  # (features, k)
        self._bias = np.array([bias for _, bias in models])
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Predicts the labels of texts: int (n), or bool (n, k) of multilabel."""
        counts = self._vectorizer.transform(texts)
        step = max(1, _BLOCK // len(self._bias))
        blocks = [self._predict(counts[start : start + step]) for start in range(0, max(len(texts), 1), step)]
        return np.concatenate(blocks)

    def _predict(self, counts: sparse.csr_matrix) -> np.ndarray:
        products = counts @ self._weights
        scores = (products.toarray() if sparse.issparse(products) else products) + self._bias  # (n, k)
        if self.labels.kind == 'multilabel':
            return np.asarray(scores > 0)
        if self.labels.kind == 'binary':
            return np.asarray((scores[:, 0] > 0).astype(np.int64))
        return np.asarray(scores.argmax(axis=1))

    def _targets(self, labels: np.ndarray) -> sparse.csr_matrix:
        if self.labels.kind == 'multilabel':
            return sparse.csr_matrix(labels.astype(np.float32))
        ones, ends = np.ones(len(labels), np.float32), np.arange(len(labels) + 1)
        return sparse.csr_matrix((ones, labels, ends), (len(labels), self.labels.size))


def _fit_class(counts: sparse.csr_matrix, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Fits the weights (features) and the bias of one class against the rest, from labels (n), 0 or 1."""
    if labels.min(initial=1) == labels.max(initial=0):
        # No row, or every row, has the class: so it is predicted for none, or for all.
        return np.zeros(counts.shape[1]), np.inf if labels.max(initial=0) else -np.inf
    ratios = log_ratios(counts, np.asarray(labels, np.float64))  # (features,)
    svm = LinearSVC(C=_REGULARIZATION, random_state=0).fit(counts @ sparse.diags(ratios), labels)
    return interpolate(svm.coef_[0], ratios), INTERPOLATION * float(svm.intercept_[0])
