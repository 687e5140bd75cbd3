"""Evaluation of the serving benchmark: percentiles, ratios, targets, wrong responses."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks import report


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that `share` (0 to 1) of all do not exceed.

    NaN where there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Computes ours / theirs per repeat, with the spread. Repeats without a baseline (0 or NaN) are skipped."""
    pairs = zip(ours, theirs, strict=True)
    quotients = [a / b for a, b in pairs if b and not math.isnan(a) and not math.isnan(b)]
    return report.spread(quotients) if quotients else {'mean': None, 'sd': None, 'values': []}


def judged(figures: Mapping[str, Any], kind: Literal['at least', 'at most'], target: float) -> dict[str, Any]:
    """`figures` of `report.spread` with a target for the mean, and whether it is met (None: no figure)."""
    mean = figures['mean']
    met = None if mean is None else mean >= target if kind == 'at least' else mean <= target
    return {**figures, 'target': f'{kind} {target:g}', 'met': met}


def text(figures: Mapping[str, Any]) -> str:
    """`0.74 ± 0.03 (at least 0.6: met)` for what `ratio` or `judged` gave."""
    if figures['mean'] is None:
        return 'no figure'
    line = f'{figures["mean"]:.3g}'
    if figures['sd'] is not None:
        line += f' ± {figures["sd"]:.2g}'
    if 'target' in figures:
        line += f' ({figures["target"]}: {"met" if figures["met"] else "missed"})'
    return line


@dataclass(frozen=True)
class Life:
    """Observations of a version, in seconds of the monotonic clock, which all processes share.

    Attributes:
        appeared: just before its folder got its name.
        not_yet: just before the last look that found it not AVAILABLE yet.
        available: just after the first look that found it AVAILABLE.
        gone: just after the first look that found it UNLOADING or at its END.
    """

    appeared: float
    not_yet: float = -math.inf
    available: float = math.inf
    gone: float = math.inf


Answer = tuple[
    float, float, int
]  # when the request began and ended, in seconds, and the version that answered


def wrong_answers(answers: Iterable[Answer], lives: Mapping[int, Life]) -> list[Answer]:
    """Returns the responses that cannot come from an AVAILABLE version.

    A response is wrong if it came before the version was on disk or while it was loading, or if it was requested
    after the version had been seen UNLOADING. A request may end while its version is UNLOADING.
    """
    return [
        (began, ended, version)
        for began, ended, version in answers
        if (life := lives.get(version)) is None
        or ended < max(life.appeared, life.not_yet)
        or began > life.gone
    ]


def growth(samples: Sequence[float], skip: int, window: int = 5) -> float:
    """Returns the growth from the samples around number `skip` to the last ones, as a share of the former.

    Both ends are medians of `window` samples, so a single garbage collection does not matter.
    """
    first = percentile(samples[max(0, skip - window) : skip] or samples[:1], 0.5)
    last = percentile(samples[-window:], 0.5)
    return last / first - 1
