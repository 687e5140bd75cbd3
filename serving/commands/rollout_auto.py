"""`vaiven rollout auto` and `vaiven rollout manifests`: carries out a plan, or writes it for a cluster."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vaiven.serving.commands.options import VERSION, Target
from vaiven.serving.commands.rollout_options import (
    FILE,
    ChangeOptions,
    change_options,
    json_option,
    open_rollout,
)
from vaiven.serving.common import terminal

plan_option = click.option(
    '--plan', 'plan_path', metavar='FILE', type=FILE, required=True, help='The plan, a YAML file.'
)


@click.command(short_help='Roll a version out in steps; roll it back if a gate fails.')
@click.argument('version', type=VERSION, required=False)
@plan_option
@click.option(
    '--journal',
    '--record',
    'journal_path',
    metavar='FILE',
    type=FILE,
    help='The journal of all decisions.  [default: rollout.jsonl beside the versions]',
)
@change_options
@json_option
@click.pass_context
def auto(
    ctx: click.Context,
    /,
    version: int | None,
    plan_path: Path,
    journal_path: Path | None,
    as_json: bool,
    target: Target,
    change: ChangeOptions,
) -> None:
    """Roll VERSION out in the steps of a plan. The default is the newest version above the stable one.

    In each step the requests of the plan are sent to both versions. If a gate fails, the version is rolled back at
    once. After the last step it is promoted. If the command is stopped or killed, run it again to resume. The exit
    status is 1 if the version was not promoted.

    \b
    Examples:
      # Roll out the newest version
      vaiven rollout auto --plan plan.yaml
    \b
      # Roll out version 8, with one JSON object for each event
      vaiven rollout auto 8 --plan plan.yaml --json
    \b
    A plan:
      model: reviews
      requests: held-out.csv
      steps: [5, 25, 50, 100]
      gates: {accuracy_drop: 0.02, drift: null}
    """
    from vaiven.serving.rollout import plan as plans
    from vaiven.serving.rollout.auto import Auto
    from vaiven.serving.rollout.journal import FILE as JOURNAL
    from vaiven.serving.rollout.journal import Journal
    from vaiven.serving.rollout.rollout_run import PROMOTED

    plan = plans.read(plan_path)
    model_given = ctx.get_parameter_source('model') is not click.core.ParameterSource.DEFAULT
    if model_given and target.model != plan.model:
        raise click.UsageError(f'the plan is for model {plan.model!r}, not {target.model!r}')

    def report(entry: dict[str, Any]) -> None:
        if as_json:
            click.echo(json.dumps(entry, ensure_ascii=False))
        elif line := entry_line(entry):
            terminal.say(line)

    with (
        open_rollout(dataclasses.replace(target, model=plan.model), change) as current,
        Journal(journal_path or current.base_path / JOURNAL) as journal,
    ):
        automatic = Auto(current, plan, journal, report, lambda line: terminal.say(line, err=True))
        outcome = automatic.run(version, change.load_timeout)
    if outcome.result != PROMOTED:
        ctx.exit(1)


def entry_line(entry: dict[str, Any]) -> str:
    """Returns an entry of the journal as a line of text; empty for entries that are not shown."""
    from vaiven.serving.rollout.class_report import differences_line

    time = entry['time'][11:19]
    texts: dict[str, Callable[[], str]] = {
        'begin': lambda: f'version {entry["version"]} against version {entry["stable"]}',
        'resumed': lambda: f'resumed: step {entry["step"] + 1}, {entry["total"]:,} requests so far',
        'step': lambda: f'step {entry["step"] + 1}: {entry["percent"]:g} %',
        'decision': lambda: f'{entry["action"]} after {entry["total"]:,} requests: {entry["because"]}',
        'waiting': lambda: f'waiting: {entry["error"]}',
        'metrics': lambda: entry['error'],
        'classes': lambda: differences_line(entry['differences']),
        'named': lambda: f'version {entry["stable"]} is now stable, since no version had that label',
        'restoring': lambda: 'the server has lost its labels: restoring them',
        'stopped': lambda: 'stopped; run the same command again to resume',
        'end': lambda: f'version {entry["version"]}: {entry["result"]}; {entry["because"]}',
    }
    text = texts.get(entry['event'])
    return f'{time}  {text()}' if text else ''


@click.command(short_help='Write a plan as manifests for KServe or Argo Rollouts.')
@click.argument('version', type=VERSION)
@plan_option
@click.option('--format', 'kind', type=click.Choice(['kserve', 'argo']), required=True, help='The target.')
@click.option(
    '--out', metavar='FOLDER', type=click.Path(path_type=Path), required=True, help='The folder to write.'
)
@click.option('--image', metavar='IMAGE', help='Image of the model server.  [default: tensorflow/serving]')
@click.option('--prometheus', metavar='URL', help='Address of the Prometheus that Argo Rollouts queries.')
def manifests(
    version: int, plan_path: Path, kind: str, out: Path, image: str | None, prometheus: str | None
) -> None:
    """Write the rollout of VERSION by a plan as manifests for a cluster. No server or cluster is contacted.

    A step of Argo Rollouts lasts as long as in the plan, but at least as long as its analysis needs to measure. It ends
    with an analysis of its own: without data, or with bad data, the next step does not start.

    \b
    Examples:
      # Write a Rollout for Argo Rollouts, and apply it
      vaiven rollout manifests 7 --plan plan.yaml --format argo --out rollout-7
      kubectl apply -f rollout-7
    \b
      # Write an InferenceService of KServe for each step
      vaiven rollout manifests 7 --plan plan.yaml --format kserve --out rollout-7
    """
    if prometheus is not None and kind != 'argo':
        raise click.UsageError('--prometheus requires --format argo: KServe does not use metrics')
    from vaiven.serving.rollout import manifest_analysis
    from vaiven.serving.rollout import manifests as writer
    from vaiven.serving.rollout import plan as plans

    plan = plans.read(plan_path)
    image = image or writer.IMAGE
    documents = (
        writer.argo(plan, version, image, prometheus)
        if kind == 'argo'
        else writer.kserve(plan, version, image)
    )
    for path in writer.write(documents, out):
        terminal.say(str(path))
    if kind == 'argo' and (numbers := manifest_analysis.lengthened(plan)):
        seconds = manifest_analysis.MIN_PAUSE_SECONDS
        terminal.say(
            f'step {", ".join(map(str, numbers))}: {seconds} s, longer than in the plan, so that the analysis '
            f'can measure {manifest_analysis.MEASUREMENTS} times',
            err=True,
        )
