"""Stacks the recurrent and the wide path after gradient descent, and calibrates the probabilities."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from keras import ops
from sklearn.metrics import f1_score

from vaiven.label_spec import LabelSpec
from vaiven.models.data.labelled_rows import LabelledRows, join_targets, read_labelled_rows
from vaiven.models.network.heads import label_probabilities
from vaiven.models.network.network import Network
from vaiven.models.network.wide import WideNgrams
from vaiven.models.training.calibration import combine, fit_combination, log_losses
from vaiven.models.training.ngram_rows import NgramRows
from vaiven.models.training.wide_fit import fit_wide

progress = logging.getLogger('vaiven.progress')

# With many classes the combination is fitted to so many rows that each path has at most this many logits: 80 MB.
MAX_LOGITS = 10_000_000
# How much a row of a teacher counts for the wide path, as a share of `training.teacher_weight`. On an inner part of the
# film sentences, with 11,656 sentences of other domains whose noisy ratings are the teacher (79 % of the signs are
# right), both paths have 80.0 % without them and 80.3 % with 0.1; on other sentences of those domains 65.3 and 71.2 %.
# With 0.5 the wide path alone loses 0.7 points on film sentences.
WIDE_TEACHER_SHARE = 0.1
# The share of the recurrent path is found to a thousandth.
_BISECTIONS = 10


def stack_paths(
    network: Network,
    train_files: Sequence[str],
    eval_files: Sequence[str],
    *,
    batch_size: int,
    soft_labels: float,
    class_weights: np.ndarray | None = None,
    teacher_files: Sequence[str] = (),
    teacher_weight: float = 1.0,
    negated: np.ndarray | None = None,
) -> None:
    """Fits the wide path to the training rows, and the combination of both paths to the validation rows.

    The combination is fitted by maximum likelihood to the logits of the two paths (stacking, Wolpert 1992), so the
    probabilities are calibrated. Then the wide path is fitted again, to the rows of both splits: the validation rows
    are no longer needed for validation, and the wide path is better with them, while the recurrent path stays as it
    is. So the recurrent path counts as little as the validation rows allow: of the combinations between the wide path
    alone and the most likely one, the first is taken whose log-likelihood is within noise of the maximum. Noise is
    log(rows) / 2 for each factor of the recurrent path, by the criterion of Schwarz (1978). Where that is the wide path
    alone, it decides alone. Unlabelled rows are ignored. If a split does not have rows of two classes, nothing is
    fitted, and a progress line reports it.

    Args:
        network: its recurrent path is trained.
        train_files, eval_files: examples that Transform wrote.
        batch_size: texts per batch.
        soft_labels: the setting `training.soft_labels`.
        class_weights: factor of each class in all fits, (classes); None for 1.
        teacher_files: examples with the probabilities of a teacher; the wide path is fitted to them as well.
        teacher_weight: the setting `training.teacher_weight`.
        negated: int (words, 2), as for `vaiven.models.training.wide_fit.fit_wide`.
    """
    taught: list[WeightedRows] = []
    if network.thresholds is not None:
        # Served if nothing can be fitted.
        c = -ops.convert_to_numpy(network.thresholds.values())
        network.combination.assign(np.stack([np.ones_like(c), np.zeros_like(c), c]))
    validation = read_labelled_rows(eval_files, batch_size, soft_labels, network.labels)
    if _is_skipped(network, 'validation', validation):
        return
    if network.wide is not None:
        training = read_labelled_rows(train_files, batch_size, soft_labels, network.labels)
        if _is_skipped(network, 'training', training):
            return
        if teacher_files:
            rows = read_labelled_rows(teacher_files, batch_size, 0.0, network.labels)
            taught = [WeightedRows(rows, WIDE_TEACHER_SHARE * teacher_weight)]
        _fit_wide(network.wide, [WeightedRows(training), *taught], class_weights, negated)
    recurrent, wide, targets = _validation_logits(network, validation)
    thresholds = None if network.thresholds is None else ops.convert_to_numpy(network.thresholds.values())
    if network.wide is None:
        network.combination.assign(
            fit_combination(network.labels, recurrent, None, targets, thresholds, class_weights)
        )
        return
    both = fit_combination(network.labels, recurrent, wide, targets, thresholds, class_weights)
    factor, c = fit_combination(network.labels, wide, None, targets, thresholds, class_weights)[[0, 2]]
    wide_alone = np.stack([np.zeros_like(factor), factor, c])

    def losses(combination: np.ndarray) -> np.ndarray:
        logits = combine(network.labels, combination, recurrent, wide)
        return log_losses(network.labels, logits, targets, class_weights)

    # The factors of multilabel labels are those of each class; the other kinds share one over all classes.
    factors = network.labels.size if network.labels.kind == 'multilabel' else 1
    noise = factors / 2 * float(np.log(len(targets)))
    combination = shrunk(both, wide_alone, lambda one: float(losses(one).sum()), noise)
    network.combination.assign(combination)
    _report_accuracy(network.labels, combination, recurrent, wide, targets)
    best = combination if combination[0].any() else both
    _report_decision(combination, losses(wide_alone).mean(), losses(best).mean())
    _fit_wide(
        network.wide, [WeightedRows(training), WeightedRows(validation), *taught], class_weights, negated
    )


def _is_skipped(network: Network, split: str, rows: LabelledRows) -> bool:
    """Whether nothing can be fitted to the rows; then a progress line reports it."""
    classes = rows.classes()
    if len(classes) > 1 or (classes and network.labels.kind == 'multilabel'):
        return False
    skipped = 'no calibration' if network.wide is None else 'no wide path and no calibration'
    labels = 'no labels'
    if classes:
        labels = f'labels of one class only ({network.labels.classes[classes[0]]})'
    progress.info('%s: the %s rows have %s', skipped, split, labels)
    return True


class WeightedRows(NamedTuple):
    """Rows, and how much each of them counts."""

    rows: LabelledRows
    weight: float = 1.0


def _fit_wide(
    wide: WideNgrams,
    splits: Sequence[WeightedRows],
    class_weights: np.ndarray | None,
    negated: np.ndarray | None,
) -> None:
    """Fits the wide path to the rows of all splits."""
    labels = splits[0].rows.labels
    targets = join_targets([split.rows for split in splits])
    row_weights = None
    if any(split.weight != 1 for split in splits):
        row_weights = np.concatenate([np.full(len(split.rows), split.weight) for split in splits])
    # Of multilabel labels the classes are weighted in the combination alone: a row is of several classes.
    if class_weights is not None and labels.kind != 'multilabel':
        shares = np.stack([1 - targets, targets], axis=1) if labels.kind == 'binary' else targets
        row_weights = shares @ class_weights * (1 if row_weights is None else row_weights)
    if labels.kind == 'ordinal':
        targets = targets @ np.linspace(0, 1, labels.size, dtype=np.float32)
    ngrams = NgramRows.from_padded(batch for split in splits for batch in split.rows.ngrams)
    fit_wide(wide, ngrams, targets, labels, row_weights, negated)


def _validation_logits(network: Network, rows: LabelledRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the logits of both paths and the targets, each (rows) or (rows, classes), of the rows or some of them."""
    selected = np.ones(len(rows), bool)
    limit = MAX_LOGITS // network.labels.logits
    if len(rows) > limit:
        selected = np.random.default_rng(0).permutation(len(rows)) < limit
    batches = [
        [np.array(logits) for logits in network.path_logits(ids, ngrams)]
        for ids, ngrams in rows.batches(selected)
    ]
    recurrent, wide = (np.concatenate(path) for path in zip(*batches, strict=True))
    targets = rows.targets[selected]
    return recurrent, wide, targets if network.labels.kind == 'binary' else targets.toarray()


def shrunk(
    both: np.ndarray, wide_alone: np.ndarray, loss: Callable[[np.ndarray], float], noise: float
) -> np.ndarray:
    """The combination nearest to the wide path alone whose loss is no more than noise above the least one.

    The loss is convex on the way from one combination to the other, so the share is found by bisection.

    Args:
        both: the combination with the least loss.
        wide_alone: the one without the recurrent path.
        loss: sum over the rows, in nats.
        noise: in nats.
    """
    limit = loss(both) + noise
    if loss(wide_alone) <= limit:
        return wide_alone
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        share = (low + high) / 2
        if loss(wide_alone + share * (both - wide_alone)) <= limit:
            high = share
        else:
            low = share
    nearest: np.ndarray = wide_alone + high * (both - wide_alone)
    return nearest


def _report_decision(combination: np.ndarray, without: float, with_it: float) -> None:
    """Logs which path decides, and the losses of a row in nats without and with the recurrent path."""
    decision = (
        'both paths decide'
        if combination[0].any()
        else 'the n-grams decide alone: the recurrent path adds no more than noise'
    )
    progress.info('%s (log loss %.3f with the n-grams alone, %.3f with both)', decision, without, with_it)


def _report_accuracy(
    labels: LabelSpec, both: np.ndarray, recurrent: np.ndarray, wide: np.ndarray, targets: np.ndarray
) -> None:
    """Logs how well each path and both together classify the validation rows."""
    a, b, c = both
    together = combine(labels, both, recurrent, wide)
    if labels.kind == 'ordinal':
        recurrent, wide = recurrent[:, None], wide[:, None]
        # A score alone says nothing about the classes: both paths are given the thresholds, in their own unit.
        alone = recurrent + c / (a + b), wide + c / (a + b)
    else:
        alone = recurrent, wide
    name = 'accuracy' if labels.kind in ('binary', 'ordinal') else 'macro-F1'
    values = [_measure(labels, logits, targets) for logits in (*alone, together)]
    progress.info(
        f'validation: {name} %.1f %% recurrent, %.1f %% wide, %.1f %% both',
        *(100 * value for value in values),
    )


def _measure(labels: LabelSpec, logits: np.ndarray, targets: np.ndarray) -> float:
    """Returns the accuracy of binary and ordinal labels, and the macro-F1 of others: classes may be rare there."""
    if labels.kind == 'binary':
        return float(np.mean((logits > 0) == (targets > 0.5)))
    if labels.kind == 'multilabel':
        return float(f1_score(targets > 0.5, logits > 0, average='macro', zero_division=0))
    predicted = ops.convert_to_numpy(label_probabilities(labels, logits)).argmax(axis=1)
    truth = targets.argmax(axis=1)
    if labels.kind == 'ordinal':
        return float(np.mean(predicted == truth))
    return float(f1_score(truth, predicted, average='macro', zero_division=0))
