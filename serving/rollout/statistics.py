"""How sure a mean is, at any moment: looking as often as one likes does no harm.

A bettor who starts with 1 and bets against "the mean is at most m" wins or loses a part of it with each outcome. If
the claim holds, the odds that the capital ever reaches 1/alpha are at most alpha (Ville 1939), whenever one stops. All
means that some bettor could not ruin so make an interval that holds at all times at once: Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", JRSS B 86 (2024). Here the bettor spreads the first capital
evenly over fixed stakes. The outcomes then count in no order, and their histogram is all there is to remember.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Parts of the largest stake that cannot lose more than there is: from almost all of it down to what large samples need.
STAKES = np.geomspace(0.99, 0.99 * 2.0**-12, 17)
STEPS = 50  # of a bisection
RESAMPLES = 500
MAX_RESAMPLED = 20_000

Histogram = Mapping[float, int]


@dataclass(frozen=True)
class Interval:
    """An estimate, and the bounds between which the true value lies; nan where there are no outcomes."""

    estimate: float
    low: float
    high: float


def log_capital(outcomes: Histogram, mean: float, lowest: float, highest: float, *, above: bool) -> float:
    """Logarithm of what the bettor has who bets that the true mean is above `mean` (or below it).

    Args:
        outcomes: how often each value came, all between `lowest` and `highest`.
        mean: the claim, between these.
        lowest, highest: the least and the greatest value that may come.
        above: whether the bet is on more than `mean`, or on less.
    """
    values = np.array(list(outcomes), float)
    counts = np.array(list(outcomes.values()), float)
    room = mean - lowest if above else highest - mean
    if room <= 0:
        return 0.0
    gains = (values - mean if above else mean - values) / room  # (values), at least -1
    logs = np.log1p(STAKES[:, None] * gains) @ counts  # (stakes)
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).mean()))


def mean_interval(outcomes: Histogram, lowest: float, highest: float, alpha: float) -> Interval:
    """The mean, with bounds each of which is wrong with a probability of at most `alpha`, over all time."""
    count = sum(outcomes.values())
    if not count:
        return Interval(math.nan, lowest, highest)
    mean = sum(value * number for value, number in outcomes.items()) / count
    enough = -math.log(alpha)

    def refuted(claim: float, above: bool) -> bool:
        return log_capital(outcomes, claim, lowest, highest, above=above) >= enough

    def bound(far: float, above: bool) -> float:
        near = mean
        for _ in range(STEPS):
            middle = (far + near) / 2
            if refuted(middle, above):
                far = middle
            else:
                near = middle
        return far

    return Interval(mean, bound(lowest, True), bound(highest, False))


def quantile_intervals(
    old: Sequence[float], new: Sequence[float], quantiles: Sequence[float], confidence: float, seed: int = 0
) -> list[tuple[Interval, Interval, Interval]]:
    """Of each quantile: of `old`, of `new`, and of new/old, by bootstrap over the pairs (percentiles).

    For a number of pairs that was fixed beforehand. Of more than 20,000 pairs so many are drawn each time.
    """
    rng = np.random.default_rng(seed)
    pairs = np.array([old, new], float)  # (2, pairs)
    count = pairs.shape[1]
    if not count:
        nothing = Interval(math.nan, math.nan, math.nan)
        return [(nothing, nothing, nothing) for _ in quantiles]
    drawn = np.empty((RESAMPLES, len(quantiles), 2))
    for number in range(RESAMPLES):
        chosen = rng.integers(count, size=min(count, MAX_RESAMPLED))
        drawn[number] = np.quantile(pairs[:, chosen], quantiles, axis=1)
    plain = np.quantile(pairs, quantiles, axis=1)  # (quantiles, 2)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def interval(estimate: float, values: NDArray[np.float64]) -> Interval:
        low, high = np.quantile(values, tails)
        return Interval(float(estimate), float(low), float(high))

    return [
        (
            interval(plain[place, 0], drawn[:, place, 0]),
            interval(plain[place, 1], drawn[:, place, 1]),
            interval(plain[place, 1] / plain[place, 0], drawn[:, place, 1] / drawn[:, place, 0]),
        )
        for place in range(len(quantiles))
    ]
