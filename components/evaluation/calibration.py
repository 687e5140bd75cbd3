"""Calibration: whether predicted probabilities match observed frequencies."""

from collections.abc import Iterable

import numpy as np

# Number of equal-width bins of [0, 1], as in Naeini et al. 2015.
BINS = 10


def calibration_error(bins: Iterable[tuple[float, float, float]]) -> float:
    """Expected calibration error (Naeini et al. 2015): |share of positives − mean probability|, averaged over examples.

    Args:
        bins: for each bin, its number of examples, its number of positive examples and its sum of probabilities.

    Returns:
        A number from 0 (calibrated) to 1; 0 without examples.
    """
    counts, positives, probabilities = np.array(list(bins), float).reshape(-1, 3).T
    return float(np.abs(positives - probabilities).sum() / max(counts.sum(), 1))


def bin_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> list[tuple[float, float, float]]:
    """Sorts examples into the bins of `calibration_error`.

    Args:
        probabilities: of the positive class, float (n).
        labels: int (n), 0 or 1.

    Returns:
        For each bin, its number of examples, its number of positive examples and its sum of probabilities.
    """
    # A probability of 1 belongs to the last bin.
    indices = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return [
        (
            float((indices == index).sum()),
            float(labels[indices == index].sum()),
            float(probabilities[indices == index].sum()),
        )
        for index in range(BINS)
    ]
