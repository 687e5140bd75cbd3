"""The client on loopback, compared with a bare gRPC stub and a load generator without parsing, in the same run.

    python -m benchmarks.client [--quick] [--only PART] [--model DIR]

Parts: `overhead` (a call of Client and of AsyncClient, and of a bare stub with the same message), `cold` (`vaiven
predict` from the shell to its output, and importing the client) and `stream` (lines through `vaiven predict` and
the load generator, and memory meanwhile).
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from benchmarks import (
    client_cold,
    client_overhead,
    client_stream,
    options,
    report,
    serving_figures,
    serving_setup,
)
from benchmarks.client_plan import QUICK, Plan
from benchmarks.serving_processes import Child, ChildError
from benchmarks.serving_setup import Subject
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import serving_folder as serving_folders

PARTS: dict[str, tuple[str, Callable[[Plan, Subject, Subject | None, Path], dict[str, Any]]]] = {
    'overhead': ('a call against a bare stub', client_overhead.overhead),
    'cold': ('`vaiven predict` and importing the client', client_cold.cold),
    'stream': ('lines through `vaiven predict` against the load generator', client_stream.stream),
}


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Fewer lines, seconds and repeats; the same code.')
@options.only_option(PARTS)
@options.model_option
def main(quick: bool, only: tuple[str, ...], model: Path | None) -> None:
    started = time.monotonic()
    options.interrupt_on_sigterm()
    plan = QUICK if quick else Plan()
    results, skipped = {}, {}
    try:
        model = model or serving_folders.newest()
        sentiment = serving_setup.sentiment(model.absolute()) if model else None
        with ExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='vaiven-benchmark-')))
            with Child('serving_models', 'trivial', str(root / 'trivial')) as child:
                child.read()
            trivial = serving_setup.trivial(root / 'trivial')
            for name in [name for name in PARTS if name in (only or PARTS)]:
                title, measure = PARTS[name]
                if sentiment is None and name != 'overhead':
                    skipped[name] = 'no model pushed below vaiven-runs/, and no --model DIR'
                    report.say(f'{name}: left out, {skipped[name]}')
                    continue
                report.say(f'{name}: {title}')
                began = time.monotonic()
                results[name] = measure(plan, trivial, sentiment, root)
                results[name]['seconds_of_part'] = time.monotonic() - began
                for what, figures in results[name]['ratios'].items():
                    report.say(f'  {what}: {serving_figures.text(figures)}')
    except (ServingError, ChildError) as error:
        raise click.ClickException(str(error)) from error
    report.conclude(
        {
            'benchmark': 'client', 'quick': quick, 'only': only, 'plan': vars(plan), 'parts': results,
            'skipped': skipped, 'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


if __name__ == '__main__':
    main()
