"""Finds the weights of the wide path, at once, where gradient descent would need many steps.

Two models, one of words and pairs and one of pieces of words, are fitted apart, and their logits are weighed by
stacking (Wolpert 1992). A single model of both kinds of n-grams is worse: on parts of the film sentences' training
rows 80.7 %, against 82.0 %.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from vaiven.models.network.wide import NO_NGRAM, WideNgrams
from vaiven.models.training.nb_svm import INTERPOLATION, interpolated, log_ratios

# Of the model of words and pairs, as the paper's; of the stacking.
WORDS_C, STACKING_C = 1.0, 1.0
# Of the model of pieces: the penalty in mean squared lengths of a row.
PIECES_PENALTY = 3.0
# Each part of the rows gets logits, for the stacking, from models that saw the others.
PARTS = 4
# A label is never quite sure, so that every row counts, ever so little, for both classes.
_SUREST = 0.999

Linear = tuple[np.ndarray, float]  # weights (features,) and intercept


def fit_wide(wide: WideNgrams, ngrams: Sequence[np.ndarray], targets: np.ndarray) -> None:
    """Sets the weights of the path.

    Args:
        wide: built.
        ngrams: for each row the numbers of its n-grams, each once, as `vaiven.models.text.ngrams` gives them.
        targets: (rows,), from 0 to 1: the probability of «positive» that is to be learnt.
    """
    known, counts = _count(ngrams, wide.size)
    if not len(known):
        return
    whole = known % 2 == 1
    words, pieces = counts[:, whole], counts[:, ~whole]
    targets = np.clip(targets, 1 - _SUREST, _SUREST)
    logits = np.zeros((len(ngrams), 2))
    part = np.random.default_rng(0).permutation(len(ngrams)) % PARTS
    for column, (fit, features) in enumerate(((_fit_words, words), (_fit_pieces, pieces))):
        for held in range(PARTS):
            rest, own = part != held, part == held
            weights, intercept = fit(features[rest], targets[rest])
            logits[own, column] = features[own] @ weights + intercept
    (of_words, of_pieces), bias = _logistic(logits, targets, STACKING_C)
    (of_word, word_bias), (of_piece, piece_bias) = _fit_words(words, targets), _fit_pieces(pieces, targets)
    weights = np.zeros(len(known))
    weights[whole], weights[~whole] = of_words * of_word, of_pieces * of_piece
    room = wide.size - len(known)
    wide.ngrams.assign(np.pad(known, (0, room), constant_values=NO_NGRAM))
    wide.table.assign(np.pad(weights, (0, room)))
    wide.bias.assign(of_words * word_bias + of_pieces * piece_bias + bias)


def _count(ngrams: Sequence[np.ndarray], most: int) -> tuple[np.ndarray, sparse.csr_matrix]:
    """The n-grams that most rows have, sorted, and rows × n-grams, 1 where the row has it."""
    known, columns, rows_with = np.unique(np.concatenate(ngrams), return_inverse=True, return_counts=True)
    rows = np.repeat(np.arange(len(ngrams)), [len(row) for row in ngrams])
    shape = (len(ngrams), len(known))
    counts = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape)
    if len(known) > most:
        kept = np.sort(np.argsort(-rows_with, kind='stable')[:most])
        known, counts = known[kept], counts[:, kept]
    return known, counts


def _fit_words(counts: sparse.csr_matrix, targets: np.ndarray) -> Linear:
    """NB-SVM with a logistic loss, learnt from probabilities."""
    if not counts.shape[1]:
        return np.zeros(0), 0.0
    ratios = log_ratios(counts, targets)
    fitted, intercept = _logistic(counts @ sparse.diags(ratios), targets, WORDS_C)
    return interpolated(fitted, ratios), INTERPOLATION * intercept


def _fit_pieces(counts: sparse.csr_matrix, targets: np.ndarray) -> Linear:
    """Ridge regression on the probabilities, of features scaled as in NB-SVM."""
    if not counts.shape[1]:
        return np.zeros(0), 0.0
    ratios = log_ratios(counts, targets)
    scaled = counts @ sparse.diags(ratios)
    penalty = PIECES_PENALTY * scaled.multiply(scaled).sum() / max(len(targets), 1)
    machine = Ridge(alpha=max(penalty, 1e-6), solver='sparse_cg', tol=1e-3).fit(scaled, 2 * targets - 1)
    return ratios * machine.coef_, float(machine.intercept_)


def _logistic(features: sparse.csr_matrix | np.ndarray, targets: np.ndarray, c: float) -> Linear:
    """Logistic regression on probabilities: each row is there twice, as both classes, with its share of each."""
    stack = sparse.vstack if sparse.issparse(features) else np.concatenate
    labels = np.repeat([1, 0], len(targets))
    machine = LogisticRegression(C=c, solver='liblinear', max_iter=200)
    machine.fit(stack([features, features]), labels, np.concatenate([targets, 1 - targets]))
    return machine.coef_[0], float(machine.intercept_[0])
