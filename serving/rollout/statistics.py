"""Confidence intervals for means that stay valid at any stopping time, however often the data is inspected.

A bettor starts with a capital of 1 and bets against the hypothesis "the mean is at most m". Each outcome multiplies the
capital. Under the hypothesis, the probability that the capital ever reaches 1/alpha is at most alpha, at any stopping
time (Ville 1939). All means whose bettor has not reached 1/alpha form a confidence sequence, an interval that is valid
at all times simultaneously: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B
86 (2024). Here the initial capital is spread evenly over fixed stakes. The order of the outcomes then does not matter,
and a histogram of them is all that has to be stored.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Fractions of the largest stake that cannot lose more than the capital: 0.99 wins fastest on a few outcomes far from
# the claim; the smallest, 0.99 / 4096, is near the best stake for a difference that only thousands of outcomes show.
STAKES = np.geomspace(0.99, 0.99 * 2.0**-12, 17)
# Each halves the interval; after 50 its width is 2^-50 of the range, close to the resolution of a float.
BISECTION_STEPS = 50
RESAMPLES = 500
# Quantiles of larger samples are known well enough; 500 resamples of 20,000 pairs take one to two seconds.
MAX_RESAMPLED_PAIRS = 20_000

Histogram = Mapping[float, int]


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its confidence interval; the estimate is nan without outcomes."""

    estimate: float
    low: float
    high: float


def log_capital(outcomes: Histogram, mean: float, minimum: float, maximum: float, *, above: bool) -> float:
    """Returns the logarithm of the capital of a bettor who bets that the true mean is above (or below) `mean`.

    Args:
        outcomes: the number of occurrences of each value; all values are between `minimum` and `maximum`.
        mean: the hypothesis that is bet against, between `minimum` and `maximum`.
        minimum: the smallest possible outcome.
        maximum: the largest possible outcome.
        above: whether the bet is on a mean above `mean`, or below it.
    """
    values, counts = np.array(list(outcomes), float), np.array([list(outcomes.values())], float)
    return float(log_capitals(values, counts, mean, minimum, maximum, above=above)[0])


def log_capitals(
    values: NDArray[np.float64],
    counts: NDArray[Any],
    mean: float,
    minimum: float,
    maximum: float,
    *,
    above: bool,
) -> NDArray[np.float64]:
    """Returns the logarithm of the capital of each of several bettors, as `log_capital`.

    Args:
        values: possible outcomes, (values).
        counts: the number of occurrences of each outcome for each bettor, (bettors, values).
        mean: the hypothesis that all bet against, between `minimum` and `maximum`.
        minimum: the smallest possible outcome.
        maximum: the largest possible outcome.
        above: whether they bet on a mean above `mean`, or below it.
    """
    room = mean - minimum if above else maximum - mean
    if room <= 0:
        return np.zeros(len(counts))
    # At least -1, so that no stake below 1 can lose the whole capital.
    gains = (values - mean if above else mean - values) / room  # (values)
    logs = counts @ np.log1p(STAKES[:, None] * gains).T  # (bettors, stakes)
    # The mean over stakes, in logarithms: a capital of e^1000 does not fit into a float.
    largest = logs.max(1)
    capitals: NDArray[np.float64] = largest + np.log(np.exp(logs - largest[:, None]).mean(1))
    return capitals


def mean_interval(outcomes: Histogram, minimum: float, maximum: float, alpha: float) -> Interval:
    """Returns the mean and its confidence sequence.

    Args:
        outcomes: the number of occurrences of each value.
        minimum: the smallest possible outcome.
        maximum: the largest possible outcome.
        alpha: the maximum probability, over all time, that the lower bound is ever above the true mean; the same for
            the upper bound.

    Returns:
        The interval; without outcomes it is the whole range.
    """
    count = sum(outcomes.values())
    if not count:
        return Interval(math.nan, minimum, maximum)
    mean = sum(value * number for value, number in outcomes.items()) / count
    threshold = -math.log(alpha)  # Ville's inequality: a capital of 1/alpha refutes the claim

    def refuted(claim: float, above: bool) -> bool:
        return log_capital(outcomes, claim, minimum, maximum, above=above) >= threshold

    def bound(far: float, above: bool) -> float:
        # The capital falls steadily as the claim moves towards the observed mean, so bisection finds the crossing.
        near = mean
        for _ in range(BISECTION_STEPS):
            middle = (far + near) / 2
            if refuted(middle, above):
                far = middle
            else:
                near = middle
        return far

    return Interval(mean, bound(minimum, True), bound(maximum, False))


def quantile_intervals(
    old: Sequence[float], new: Sequence[float], quantiles: Sequence[float], confidence: float, seed: int = 0
) -> list[tuple[Interval, Interval, Interval]]:
    """Returns percentile bootstrap intervals of quantiles, resampled by pair (Efron 1979).

    Unlike `mean_interval`, these are valid only for a number of pairs that was fixed in advance.

    Args:
        old: one value for each pair, such as a latency in seconds.
        new: the other value of each pair.
        quantiles: between 0 and 1.
        confidence: of each interval.
        seed: of the resampling.

    Returns:
        For each quantile, the intervals of `old`, of `new`, and of the ratio new/old.
    """
    rng = np.random.default_rng(seed)
    pairs = np.array([old, new], float)  # (2, pairs)
    count = pairs.shape[1]
    if not count:
        nothing = Interval(math.nan, math.nan, math.nan)
        return [(nothing, nothing, nothing) for _ in quantiles]
    resampled = np.empty((RESAMPLES, len(quantiles), 2))
    for number in range(RESAMPLES):
        # Whole pairs are drawn: both values of a pair share the load of the moment, and the ratio depends on that.
        indices = rng.integers(count, size=min(count, MAX_RESAMPLED_PAIRS))
        resampled[number] = np.quantile(pairs[:, indices], quantiles, axis=1)  # (quantiles, 2)
    estimates = np.quantile(pairs, quantiles, axis=1)  # (quantiles, 2)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def interval(estimate: float, values: NDArray[np.float64]) -> Interval:
        low, high = np.quantile(values, tails)
        return Interval(float(estimate), float(low), float(high))

    return [
        (
            interval(estimates[place, 0], resampled[:, place, 0]),
            interval(estimates[place, 1], resampled[:, place, 1]),
            interval(
                estimates[place, 1] / estimates[place, 0], resampled[:, place, 1] / resampled[:, place, 0]
            ),
        )
        for place in range(len(quantiles))
    ]
