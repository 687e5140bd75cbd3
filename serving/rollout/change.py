"""What a move of a rollout did."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """What a move did.

    Attributes:
        before, after: the stable version.
        loaded: versions in memory afterwards, newest first.
        canary: the version with that label afterwards.
        withdrawn: the version that was the canary, and was taken back.
        percent: the canary's share of the traffic.
        named_stable: the version that got the label `stable` because no version had it.
    """

    before: int | None
    after: int
    loaded: list[int]
    canary: int | None = None
    withdrawn: int | None = None
    percent: float = 0.0
    named_stable: int | None = None


def newest(versions: Iterable[int]) -> list[int]:
    """Newest first, as `Change.loaded` has them."""
    return sorted(versions, reverse=True)
