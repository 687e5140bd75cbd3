"""Whether probabilities mean what they say."""

from collections.abc import Iterable

import numpy as np

# Equal parts of [0, 1] that probabilities are sorted into.
BINS = 10


def calibration_error(bins: Iterable[tuple[float, float, float]]) -> float:
    """Expected calibration error (Naeini et al. 2015): |share of positives − mean probability|, averaged over rows.

    Args:
        bins: for each bin the number of its rows, of those the positive ones, and the sum of the probabilities.
    """
    counts, positives, probabilities = np.array(list(bins), float).reshape(-1, 3).T
    return float(np.abs(positives - probabilities).sum() / max(counts.sum(), 1))


def binned(probabilities: np.ndarray, labels: np.ndarray) -> list[tuple[float, float, float]]:
    """Rows as the bins of `calibration_error`: both (n)."""
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return [
        (
            float((place == part).sum()),
            float(labels[place == part].sum()),
            float(probabilities[place == part].sum()),
        )
        for part in range(BINS)
    ]
