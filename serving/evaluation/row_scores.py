"""What each row adds to the measures.

All measures except the AUC are functions of sums over rows. A resampled set of rows is the same function of weighted
sums, so the estimate and its bootstrap interval share one definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from vaiven.label_spec import MULTILABEL_THRESHOLD, LabelSpec
from vaiven.serving.evaluation.calibration import BINS, bin_indices

# The columns of `RowScores.terms`.
TERMS = (
    'rows', 'correct', 'log_loss', 'squared_error', 'top', 'absolute_error', 'squared_distance', 'wrong_cells',
)  # fmt: skip
# A label among the 3 most probable classes counts for the top-k accuracy; with fewer than 5 classes it says little.
TOP_K = 3
MIN_TOP_K_CLASSES = 5
# Values in a block: a million rows of a thousand classes are scored with 32 MB of working memory.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class RowScores:
    """The scored rows of one model.

    Attributes:
        spec: the labels of the model.
        labels: the classes of each row, 0 or 1, sparse (n, k).
        predicted: the predicted classes of each row, 0 or 1, sparse (n, k).
        terms: float (n, terms); the columns are `TERMS`.
        bins: count, positives and sum of probabilities in each bin of the calibration error, sparse (n, 3 · bins).
        positive: binary labels: the probability of the second class, float (n); otherwise empty.
    """

    spec: LabelSpec
    labels: Any
    predicted: Any
    terms: NDArray[np.float64]
    bins: Any
    positive: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.terms)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each row is predicted correctly; multilabel: with all its classes and no other. Bool (n)."""
        return self.terms[:, TERMS.index('correct')] > 0

    @property
    def log_losses(self) -> NDArray[np.float64]:
        """The logarithmic loss of each row, in nats, float (n)."""
        return self.terms[:, TERMS.index('log_loss')]

    def select(self, rows: NDArray[Any]) -> RowScores:
        """The scores of some rows, given by a bool mask (n) or by indices."""
        return RowScores(
            self.spec,
            self.labels[rows],
            self.predicted[rows],
            self.terms[rows],
            self.bins[rows],
            self.positive[rows] if len(self.positive) else self.positive,
        )


def score_rows(
    labels: ArrayLike, probabilities: ArrayLike, spec: LabelSpec, predictions: ArrayLike | None = None
) -> RowScores:
    """Scores the predictions of a model.

    Args:
        labels: index of the class of each row, int (n); multilabel: bool (n, k).
        probabilities: of the classes, float (n, k).
        spec: the labels of the model.
        predictions: the predicted classes, shaped as `labels`. By default the most probable class (of equal ones the
            first), and multilabel all classes with a probability of at least 0.5.

    Raises:
        ValueError: the shapes do not match, or a label is not one of the classes.
    """
    truth, probs = np.asarray(labels), np.asarray(probabilities)
    if not np.issubdtype(probs.dtype, np.floating):
        probs = probs.astype(np.float64)
    if probs.ndim != 2 or probs.shape[1] != spec.size:
        raise ValueError(f'probabilities must be (rows, {spec.size}). Received: {probs.shape}')
    shape = probs.shape if spec.kind == 'multilabel' else probs.shape[:1]
    chosen = None if predictions is None else np.asarray(predictions)
    for name, array in (('labels', truth), ('predictions', chosen)):
        if array is not None and array.shape != shape:
            raise ValueError(f'{name} must be {shape}. Received: {array.shape}')
        if array is not None and array.size and not 0 <= array.min() <= array.max() < max(spec.size, 2):
            raise ValueError(
                f'{name} must be from 0 to {spec.size - 1}. Received: {array.min()}, {array.max()}'
            )
    score = _score_multilabel if spec.kind == 'multilabel' else _score_classes
    return concatenate(
        [
            score(truth[part], probs[part], spec, None if chosen is None else chosen[part])
            for part in _blocks(len(probs), spec.size)
        ]
    )


def concatenate(parts: Sequence[RowScores]) -> RowScores:
    """Joins the scores of one model for consecutive rows; at least one part."""
    if len(parts) == 1:
        return parts[0]
    return RowScores(
        parts[0].spec,
        sparse.vstack([part.labels for part in parts], format='csr'),
        sparse.vstack([part.predicted for part in parts], format='csr'),
        np.concatenate([part.terms for part in parts]),
        sparse.vstack([part.bins for part in parts], format='csr'),
        np.concatenate([part.positive for part in parts]),
    )


def _blocks(rows: int, classes: int) -> Iterator[slice]:
    step = max(1, _BLOCK // classes)
    for start in range(0, max(rows, 1), step):
        yield slice(start, start + step)


def _score_classes(
    labels: NDArray[Any], probabilities: NDArray[Any], spec: LabelSpec, predictions: NDArray[Any] | None
) -> RowScores:
    rows = np.arange(len(labels))
    predicted = probabilities.argmax(axis=1) if predictions is None else predictions
    of_label = probabilities[rows, labels]  # (n)
    correct = labels == predicted
    squares = np.einsum('ij,ij->i', probabilities, probabilities, dtype=np.float64)
    # Brier 1950: the squared errors of all classes, from 0 to 2; of two classes, as usual, of the second one only.
    squared_error = squares - 2.0 * of_label + 1.0
    values = np.array(spec.values if spec.kind == 'ordinal' else range(spec.size), float)
    terms = {
        'correct': correct,
        'log_loss': -np.log(_clip(of_label)),
        'squared_error': squared_error / 2 if spec.kind == 'binary' else squared_error,
        'top': _ranks(probabilities, labels, of_label) < TOP_K,
        'absolute_error': np.abs(values[labels] - values[predicted]),
        'squared_distance': (labels - predicted).astype(float) ** 2,
        'wrong_cells': ~correct,
    }
    if spec.kind == 'binary':
        confidence, hit = probabilities[:, 1], labels == 1
    else:
        confidence, hit = probabilities[rows, predicted], correct
    bins = 3 * bin_indices(confidence)  # (n)
    return RowScores(
        spec,
        _one_hot(labels, spec.size),
        _one_hot(predicted, spec.size),
        _columns(len(labels), terms),
        sparse.csr_array(
            (
                np.stack([np.ones(len(rows)), hit, confidence], axis=1).ravel(),
                (np.repeat(rows, 3), (bins[:, None] + np.arange(3)).ravel()),
            ),
            shape=(len(rows), 3 * BINS),
        ),
        probabilities[:, 1].astype(np.float64) if spec.kind == 'binary' else np.zeros(0),
    )


def _score_multilabel(
    labels: NDArray[Any], probabilities: NDArray[Any], spec: LabelSpec, predictions: NDArray[Any] | None
) -> RowScores:
    labels = labels.astype(bool)
    predicted = probabilities >= MULTILABEL_THRESHOLD if predictions is None else predictions.astype(bool)
    wrong = labels != predicted  # (n, k)
    of_label = np.where(labels, probabilities, 1 - probabilities)
    terms = {
        'correct': ~wrong.any(axis=1),
        # Means over the classes: each is a question of its own.
        'log_loss': -np.log(_clip(of_label)).mean(axis=1, dtype=np.float64),
        'squared_error': np.square(1.0 - of_label).mean(axis=1, dtype=np.float64),
        'wrong_cells': wrong.mean(axis=1),
    }
    cells = bin_indices(probabilities)
    bins = np.zeros((len(labels), BINS, 3))
    for index in range(BINS):
        inside = cells == index
        bins[:, index, 0] = inside.sum(axis=1)
        bins[:, index, 1] = (inside & labels).sum(axis=1)
        bins[:, index, 2] = np.where(inside, probabilities, 0).sum(axis=1, dtype=np.float64)
    return RowScores(
        spec,
        sparse.csr_array(labels, dtype=np.float64),
        sparse.csr_array(predicted, dtype=np.float64),
        _columns(len(labels), terms),
        sparse.csr_array(bins.reshape(len(labels), 3 * BINS)),
        np.zeros(0),
    )


def _ranks(probabilities: NDArray[Any], labels: NDArray[Any], of_label: NDArray[Any]) -> NDArray[np.int64]:
    """The number of classes before the label in descending order of probability; of equal ones the first leads."""
    higher = probabilities > of_label[:, None]
    equal = probabilities == of_label[:, None]
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    ranks: NDArray[np.int64] = (higher | (equal & before)).sum(axis=1)
    return ranks


def _clip(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Keeps the logarithm finite, with the smallest step of the type as scikit-learn does."""
    epsilon = np.finfo(probabilities.dtype).eps
    clipped: NDArray[np.float64] = np.clip(probabilities, epsilon, 1 - epsilon).astype(np.float64)
    return clipped


def _one_hot(indices: NDArray[Any], size: int) -> Any:
    count = len(indices)
    return sparse.csr_array((np.ones(count), indices, np.arange(count + 1)), shape=(count, size))


def _columns(rows: int, terms: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    columns = {'rows': np.ones(rows), **terms}
    zeros = np.zeros(rows)
    return np.stack([columns.get(name, zeros) for name in TERMS], axis=1).astype(np.float64)
