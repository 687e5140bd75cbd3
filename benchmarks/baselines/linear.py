"""Linear classifiers of texts by words and pairs of words."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from vaiven.components.linear_baseline.nb_svm import NbSvm

Learner = Callable[[Sequence[str], Sequence[int], Sequence[str]], np.ndarray]


def nb_svm(texts: Sequence[str], labels: Sequence[int], test_texts: Sequence[str]) -> np.ndarray:
    """Labels (n) of the test texts by an NB-SVM (Wang & Manning 2012)."""
    return NbSvm().fit(texts, labels).predict(test_texts)


def tfidf_logistic(texts: Sequence[str], labels: Sequence[int], test_texts: Sequence[str]) -> np.ndarray:
    """Labels (n) of the test texts by logistic regression on TF-IDF with logarithmic counts, C fixed beforehand."""
    return _tfidf_logistic().fit(texts, labels).predict(test_texts)


def tfidf_logistic_probabilities(
    texts: Sequence[str],
    labels: Sequence[int],
    test_texts: Sequence[str],
    classes: int,
    class_weight: str | None = None,
) -> np.ndarray:
    """Probabilities (n, classes) of the test texts by the same model; `class_weight` as in scikit-learn."""
    model = _tfidf_logistic(class_weight).fit(texts, labels)
    probabilities = np.zeros((len(test_texts), classes))
    # A class without training rows has no column.
    probabilities[:, model.classes_] = model.predict_proba(test_texts)
    return probabilities


def _tfidf_logistic(class_weight: str | None = None) -> Pipeline:
    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+(?:['’]\w+)*|[^\w\s]"),
        LogisticRegression(C=10.0, max_iter=1000, class_weight=class_weight),
    )


LINEAR_BASELINES: dict[str, Learner] = {'nb_svm': nb_svm, 'tfidf_logistic': tfidf_logistic}
