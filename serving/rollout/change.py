"""The result of an action of a rollout."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """What an action changed.

    Attributes:
        previous_stable: the stable version before the action; None if there was none.
        stable: the stable version after it.
        loaded: versions in memory after it, newest first.
        canary: the version with the label `canary` after it.
        withdrawn: the version that lost the label `canary` without being promoted.
        percent: the canary's share of the traffic.
        named_stable: the version that got the label `stable` because no version had it.
    """

    previous_stable: int | None
    stable: int
    loaded: list[int]
    canary: int | None = None
    withdrawn: int | None = None
    percent: float = 0.0
    named_stable: int | None = None


def newest(versions: Iterable[int]) -> list[int]:
    """Returns the versions newest first, the order of `Change.loaded`."""
    return sorted(versions, reverse=True)
