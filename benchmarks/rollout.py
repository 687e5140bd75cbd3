"""Rollouts on a server on loopback: under load, with planted faults, and killed.

    python -m benchmarks.rollout [--quick] [--only PART]

Parts: `load` (8 callers follow the split through all steps, twice forward and once back), `trials` (`auto` with good
and bad versions) and `kills` (commands killed at any moment). The last line is one JSON object with every figure.
"""

import math
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks import options, report, rollout_trials, serving_figures
from benchmarks.rollout_trials import MODEL, Place
from benchmarks.serving_figures import judged
from benchmarks.serving_processes import Child, ChildError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import WATCH_SECONDS

CALLERS = 8
STEPS = (5, 25, 50, 100)
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Amount:
    """Sizes of the benchmark: requests per step, trials per kind, and killed commands."""

    requests: int = 40_000
    trials: int = 20
    kills: int = 60


QUICK = Amount(requests=8000, trials=2, kills=8)
PARTS = {
    'load': 'all steps under load, twice forward and once back',
    'trials': 'automatic rollouts of good and bad versions',
    'kills': 'commands killed at any moment',
}


@click.command(help=__doc__)
@click.option('--quick', is_flag=True, help='Fewer requests, trials and kills; the same code.')
@options.only_option(PARTS)
def main(quick: bool, only: tuple[str, ...]) -> None:
    started = time.monotonic()
    options.interrupt_on_sigterm()
    amount = QUICK if quick else Amount()
    results: dict[str, Any] = {}
    try:
        with ExitStack() as stack:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='vaiven-benchmark-')))
            kinds = root / 'kinds'
            with Child('rollout_models', str(kinds)) as child:
                child.read()
            for name in [name for name in PARTS if name in (only or PARTS)]:
                report.say(f'{name}: {PARTS[name]}')
                began = time.monotonic()
                if name == 'load':
                    found = load(kinds, root / name, amount.requests)
                elif name == 'trials':
                    found = rollout_trials.trials(kinds, root / name, amount.trials)
                else:
                    found = rollout_trials.kills(kinds, root / name, amount.kills)
                results[name] = {**found, 'seconds_of_part': time.monotonic() - began}
                for what, figures in found['ratios'].items():
                    report.say(f'  {what}: {serving_figures.text(figures)}')
    except (ServingError, ChildError) as error:
        raise click.ClickException(str(error)) from error
    report.conclude(
        {
            'benchmark': 'rollout', 'quick': quick, 'amount': vars(amount), 'parts': results,
            'seconds': time.monotonic() - started,
        }
    )  # fmt: skip


def load(kinds: Path, folder: Path, requests: int) -> dict[str, Any]:
    """Runs eight callers through two rollouts and a rollback; each step lasts for a number of requests."""
    with rollout_trials.place(kinds, folder) as here:
        split = here.base_path / 'split.json'
        with Child(
            'rollout_load', here.client.address, str(split), MODEL, 'good film', str(CALLERS)
        ) as callers:
            callers.read()
            steps: list[dict[str, Any]] = []
            between: list[dict[str, Any]] = []
            for version in (here.add('good'), here.add('good')):
                _forward(here, callers, version, requests, steps, between)
            rollout = here.rollout()
            change = rollout.rollback()
            between.append(_stretch(callers))
            steps.append({**_until(callers, requests // 4), 'version': change.stable, 'percent': 100.0})
    for step in steps:
        step['share'] = 100 * step['versions'].get(str(step['version']), 0) / max(step['asked'], 1)
        step['noise'] = math.sqrt(step['percent'] * (100 - step['percent']) / max(step['asked'], 1))
    furthest = max(abs(step['share'] - step['percent']) for step in steps)
    everything = [*steps, *between]
    failures = sum(each['failures'] for each in everything)
    total = sum(each['requests'] for each in everything)
    moved = sum(step['moved'] for step in steps)
    return {
        'callers': CALLERS, 'requests': total, 'failures': failures, 'steps': steps, 'between': between,
        'first_failure': next((each['first_failure'] for each in everything if each['failures']), ''),
        'ratios': {
            'failed requests': judged(report.spread([float(failures)]), 'at most', 0),
            'furthest share from the plan, points': judged(report.spread([furthest]), 'at most', 1),
            'keys that changed sides within a step': judged(report.spread([float(moved)]), 'at most', 0),
        },
    }  # fmt: skip


def _forward(
    here: Place,
    callers: Child,
    version: int,
    requests: int,
    steps: list[dict[str, Any]],
    between: list[dict[str, Any]],
) -> None:
    rollout = here.rollout()
    for percent in STEPS:
        rollout.canary(version, percent)
        time.sleep(1.5 * WATCH_SECONDS)  # until all callers have seen it, some are in the step before
        between.append(_stretch(callers))
        step = {**_until(callers, requests), 'version': version, 'percent': float(percent)}
        steps.append(step)
        got = step['versions'].get(str(version), 0)
        report.say(
            f'    version {version}, {percent} %: {got:,} of {step["asked"]:,} requests, '
            f'{step["moved"]} of {step["recurring"]} keys moved, {step["failures"]} failed'
        )
    rollout.promote(version)
    between.append(_stretch(callers))


def _stretch(callers: Child) -> dict[str, Any]:
    callers.tell('next')
    return callers.read()


def _until(callers: Child, requests: int) -> dict[str, Any]:
    """Returns what the callers saw until the number of requests with unique keys was reached."""
    while True:
        time.sleep(LOOK_SECONDS)
        callers.tell('look')
        if callers.read()['asked'] >= requests:
            return _stretch(callers)


if __name__ == '__main__':
    main()
