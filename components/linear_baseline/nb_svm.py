"""NB-SVM on word unigrams and bigrams (Wang & Manning 2012), the linear baseline."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.svm import LinearSVC

from vaiven.label_spec import LabelSpec
from vaiven.models.training.nb_svm import INTERPOLATION, interpolate, log_ratios

# C = 1, as in the paper.
_REGULARIZATION = 1.0

# A word with its apostrophes, or a single other symbol: exclamation marks carry sentiment.
_TOKEN = r"\w+(?:['’]\w+)*|[^\w\s]"


# A model is fitted for each class up to this number. Above, naive Bayes alone takes seconds where models would take
# hours.
MAX_FITTED_CLASSES = 50
# Features of naive Bayes times classes: bounds the memory.
_MAX_WEIGHTS = 2**26


class NbSvm:
    """A text classifier: SVMs on binary n-gram features scaled by naive Bayes log-count ratios.

    Two classes have one SVM. Several classes have one each, against the rest; more than `MAX_FITTED_CLASSES` are told
    apart by naive Bayes.

    Args:
        labels: kind and classes; by default those of sentiment.
    """

    def __init__(self, labels: LabelSpec | None = None) -> None:
        self._labels = labels or LabelSpec()
        has_many = self._labels.size > MAX_FITTED_CLASSES
        self._vectorizer = CountVectorizer(
            ngram_range=(1, 2),
            binary=True,
            token_pattern=_TOKEN,
            max_features=_MAX_WEIGHTS // self._labels.size if has_many else None,
        )
        self._naive_bayes = None
        if has_many:
            is_multilabel = self._labels.kind == 'multilabel'
            self._naive_bayes = OneVsRestClassifier(MultinomialNB()) if is_multilabel else MultinomialNB()

    def fit(self, texts: Sequence[str], labels: Sequence[int] | np.ndarray) -> 'NbSvm':
        """Trains the classifier.

        Args:
            texts: training texts (n).
            labels: index of the class of each, int (n); multilabel: bool (n, k). At least two classes occur.

        Returns:
            The classifier itself, as in scikit-learn.
        """
        counts = self._vectorizer.fit_transform(texts).astype(np.float64)  # (n, features)
        labels = np.asarray(labels)
        if self._naive_bayes is not None:
            self._naive_bayes.fit(counts, labels)
            return self
        if self._labels.kind == 'binary':
            columns = labels[:, np.newaxis]
        elif self._labels.kind == 'multilabel':
            columns = labels
        else:
            columns = labels[:, np.newaxis] == np.arange(self._labels.size)  # (n, k)
        models = [_fit_one(counts, column.astype(np.int64)) for column in columns.T]
        self._weights = np.stack([weights for weights, _ in models], axis=1)  # (features, outputs)
        self._bias = np.array([bias for _, bias in models])
        return self

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Predicts labels in the form that `fit` takes: int (n), multilabel bool (n, k), of texts (n)."""
        counts = self._vectorizer.transform(texts)
        if self._naive_bayes is not None:
            predicted = np.asarray(self._naive_bayes.predict(counts))
            return predicted.astype(bool) if self._labels.kind == 'multilabel' else predicted
        scores = np.asarray(counts @ self._weights + self._bias)  # (n, outputs)
        if self._labels.kind == 'multilabel':
            return scores > 0
        return (scores[:, 0] > 0).astype(np.int64) if self._labels.kind == 'binary' else scores.argmax(axis=1)


def _fit_one(counts: sparse.csr_matrix, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Fits one SVM to labels (n), 0 or 1: weights (features) and bias."""
    if labels.min() == labels.max():
        # A class that no row has, or every row.
        return np.zeros(counts.shape[1]), 1.0 if labels.all() else -np.inf
    ratios = log_ratios(counts, np.asarray(labels, np.float64))  # (features,)
    svm = LinearSVC(C=_REGULARIZATION, random_state=0).fit(counts @ sparse.diags(ratios), labels)
    return interpolate(svm.coef_[0], ratios), INTERPOLATION * float(svm.intercept_[0])
