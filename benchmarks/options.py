"""What the benchmarks of the server and its callers have in common at the command line."""

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

model_option = click.option(
    '--model',
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar='DIR',
    help='Folder with numbered versions of a sentiment model; else the one pushed last below vaiven-runs/.',
)


def only_option(parts: Iterable[str]) -> Callable[..., Any]:
    """`--only`, for some of the parts."""
    return click.option(
        '--only',
        multiple=True,
        type=click.Choice(list(parts)),
        help='Only this part; may be given more than once.',
    )


def end_in_good_order() -> None:
    """At SIGTERM as at a Ctrl-C: every `with` ends its processes."""
    signal.signal(signal.SIGTERM, _interrupted)


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt
