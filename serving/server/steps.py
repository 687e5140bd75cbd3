"""Requests as generators, which do not run the model themselves: `execution` decides where a run happens."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar

from numpy.typing import NDArray

T = TypeVar('T')
Arrays = list[NDArray[Any]]
Feeds = Mapping[str, NDArray[Any]]
# It yields the feeds and fetches of each run, receives the values, and returns the response.
Steps = Generator[tuple[Feeds, Sequence[str]], Arrays, T]


def run_synchronously(steps: 'Steps[T]', run: Callable[[Feeds, Sequence[str]], Arrays]) -> T:
    """The response of `steps`, with all work done in the caller's thread."""
    try:
        arguments = next(steps)
        while True:
            arguments = steps.send(run(*arguments))
    except StopIteration as end:
        response: T = end.value
        return response


def with_timing(steps: 'Steps[T]', report: Callable[[float], None]) -> 'Steps[T]':
    """`steps` unchanged; `report` gets the seconds of each run, including its wait for a thread or a batch."""
    try:
        arguments = next(steps)
        while True:
            start = time.perf_counter()
            values = yield arguments
            report(time.perf_counter() - start)
            arguments = steps.send(values)
    except StopIteration as end:
        response: T = end.value
        return response


class StepsDoneError(Exception):
    """Carries the response: a future cannot raise `StopIteration`."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.response = response


def send(steps: 'Steps[Any]', values: Arrays | None) -> tuple[Feeds, Sequence[str]]:
    """Feeds and fetches of the run after `values`. Raises StepsDoneError with the response at the end."""
    try:
        return steps.send(values)  # type: ignore[arg-type]  # (None starts a generator)
    except StopIteration as end:
        raise StepsDoneError(end.value) from None
