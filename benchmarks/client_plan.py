"""Durations and repeats of the benchmark of the client."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes of the benchmark.

    Attributes:
        seconds: duration of each caller's turn.
        repeats: how often each point is measured, in turns with its peers.
        starts: how many times a command is started.
        lines: number of texts in one run of `vaiven predict`.
        load_seconds: duration of the load generator, before and after.
    """

    seconds: float = 3.0
    repeats: int = 10
    starts: int = 20
    lines: int = 1_000_000
    load_seconds: float = 20.0


QUICK = Plan(seconds=1.0, repeats=5, starts=6, lines=50_000, load_seconds=4.0)
