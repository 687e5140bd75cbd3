"""Command-line options shared by the benchmarks of server and client."""

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

model_option = click.option(
    '--model',
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar='DIR',
    help='Folder with numbered versions of a sentiment model; by default the newest one below vaiven-runs/.',
)


def only_option(parts: Iterable[str]) -> Callable[..., Any]:
    """`--only`, for some of the parts."""
    return click.option(
        '--only',
        multiple=True,
        type=click.Choice(list(parts)),
        help='Only this part; can be repeated.',
    )


def interrupt_on_sigterm() -> None:
    """Handles SIGTERM like Ctrl-C, so every `with` block ends its processes."""
    signal.signal(signal.SIGTERM, _interrupted)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt
