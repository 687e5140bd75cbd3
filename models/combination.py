"""What comes after gradient descent: the wide path's weights, and how much each path counts."""

import logging
from collections.abc import Sequence

import numpy as np
import scipy.sparse
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from vaiven.models.network.network import Network
from vaiven.models.network.wide import PAD_ID, WideNgrams, ngram_ids

progress = logging.getLogger('vaiven.progress')

# Of the wide path's fit, on its log-count ratios, and of the combination's, on two logits.
WIDE_C, COMBINATION_C = 1.0, 1.0
# How much of the wide path is the fitted weights; the rest is their mean size, which is naive Bayes.
INTERPOLATION = 0.25
_SMOOTHING = 1.0


def combine(network: Network, training: tf.data.Dataset, validation: tf.data.Dataset) -> None:
    """Fits the wide path to the training rows and the combination of both paths to the validation rows.

    The combination is a logistic regression on the two paths' logits (stacking, Wolpert 1992; with one path it is
    Platt's calibration), so that probabilities mean what they say. Rows without a label are passed over, and
    nothing is changed where there is only one class.

    Args:
        network: its recurrent path is trained.
        training, validation: batches (ids int (batch, time), labels float (batch)).
    """
    if network.wide is not None:
        _fit_wide(network.wide, training)
    logits, labels = [], []
    for ids, label in validation:
        kept = label.numpy() >= 0
        logits.append(np.stack([np.array(part) for part in network.path_logits(ids)], axis=1)[kept])
        labels.append(label.numpy()[kept])
    both, truth = np.concatenate(logits), np.concatenate(labels)
    if len(set(truth)) < 2:
        return
    if network.wide is None:
        fitted = LogisticRegression(C=COMBINATION_C).fit(both[:, :1], truth)
        network.combination.assign([fitted.coef_[0, 0], 0.0, fitted.intercept_[0]])
        return
    fitted = LogisticRegression(C=COMBINATION_C).fit(both, truth)
    network.combination.assign([*fitted.coef_[0], *fitted.intercept_])
    found = [np.mean((scores > 0) == truth) for scores in (*both.T, fitted.decision_function(both))]
    progress.info(
        'validation: accuracy %.1f %% recurrent, %.1f %% wide, %.1f %% both', *(100 * x for x in found)
    )


def _fit_wide(wide: WideNgrams, batches: tf.data.Dataset) -> None:
    """NB-SVM (Wang & Manning 2012): a linear model of features scaled by their log-count ratio, interpolated."""
    matrix, truth = _features(wide, batches)
    if len(set(truth)) < 2:
        return
    positive = _SMOOTHING + np.asarray(matrix[truth == 1].sum(axis=0)).ravel()
    negative = _SMOOTHING + np.asarray(matrix[truth == 0].sum(axis=0)).ravel()
    ratio = np.log((positive / positive.sum()) / (negative / negative.sum()))
    fitted = LogisticRegression(C=WIDE_C, max_iter=500).fit(matrix.multiply(ratio).tocsr(), truth)
    seen = np.asarray(matrix.sum(axis=0)).ravel() > 0
    weights = INTERPOLATION * fitted.coef_[0] + (1 - INTERPOLATION) * np.abs(fitted.coef_[0][seen]).mean()
    # Where nothing was counted, the ratio is that of the class sizes alone and means nothing.
    wide.table.assign(np.where(seen, ratio * weights, 0.0))
    wide.bias.assign(fitted.intercept_[0])


def _features(wide: WideNgrams, batches: tf.data.Dataset) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
    """Rows × n-grams, 1 where the row has it; and the labels."""
    width = wide.vocabulary_size + wide.buckets
    rows: list[scipy.sparse.csr_matrix] = []
    labels: list[Sequence[float]] = []
    for ids, label in batches:
        kept = label.numpy() >= 0
        ngrams = np.array(ngram_ids(ids.numpy()[kept], wide.vocabulary_size, wide.buckets))
        row, column = np.nonzero(ngrams != PAD_ID)
        ones = np.ones(len(row), 'float32')
        rows.append(scipy.sparse.csr_matrix((ones, (row, ngrams[row, column])), shape=(len(ngrams), width)))
        labels.append(label.numpy()[kept])
    return scipy.sparse.vstack(rows).tocsr(), np.concatenate(labels)
