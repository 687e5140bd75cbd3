"""Finds the times at which eval and test start."""

import bisect
import itertools
from collections.abc import Iterable

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError


def find_boundaries(times: Iterable[float], config: DataConfig, name: str) -> tuple[float, float]:
    """Finds the first times of eval and of test, so that the splits have about the sizes of their buckets.

    Rows of one time stay in one split, so the sizes can differ from the buckets.

    Args:
        times: of the rows that are split.
        config: sizes of the splits.
        name: start of a message.

    Raises:
        DataError: if there are fewer than three different times.
    """
    ordered = sorted(times)
    starts = [time for time, _ in itertools.groupby(ordered)]
    if len(starts) < 3:
        raise DataError(
            f'{name}: the rows have {len(starts)} different times in column {config.time_column!r}; a split by time '
            'needs at least three: give finer times, or a split column with --set data.split_column=NAME'
        )
    before = [bisect.bisect_left(ordered, time) for time in starts]  # rows before each time
    buckets = config.buckets()
    wanted = [
        len(ordered) * size / sum(buckets.values())
        for size in (buckets['train'], buckets['train'] + buckets['eval'])
    ]
    # The first time is train, and at least one is left for test.
    first = min(range(1, len(starts) - 1), key=lambda index: abs(before[index] - wanted[0]))
    second = min(range(first + 1, len(starts)), key=lambda index: abs(before[index] - wanted[1]))
    return starts[first], starts[second]
