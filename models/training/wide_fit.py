"""Fits the weights of the wide path in closed form or by convex optimisation, without gradient descent.

Two linear models, one of words and pairs of words and one of subwords, are fitted separately and stacked (Wolpert
1992). One model of both kinds of n-grams is worse: in cross-validation on the training rows of the film sentences,
80.7 % of the labels are right, against 82.0 % with two.
"""

import numpy as np
from scipy import sparse

from vaiven.label_spec import LabelSpec
from vaiven.models.network.wide import NO_NGRAM, WideNgrams
from vaiven.models.training.class_fit import fit_classes
from vaiven.models.training.class_information import fit_many_classes
from vaiven.models.training.linear_models import MAX_TARGET, fit_subwords, fit_words, logistic_regression
from vaiven.models.training.ngram_rows import NgramRows
from vaiven.models.training.wide_table import WideTable, strongest

# Inverse regularisation of the stacking.
STACKING_C = 1.0
# The logits for the stacking come from models that were fitted without the row, as in cross-validation.
FOLDS = 4
# Share of the training texts that are not longer than usual.
USUAL_SHARE = 0.99
# A word that training never saw after a negation weighs this share of its weight elsewhere, with the sign turned.
NEGATED_SHARE = 0.5
# With more classes than this, or more weights to read in one pass over all of them, a model for each class takes too
# long: about a microsecond per weight, so the limit is about ten minutes on one core.
MAX_FITTED_CLASSES, MAX_FITTED_WEIGHTS = 50, 5 * 10**8


def fit_wide(
    wide: WideNgrams,
    ngrams: NgramRows,
    targets: np.ndarray | sparse.csr_matrix,
    labels: LabelSpec | None = None,
    weights: np.ndarray | None = None,
    negated: np.ndarray | None = None,
) -> None:
    """Sets the weights of the wide path.

    Args:
        wide: built, with `labels.logits` outputs.
        ngrams: the n-grams of each row.
        targets: from 0 to 1. Binary labels: (rows), the probability of the second class. Ordinal labels: (rows), the
            expected position between the lowest and the highest class. Other kinds: (rows, classes), the probability of
            each class; with many classes better a sparse matrix.
        labels: the labels; by default those of sentiment.
        weights: (rows), how much each row counts; by default 1.
        negated: int (words, 2), the ids of words, and of the same words after a negation. Where the labels have one
            logit, what was never seen after a negation counts against it. None if negated words are not marked.
    """
    labels = labels or LabelSpec()
    ids, counts = ngrams.count(wide.size)
    if not len(ids):
        return
    is_word = ids % 2 == 1
    if labels.logits == 1:
        table = _fit_score(counts, is_word, np.asarray(targets), weights)
        if negated is not None:
            unseen = negated[~np.isin(negated[:, 1], ngrams.ids)]
            ids, table = _with_unseen_negations(ids, table, unseen, wide.size)
    elif needs_closed_form(counts.nnz, labels.size):
        targets = sparse.csr_matrix(targets)
        table = fit_many_classes(counts, is_word, targets, labels.kind == 'multilabel', weights)
    else:
        dense = targets if isinstance(targets, np.ndarray) else targets.toarray()
        table = fit_classes(counts, is_word, dense, labels.kind == 'multilabel', weights)
    _assign(wide, ids, table)
    wide.usual_length.assign(float(np.quantile(ngrams.lengths, USUAL_SHARE)))


def needs_closed_form(nonzeros: int, classes: int) -> bool:
    """Whether a model for each class takes too long: for this number of n-grams of all rows, and of classes."""
    return classes > MAX_FITTED_CLASSES or classes * nonzeros > MAX_FITTED_WEIGHTS


def _fit_score(
    counts: sparse.csr_matrix, is_word: np.ndarray, targets: np.ndarray, row_weights: np.ndarray | None
) -> WideTable:
    """Fits one logit to probabilities (rows)."""
    targets = np.clip(targets, 1 - MAX_TARGET, MAX_TARGET)
    words, subwords = counts[:, is_word], counts[:, ~is_word]
    logits = np.zeros((len(targets), 2))
    # A fixed seed: the same rows give the same weights.
    fold = np.random.default_rng(0).permutation(len(targets)) % FOLDS
    for column, (fit, features) in enumerate(((fit_words, words), (fit_subwords, subwords))):
        for held_out in range(FOLDS):
            inside, outside = fold == held_out, fold != held_out
            outside_weights = None if row_weights is None else row_weights[outside]
            weights, intercept = fit(features[outside], targets[outside], outside_weights)
            logits[inside, column] = features[inside] @ weights + intercept
    (words_factor, subwords_factor), bias = logistic_regression(logits, targets, STACKING_C, row_weights)
    word_weights, word_bias = fit_words(words, targets, row_weights)
    subword_weights, subword_bias = fit_subwords(subwords, targets, row_weights)
    # The stacked model is linear too, so one table holds the weights of both.
    weights = np.zeros((len(is_word), 1))
    weights[is_word, 0], weights[~is_word, 0] = words_factor * word_weights, subwords_factor * subword_weights
    bias = words_factor * word_bias + subwords_factor * subword_bias + bias
    return WideTable(*strongest(weights), np.array([bias]))


def _with_unseen_negations(
    ids: np.ndarray, table: WideTable, unseen: np.ndarray, size: int
) -> tuple[np.ndarray, WideTable]:
    """Adds the weights of words that training saw, but never after a negation.

    Ten thousand sentences have one word in five after a negation. Without this, "far from wooden" would be read as "far
    from", and "wooden" would not count at all.

    Args:
        ids: int (n-grams), sorted.
        table: their weights, of one logit.
        unseen: int (words, 2), the ids of words, and of the same words after a negation, where no row has them.
        size: maximum number of n-grams; if there are more, those with the smallest weights are left out.

    Returns:
        The ids, sorted, and their weights.
    """
    positions = np.minimum(np.searchsorted(ids, unseen[:, 0]), len(ids) - 1)
    is_known = ids[positions] == unseen[:, 0]
    added = -NEGATED_SHARE * table.weights[positions[is_known], 0]
    all_ids = np.concatenate([ids, unseen[is_known, 1].astype(ids.dtype)])
    weights = np.concatenate([table.weights[:, 0], added])
    kept = np.argsort(-np.abs(weights), kind='stable')[:size]
    kept = kept[np.argsort(all_ids[kept])]
    return all_ids[kept], WideTable(*strongest(weights[kept, None]), table.bias)


def _assign(wide: WideNgrams, ids: np.ndarray, table: WideTable) -> None:
    unused = wide.size - len(ids)
    wide.ngrams.assign(np.pad(ids, (0, unused), constant_values=NO_NGRAM))
    wide.table.assign(np.pad(table.weights, ((0, unused), (0, 0))).reshape(wide.table.shape))
    wide.bias.assign(table.bias.reshape(wide.bias.shape))
    if wide.is_sparse:
        wide.classes.assign(np.pad(table.classes, ((0, unused), (0, 0))))
