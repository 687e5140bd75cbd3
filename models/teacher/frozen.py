"""A teacher whose encoder stays as it is: logistic regression on its vectors."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from vaiven.label_spec import LabelSpec
from vaiven.models.teacher.scoring import Scorer

progress = logging.getLogger('vaiven.progress')
steps = logging.getLogger('vaiven.steps')

# Strengths of the regularisation that are compared on the validation rows, as scikit-learn's `C`.
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
_MAX_ITERATIONS = 500
_TEXTS_AT_ONCE = 64

# Texts (n) → float (n, units)
Embedder = Callable[[Sequence[str]], np.ndarray]


def fit_classifier(
    embed: Embedder,
    labels: LabelSpec,
    train: tuple[Sequence[str], np.ndarray],
    validation: tuple[Sequence[str], np.ndarray],
) -> Scorer:
    """Fits a classifier on the vectors of texts, with the regularisation of the lowest validation loss.

    Args:
        embed: computes vectors.
        labels: kind and classes. Ordered classes are classified without their order.
        train, validation: texts (n), and the probability of each class, float (n, classes).
    """
    vectors = _embed_all(embed, train[0], 'encoding the training rows')
    validation_vectors = _embed_all(embed, validation[0], 'encoding the validation rows')
    scaler = StandardScaler().fit(vectors)
    candidates = [
        _Classifier(labels, strength).fit(scaler.transform(vectors), train[1]) for strength in _STRENGTHS
    ]
    losses = [
        _loss(classifier.probabilities(scaler.transform(validation_vectors)), validation[1], labels)
        for classifier in candidates
    ]
    best = int(np.argmin(losses))
    progress.info('logistic regression on frozen vectors, C = %g', _STRENGTHS[best])

    def score(texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.zeros((0, labels.size), np.float32)
        return candidates[best].probabilities(scaler.transform(embed(texts)))

    return score


class _Classifier:
    """One multinomial model, or one model for each class of multilabel labels. The targets may be soft."""

    def __init__(self, labels: LabelSpec, strength: float) -> None:
        self._labels, self._strength = labels, strength
        self._models: list[LogisticRegression | float] = []

    def fit(self, vectors: np.ndarray, targets: np.ndarray) -> '_Classifier':
        if self._labels.kind == 'multilabel':
            pairs = [np.stack([1 - column, column], axis=1) for column in targets.T]
            self._models = [self._fit_one(vectors, pair) for pair in pairs]
        else:
            self._models = [self._fit_one(vectors, targets)]
        return self

    def _fit_one(self, vectors: np.ndarray, targets: np.ndarray) -> 'LogisticRegression | float':
        # A row with a soft target is several rows with weights.
        rows, classes = np.nonzero(targets)
        if len(np.unique(classes)) == 1:
            return float(classes[0])
        model = LogisticRegression(C=self._strength, max_iter=_MAX_ITERATIONS)
        return model.fit(vectors[rows], classes, sample_weight=targets[rows, classes])

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """The probability of each class, float32 (n, classes)."""
        scores = np.zeros((len(vectors), self._labels.size), np.float32)
        for number, model in enumerate(self._models):
            if self._labels.kind != 'multilabel':
                if isinstance(model, float):
                    scores[:, int(model)] = 1
                else:
                    scores[:, model.classes_] = model.predict_proba(vectors)
            elif isinstance(model, float):
                scores[:, number] = model
            else:
                scores[:, number] = model.predict_proba(vectors)[:, 1]
        return scores


def _loss(probabilities: np.ndarray, targets: np.ndarray, labels: LabelSpec) -> float:
    """The mean cross-entropy of a row, in nats."""
    logs = np.log(np.clip(probabilities, 1e-7, 1))
    products = targets * logs
    if labels.kind == 'multilabel':
        products += (1 - targets) * np.log(np.clip(1 - probabilities, 1e-7, 1))
    return float(-products.sum(axis=1).mean()) if len(targets) else 0.0


def _embed_all(embed: Embedder, texts: Sequence[str], activity: str) -> np.ndarray:
    vectors = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        vectors.append(embed(texts[start : start + _TEXTS_AT_ONCE]))
        steps.info('%s: %d of %d', activity, min(start + _TEXTS_AT_ONCE, len(texts)), len(texts))
    return np.concatenate(vectors)
