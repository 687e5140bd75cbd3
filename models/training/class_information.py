"""The wide path of many classes, in closed form from the counts of each n-gram in each class.

A model fitted for each class would take hours for a thousand classes and a million rows. The weight of an n-gram for a
class is their pointwise mutual information (Church & Hanks 1990), where it is positive: the logarithm of how much more
often the class has the n-gram than its share of all n-grams says. An n-gram that a class never has gets no weight, so
the table is sparse by itself.

Measured on passages of 20 words that name one of 63 films by its reviews: 44.4 % of the films are right; 42.3 % with
the weights of complement naive Bayes (Rennie et al. 2003); 37.6 % with logistic regression on TF-IDF.
"""

import numpy as np
from scipy import optimize, sparse

from vaiven.models.network.wide import MAX_ENTRIES
from vaiven.models.training.class_fit import Loss, rows_loss
from vaiven.models.training.wide_table import WideTable, strongest

# Prior of the counts, in rows of all classes together.
SMOOTHING = 1.0
# The two parts are stacked on this share of the rows, which they are counted without; on fewer if these have more
# logits than this. Four factors need few rows.
STACKING_SHARE, MAX_STACKING_LOGITS = 0.2, 4_000_000
# N-grams whose weights for all classes are in memory at once.
_BLOCK = 4096


def fit_many_classes(
    counts: sparse.csr_matrix,
    is_word: np.ndarray,
    targets: sparse.csr_matrix,
    is_multilabel: bool,
    row_weights: np.ndarray | None,
) -> WideTable:
    """Computes the weights of each class, at most `MAX_ENTRIES` for an n-gram.

    Args:
        counts: (rows, n-grams), 1 where a row has the n-gram.
        is_word: bool (n-grams): a word or a pair of words, not a subword.
        targets: (rows, classes), the probability of each class.
        is_multilabel: whether a row can belong to several classes.
        row_weights: (rows), how much each row counts; None for 1.
    """
    rows = targets.shape[0]
    weights = np.ones(rows, np.float32) if row_weights is None else row_weights.astype(np.float32)
    held_rows = min(int(rows * STACKING_SHARE), MAX_STACKING_LOGITS // targets.shape[1])
    # A fixed seed: the same rows give the same weights.
    held = np.sort(np.random.default_rng(0).permutation(rows)[:held_rows])
    counted = weights.copy()
    counted[held] = 0
    classes, information = _information(counts, targets, counted)
    prior = _log_prior(targets, weights, is_multilabel)
    parts = [
        (counts[held] @ WideTable(classes, information * part[:, None], prior).matrix()).toarray()
        for part in (is_word, ~is_word)
    ]
    loss = rows_loss(targets[held].toarray(), is_multilabel, weights[held])
    words_factor, subwords_factor, prior_factor, offset = _stack([*parts, prior, np.ones_like(prior)], loss)
    classes, information = _information(counts, targets, weights)
    factors = np.where(is_word, words_factor, subwords_factor)
    return WideTable(classes, information * factors[:, None], prior_factor * prior + offset)


def _information(
    counts: sparse.csr_matrix, targets: sparse.csr_matrix, row_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The classes with the most information of each n-gram, and the information; each (n-grams, entries)."""
    weighted = sparse.csr_matrix(sparse.diags(row_weights) @ targets, dtype=np.float32)
    by_class = (weighted.T.tocsr() @ counts).tocsc()  # (classes, n-grams)
    totals = counts.T @ row_weights  # (n-grams)
    shares = np.asarray(by_class.sum(axis=1)).ravel() / max(totals.sum(), 1)  # (classes)
    shares = np.maximum(shares, np.finfo(np.float32).tiny)
    entries = min(MAX_ENTRIES, targets.shape[1])
    classes = np.zeros((counts.shape[1], entries), np.int32)
    information = np.zeros((counts.shape[1], entries), np.float32)
    for start in range(0, counts.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        here = by_class[:, block].T.toarray()  # (n-grams of the block, classes)
        ratio = (here / shares + SMOOTHING) / (totals[block, None] + SMOOTHING)
        classes[block], information[block] = strongest(np.where(ratio > 1, np.log(np.maximum(ratio, 1)), 0))
    return classes, information


def _log_prior(targets: sparse.csr_matrix, row_weights: np.ndarray, is_multilabel: bool) -> np.ndarray:
    """The logit (multilabel) or the logarithm of the share of each class: (classes)."""
    rows = targets.T @ row_weights + SMOOTHING
    return np.asarray(
        np.log(rows / (row_weights.sum() - rows + 2 * SMOOTHING if is_multilabel else rows.sum()))
    )


def _stack(features: list[np.ndarray], loss: Loss) -> np.ndarray:
    """Fits a factor for each feature, (rows, classes) or (classes)."""

    def objective(factors: np.ndarray) -> tuple[float, np.ndarray]:
        total, gradient = loss(
            sum(factor * feature for factor, feature in zip(factors, features, strict=True))
        )
        slopes = [float((gradient * feature).sum()) for feature in features]
        return total + float((factors**2).sum()) / 2, np.array(slopes) + factors

    found = optimize.minimize(objective, np.zeros(len(features)), jac=True, method='L-BFGS-B')
    return np.asarray(found.x)
