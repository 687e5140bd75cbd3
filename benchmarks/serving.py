"""The model server on loopback, client and server in two processes, compared with peers in the same run.

    python -m benchmarks.serving [--quick] [--only PART] [--model DIR]

Parts: `echo` (a trivial model and an empty call against empty gRPC services, with threads and in asyncio), `fastapi`
(the sentiment model, with and without batching, against FastAPI and uvicorn around the SavedModel, its network in ONNX
Runtime, and MiniLM), `rest` (REST against gRPC), `start` (seconds to AVAILABLE and memory, against bare TensorFlow),
`switches` (new versions under load) and `cycles` (memory over loads and unloads).
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from benchmarks import (
    options,
    report,
    serving_cycles,
    serving_figures,
    serving_setup,
    serving_speed,
    serving_start,
    serving_switches,
)
from benchmarks.serving_processes import Child, ChildError, Load
from benchmarks.serving_setup import QUICK, Bench, Plan
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout import serving_folder as serving_folders

PARTS: dict[str, tuple[str, Callable[[Bench], dict[str, Any]]]] = {
    'echo': ('a trivial model and an empty call against empty gRPC services', serving_speed.against_echo),
    'fastapi': ('the sentiment model against FastAPI and uvicorn', serving_speed.against_fastapi),
    'rest': ('REST against gRPC', serving_speed.rest_against_grpc),
    'start': ('start and memory against bare TensorFlow', serving_start.start_and_memory),
    'switches': ('new versions under load', serving_switches.switches),
    'cycles': ('memory over loads and unloads', serving_cycles.cycles),
}


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Fewer seconds, points and repeats; the same code.')
@options.only_option(PARTS)
@options.model_option
@click.option(
    '--peer-python',
    default=sys.executable,
    metavar='PYTHON',
    help='Interpreter for FastAPI; needs TensorFlow too.',
)
@click.option(
    '--peer-path',
    default='',
    metavar='DIR',
    help='Folder of FastAPI, uvicorn, ONNX and ONNX Runtime, from `pip install --target DIR`.',
)
def main(quick: bool, only: tuple[str, ...], model: Path | None, peer_python: str, peer_path: str) -> None:
    started = time.monotonic()
    options.interrupt_on_sigterm()
    plan = QUICK if quick else Plan()
    try:
        model = model or serving_folders.newest()
        with ExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='vaiven-benchmark-')))
            with Child('serving_models', 'trivial', str(root / 'trivial')) as child:
                child.read()
            load = Load()
            stack.callback(load.stop)
            bench = Bench(
                plan, root, load, serving_setup.trivial(root / 'trivial'),
                serving_setup.sentiment(model.absolute()) if model else None, peer_python, peer_path,
            )  # fmt: skip
            results = run(bench, only or tuple(PARTS))
    except (ServingError, ChildError) as error:
        raise click.ClickException(str(error)) from error
    report.conclude(
        {
            'benchmark': 'serving', 'quick': quick, 'only': only, 'plan': vars(plan), 'parts': results,
            'skipped': bench.skipped, 'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def run(bench: Bench, names: tuple[str, ...]) -> dict[str, Any]:
    """Runs the parts in the order of `PARTS`, prints each result, and returns all."""
    if bench.sentiment is None:
        line = 'no model pushed below vaiven-runs/, and no --model DIR'
        report.say(f'the sentiment model is left out: {line}')
        bench.skipped['sentiment'] = line
    results = {}
    for name in [name for name in PARTS if name in names]:
        title, measure = PARTS[name]
        if name == 'fastapi' and bench.sentiment is None:
            continue
        report.say(f'{name}: {title}')
        known = set(bench.skipped)
        began = time.monotonic()
        results[name] = {**measure(bench), 'seconds_of_part': time.monotonic() - began}
        for what in set(bench.skipped) - known:
            report.say(f'    skipped, {what}: {bench.skipped[what]}')
        for what, figures in results[name]['ratios'].items():
            report.say(f'  {what}: {serving_figures.text(figures)}')
    return results


if __name__ == '__main__':
    main()
