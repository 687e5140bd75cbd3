"""Calibration: whether predicted probabilities match observed frequencies."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Number of equal-width bins of [0, 1], as in Naeini et al. 2015.
BINS = 10


def calibration_error(bins: Iterable[tuple[float, float, float]]) -> float:
    """Expected calibration error (Naeini et al. 2015): |share of positives − mean probability|, averaged over examples.

    Args:
        bins: for each bin, its number of examples, its number of positive examples and its sum of probabilities.

    Returns:
        A number from 0 (calibrated) to 1; 0 without examples.
    """
    return float(calibration_errors(np.array(list(bins), float).reshape(-1, 3)))


def calibration_errors(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for several sets of bins, float (…, bins, 3) → float (…)."""
    counts, positives, probabilities = np.moveaxis(bins, -1, 0)
    error: NDArray[np.float64] = np.abs(positives - probabilities).sum(-1) / np.maximum(counts.sum(-1), 1)
    return error


def bin_indices(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """The bin of each probability; a probability of 1 belongs to the last one."""
    return np.clip((probabilities * BINS).astype(np.int64), 0, BINS - 1)


def bin_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> list[tuple[float, float, float]]:
    """Sorts examples into the bins of `calibration_error`.

    Args:
        probabilities: of the positive class, float (n).
        labels: int (n), 0 or 1.

    Returns:
        For each bin, its number of examples, its number of positive examples and its sum of probabilities.
    """
    indices = bin_indices(probabilities)
    return [
        (
            float((indices == index).sum()),
            float(labels[indices == index].sum()),
            float(probabilities[indices == index].sum()),
        )
        for index in range(BINS)
    ]
