"""`vaiven rollout auto`: steps, gates, and back by itself; and the same plan for a cluster."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vaiven.serving.commands.options import VERSION, Target
from vaiven.serving.commands.rollout_options import FILE, ChangeOptions, change_options, changing, json_option
from vaiven.serving.common import terminal

plan_option = click.option(
    '--plan', 'plan_path', metavar='FILE', type=FILE, required=True, help='The plan, YAML.'
)


@click.command(short_help='Roll a version out in steps, or back when a gate fails.')
@click.argument('version', type=VERSION, required=False)
@plan_option
@click.option(
    '--record',
    'record_path',
    metavar='FILE',
    type=FILE,
    help='Where every decision is written down.  [default: rollout.jsonl beside the versions]',
)
@change_options
@json_option
@click.pass_context
def auto(
    ctx: click.Context,
    /,
    version: int | None,
    plan_path: Path,
    record_path: Path | None,
    as_json: bool,
    target: Target,
    change: ChangeOptions,
) -> None:
    """Give VERSION (without it: the newest above the stable one) more and more traffic, as the plan says.

    Both versions are asked the plan's requests meanwhile. When a gate is shown to fail, the version is taken back at
    once; after the last step it is promoted. Stopped or killed and started again, it goes on where it was. Exit status
    1 where the version was not promoted.

    \b
    Example:
      vaiven rollout auto --plan plan.yaml
    """
    from vaiven.serving.rollout import plan as plans
    from vaiven.serving.rollout.auto import PROMOTED, Auto
    from vaiven.serving.rollout.journal import FILE as RECORD
    from vaiven.serving.rollout.journal import Record

    plan = plans.read(plan_path)
    given = ctx.get_parameter_source('model') is not click.core.ParameterSource.DEFAULT
    if given and target.model != plan.model:
        raise click.UsageError(f'the plan is about {plan.model!r}, not {target.model!r}')

    def say(entry: dict[str, Any]) -> None:
        if as_json:
            click.echo(json.dumps(entry, ensure_ascii=False))
        elif line := line_of(entry):
            terminal.say(line)

    with (
        changing(dataclasses.replace(target, model=plan.model), change) as moving,
        Record(record_path or moving.base_path / RECORD) as record,
    ):
        rolling = Auto(moving, plan, record, say)
        for line in rolling.remarks:
            terminal.say(line, err=True)
        outcome = rolling.run(version, change.load_timeout)
    if outcome.result != PROMOTED:
        ctx.exit(1)


def line_of(entry: dict[str, Any]) -> str:
    """An entry of the record for people; empty for what need not be told."""
    time = entry['time'][11:19]
    texts: dict[str, Callable[[], str]] = {
        'begin': lambda: f'version {entry["version"]} against version {entry["stable"]}',
        'resumed': lambda: f'going on: step {entry["step"] + 1}, {entry["total"]:,} requests so far',
        'step': lambda: f'step {entry["step"] + 1}: {entry["percent"]:g} %',
        'decision': lambda: f'{entry["action"]} after {entry["total"]:,} requests: {entry["because"]}',
        'waiting': lambda: f'waiting: {entry["error"]}',
        'metrics': lambda: entry['error'],
        'named': lambda: f'version {entry["stable"]} is stable now, since no version had that label',
        'restoring': lambda: 'the server has lost its labels: they are given again',
        'stopped': lambda: 'stopped; the same command goes on from here',
        'end': lambda: f'version {entry["version"]}: {entry["result"]}; {entry["because"]}',
    }
    told = texts.get(entry['event'])
    return f'{time}  {told()}' if told else ''


@click.command(short_help='Write a plan as manifests of KServe or Argo Rollouts.')
@click.argument('version', type=VERSION)
@plan_option
@click.option('--format', 'kind', type=click.Choice(['kserve', 'argo']), required=True)
@click.option('--out', metavar='FOLDER', type=click.Path(path_type=Path), required=True)
@click.option('--image', metavar='IMAGE', help='Of the model server.  [default: tensorflow/serving]')
@click.option('--prometheus', metavar='URL', help='Where Argo Rollouts asks for metrics.')
def manifests(
    version: int, plan_path: Path, kind: str, out: Path, image: str | None, prometheus: str | None
) -> None:
    """Write the rollout of VERSION by this plan as files for a cluster. No server and no cluster is asked.

    A step of Argo Rollouts lasts as the plan says, but at least as long as its analysis needs to measure, and ends with
    an analysis of its own: without data, or with bad data, it does not go on.

    \b
    Example:
      vaiven rollout manifests 7 --plan plan.yaml --format argo --out rollout-7
    """
    if prometheus is not None and kind != 'argo':
        raise click.UsageError('--prometheus goes with --format argo: KServe looks at no metrics')
    from vaiven.serving.rollout import manifest_analysis
    from vaiven.serving.rollout import manifests as making
    from vaiven.serving.rollout import plan as plans

    plan = plans.read(plan_path)
    chosen = image or making.IMAGE
    found = (
        making.argo(plan, version, chosen, prometheus)
        if kind == 'argo'
        else making.kserve(plan, version, chosen)
    )
    for path in making.write(found, out):
        terminal.say(str(path))
    if kind == 'argo' and (numbers := manifest_analysis.lengthened(plan)):
        seconds = manifest_analysis.MIN_PAUSE_SECONDS
        terminal.say(
            f'step {", ".join(map(str, numbers))}: {seconds} s long, more than the plan says, so that the analysis '
            f'measures {manifest_analysis.MEASUREMENTS} times',
            err=True,
        )
