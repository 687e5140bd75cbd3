"""What comes after gradient descent: the wide path's weights, and how much each path counts."""

import logging
from collections.abc import Sequence

import numpy as np
import scipy.sparse
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from vaiven.models.nb_svm import fit_nb_svm
from vaiven.models.network.network import Network
from vaiven.models.network.wide import WideNgrams, ngram_ids
from vaiven.models.text import PAD_ID

progress = logging.getLogger('vaiven.progress')

# Of the wide path's fit, on its log-count ratios, and of the combination's, on two logits.
WIDE_C, COMBINATION_C = 1.0, 1.0


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
        both = both[:, :1]
    fitted = LogisticRegression(C=COMBINATION_C).fit(both, truth)
    weights = [*fitted.coef_[0], 0.0][:2]  # without a wide path, it counts for nothing
    network.combination.assign([*weights, *fitted.intercept_])
    if network.wide is None:
        return
    found = [np.mean((scores > 0) == truth) for scores in (*both.T, fitted.decision_function(both))]
    progress.info(
        'validation: accuracy %.1f %% recurrent, %.1f %% wide, %.1f %% both', *(100 * x for x in found)
    )


def _fit_wide(wide: WideNgrams, batches: tf.data.Dataset) -> None:
    matrix, truth = _features(wide, batches)
    if len(set(truth)) < 2:
        return
    weights, intercept = fit_nb_svm(matrix, truth, LogisticRegression(C=WIDE_C, max_iter=500))
    wide.table.assign(weights)
    wide.bias.assign(intercept)


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
