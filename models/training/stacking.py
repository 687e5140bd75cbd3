"""Stacks the recurrent and the wide path after gradient descent, and calibrates the probabilities."""

import logging
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from vaiven.models.data import dataset
from vaiven.models.data.preprocessing import IDS, LABEL, NGRAMS
from vaiven.models.network.network import Network
from vaiven.models.training.ngram_rows import NgramRows
from vaiven.models.training.wide_fit import fit_wide

progress = logging.getLogger('vaiven.progress')

# Inverse regularisation of the logistic regression on two logits.
STACKING_C = 1.0


def stack_paths(
    network: Network,
    train_files: Sequence[str],
    eval_files: Sequence[str],
    *,
    batch_size: int,
    soft_labels: float,
) -> None:
    """Fits the wide path to the training rows, and the combination of both paths to the validation rows.

    The combination is a logistic regression on the logits of the two paths (stacking, Wolpert 1992). With one path this
    is Platt scaling, so the probabilities are calibrated in both cases. Then the wide path is fitted again, to the rows
    of both splits: the validation rows are no longer needed for validation. Unlabelled rows are ignored. If a split
    does not have rows of both classes, nothing changes, and a progress line reports it.

    Args:
        network: its recurrent path is trained.
        train_files, eval_files: examples that Transform wrote.
        batch_size: texts per batch.
        soft_labels: the setting `training.soft_labels`.
    """
    validation = list(dataset.labelled_batches(eval_files, batch_size, soft_labels))
    targets = _column(LABEL, validation)
    is_positive = targets > 0.5
    if len(set(is_positive)) < 2:
        _report_skipped(network, 'validation', is_positive)
        return
    if network.wide is not None:
        training = list(dataset.labelled_batches(train_files, batch_size, soft_labels))
        ngrams, train_targets = _ngrams(training), _column(LABEL, training)
        if len(set(train_targets > 0.5)) < 2:
            _report_skipped(network, 'training', train_targets > 0.5)
            return
        fit_wide(network.wide, ngrams, train_targets)
    batches = [
        [np.array(logits) for logits in network.path_logits(batch[IDS], batch[NGRAMS])]
        for batch in validation
    ]
    logits = np.concatenate([np.stack(paths, axis=1) for paths in batches])  # (rows, paths)
    if network.wide is None:
        logits = logits[:, :1]
    model = LogisticRegression(C=STACKING_C).fit(logits, is_positive)
    weights = [*model.coef_[0], 0.0][:2]  # without a wide path, its weight is 0
    network.combination.assign([*weights, *model.intercept_])
    if network.wide is None:
        return
    accuracies = [
        np.mean((scores > 0) == is_positive) for scores in (*logits.T, model.decision_function(logits))
    ]
    progress.info(
        'validation: accuracy %.1f %% recurrent, %.1f %% wide, %.1f %% both',
        *(100 * accuracy for accuracy in accuracies),
    )
    fit_wide(network.wide, ngrams + _ngrams(validation), np.concatenate([train_targets, targets]))


def _report_skipped(network: Network, split: str, is_positive: np.ndarray) -> None:
    skipped = 'no calibration' if network.wide is None else 'no wide path and no calibration'
    labels = 'no labels'
    if len(is_positive):
        labels = f'labels of one class only ({"positive" if is_positive[0] else "negative"})'
    progress.info('%s: the %s rows have %s', skipped, split, labels)


def _ngrams(batches: Sequence[dict[str, tf.Tensor]]) -> NgramRows:
    return NgramRows.from_padded(batch[NGRAMS].numpy() for batch in batches)


def _column(name: str, batches: Sequence[dict[str, tf.Tensor]]) -> np.ndarray:
    return np.concatenate([batch[name].numpy() for batch in batches]) if batches else np.zeros(0)
