"""The weights of the wide path as they are fitted: a few for each n-gram."""

import dataclasses

import numpy as np
from scipy import sparse

from vaiven.models.network.wide import MAX_ENTRIES


@dataclasses.dataclass(frozen=True)
class WideTable:
    """The weights of n-grams.

    Attributes:
        classes: int (n-grams, entries), the logit that each weight is added to.
        weights: float (n-grams, entries).
        bias: float (logits).
    """

    classes: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def matrix(self) -> sparse.csr_matrix:
        """The weights as a matrix (n-grams, logits)."""
        ngrams, entries = self.weights.shape
        ends = np.arange(0, ngrams * entries + 1, entries)
        return sparse.csr_matrix((self.weights.ravel(), self.classes.ravel(), ends), (ngrams, len(self.bias)))


def strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keeps at most `MAX_ENTRIES` weights of each n-gram.

    Args:
        weights: (n-grams, logits).

    Returns:
        The logits and the weights kept, each (n-grams, entries). If all are kept, they are in order.
    """
    logits = weights.shape[1]
    if logits <= MAX_ENTRIES:
        return np.broadcast_to(np.arange(logits), weights.shape), weights
    kept = np.argpartition(-np.abs(weights), MAX_ENTRIES, axis=1)[:, :MAX_ENTRIES]
    return kept, np.take_along_axis(weights, kept, axis=1)
