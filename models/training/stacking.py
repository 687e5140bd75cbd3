"""What comes after gradient descent: the wide path's weights, and how much each path counts."""

import logging
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from vaiven.models.data import dataset
from vaiven.models.data.preprocessing import IDS, LABEL, NGRAMS
from vaiven.models.network.network import Network
from vaiven.models.training.wide_fit import fit_wide

progress = logging.getLogger('vaiven.progress')

# Of the logistic regression on two logits.
COMBINATION_C = 1.0


def combine(
    network: Network,
    train_files: Sequence[str],
    eval_files: Sequence[str],
    *,
    batch_size: int,
    soft_labels: float,
) -> None:
    """Fits the wide path to the training rows and the combination of both paths to the validation rows.

    The combination is a logistic regression on the two paths' logits (stacking, Wolpert 1992; with one path it is
    Platt's calibration), so that probabilities mean what they say. Then the wide path is fitted once more, to the
    rows of both splits: what the validation rows had to say about it is said. Rows without a label are passed over,
    and nothing is changed, but for a line that says so, where a split does not have both classes.

    Args:
        network: its recurrent path is trained.
        train_files, eval_files: what Transform wrote.
        batch_size: texts that the network reads at once.
        soft_labels: as `training.soft_labels`.
    """
    validation = list(dataset.labelled_batches(eval_files, batch_size, soft_labels))
    targets = _column(LABEL, validation)
    truth = targets > 0.5
    if len(set(truth)) < 2:
        _tell_why_not(network, 'validation', truth)
        return
    if network.wide is not None:
        training = list(dataset.labelled_batches(train_files, batch_size, soft_labels))
        ngrams, train_targets = _ngrams(training), _column(LABEL, training)
        if len(set(train_targets > 0.5)) < 2:
            _tell_why_not(network, 'training', train_targets > 0.5)
            return
        fit_wide(network.wide, ngrams, train_targets)
    paths = [
        [np.array(part) for part in network.path_logits(batch[IDS], batch[NGRAMS])] for batch in validation
    ]
    both = np.concatenate([np.stack(logits, axis=1) for logits in paths])
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
    fit_wide(network.wide, ngrams + _ngrams(validation), np.concatenate([train_targets, targets]))


def _tell_why_not(network: Network, split: str, truth: np.ndarray) -> None:
    without = 'no calibration' if network.wide is None else 'no wide path and no calibration'
    found = (
        f'labels of one class only ({"positive" if truth[0] else "negative"})' if len(truth) else 'no labels'
    )
    progress.info('%s: the %s rows have %s', without, split, found)


def _ngrams(batches: Sequence[dict[str, tf.Tensor]]) -> list[np.ndarray]:
    return [row[row > 0] for batch in batches for row in batch[NGRAMS].numpy()]


def _column(name: str, batches: Sequence[dict[str, tf.Tensor]]) -> np.ndarray:
    return np.concatenate([batch[name].numpy() for batch in batches]) if batches else np.zeros(0)
