"""`vaiven rollout`: which version users get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from vaiven.serving.commands.connecting import wait_for_start
from vaiven.serving.commands.options import VERSION, Target, server_options
from vaiven.serving.commands.rollout_auto import auto, manifests
from vaiven.serving.commands.rollout_compare import compare
from vaiven.serving.commands.rollout_options import (
    ChangeOptions,
    base_path_option,
    change_options,
    changing,
    folder_of,
    json_option,
)
from vaiven.serving.commands.rollout_status import show_status
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.rollout.change import Change
    from vaiven.serving.rollout.rollout import Rollout


@click.group()
def rollout() -> None:
    """Show which version users get, and change it, at once or in steps.

    Clients that ask for the label `stable` get the version that was promoted, whatever is pushed later. Those that
    watch the split ask for `canary` with a part of their keys.
    A change sends the server its whole configuration: where it serves more than one model, give --config-file.

    \b
    Examples:
      vaiven rollout status
      vaiven rollout canary 7 --percent 10
      vaiven rollout compare --requests held-out.csv
      vaiven rollout promote
      vaiven rollout auto 8 --plan plan.yaml
    """


@rollout.command(short_help='Give a version a share of the traffic.')
@click.argument('version', type=VERSION)
@click.option(
    '--percent',
    type=click.FloatRange(0, 100),
    required=True,
    help='Its share; whoever has it keeps it when it grows.',
)
@change_options
@json_option
def canary(version: int, percent: float, as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Load VERSION beside the stable one, give it the label `canary`, and send it a share of the traffic.

    Where no version has the label `stable`, the newest other version that is loaded gets it. The last line says which
    version answers requests that name neither a version nor a label.

    \b
    Example:
      vaiven rollout canary 7 --percent 10
    """
    with changing(target, change) as moving:
        result = moving.canary(version, percent, change.load_timeout)
        tell(result, target.model, as_json, _plain_version(moving))


@rollout.command(short_help='Make a version the stable one.')
@click.argument('version', type=VERSION, required=False)
@change_options
@json_option
def promote(version: int | None, as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Make VERSION (without it: the canary) the stable one, loading it first where it is not loaded.

    Afterwards the server has in memory: what has a label, the newest that was loaded, and the one that a rollback
    would take. Newer versions wait to be promoted.

    \b
    Example:
      vaiven rollout promote 7
    """
    with changing(target, change) as moving:
        tell(moving.promote(version, change.load_timeout), target.model, as_json)


@rollout.command(short_help='Take the canary back, or make the next lower version the stable one.')
@change_options
@json_option
def rollback(as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Take the canary back. Without one: make the next lower version stable, a loaded one or the last pushed before.

    \b
    Example:
      vaiven rollout rollback
    """
    with changing(target, change) as moving:
        tell(moving.rollback(change.load_timeout), target.model, as_json)


@rollout.command(short_help='Serve one version and no other.')
@click.argument('version', type=VERSION)
@change_options
@json_option
def pin(version: int, as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Make VERSION the stable one and unload all others; what is pushed later is not loaded until it is promoted.

    \b
    Example:
      vaiven rollout pin 7
    """
    with changing(target, change) as moving:
        tell(moving.pin(version, change.load_timeout), target.model, as_json)


@rollout.command(short_help='Delete old versions that are in no use.')
@click.option(
    '--keep', type=click.IntRange(min=1), required=True, help='How many of the newest stay in any case.'
)
@click.option('--dry-run', is_flag=True, help='Only say what would be deleted.')
@server_options
@base_path_option
@json_option
def prune(
    keep: int,
    dry_run: bool,
    target: Target,
    base_path: str | None,
    as_json: bool,
) -> None:
    """Delete the folders of old versions: never one that is loaded, labelled, newer than the stable one, the one that
    a rollback would take, or one of an automatic rollout that has not ended. Ask the server that serves this folder;
    others that serve it too are not asked.

    \b
    Example:
      vaiven rollout prune --keep 3 --dry-run
    """
    model = target.model
    wait_for_start(target)
    base = folder_of(model, base_path)
    from vaiven.serving.rollout import prune as pruning
    from vaiven.serving.rollout import serving_folder
    from vaiven.serving.rollout.server_state import status

    with target.client() as client, serving_folder.alone(base):
        now = status(client, model)
        pushed = serving_folder.versions(base)
        if foreign := set(now.available) - set(pushed):
            raise ServingError(
                f'the server has version {max(foreign)} of {model!r} and {base} has not: '
                'name the folder that it serves with --base-path'
            )
        chosen = pruning.superfluous(pushed, now, keep, pruning.under_way(base, model))
        gone = sorted(chosen) if dry_run else list(pruning.delete(base, chosen))
    if as_json:
        left = [number for number in pushed if number not in gone]
        click.echo(json.dumps({'model': model, 'deleted': gone, 'left': left, 'dry_run': dry_run}))
        return
    verb = 'would be deleted' if dry_run else 'deleted'
    terminal.say(f'{model}: {", ".join(map(str, gone)) or "nothing"} {verb}')


def _plain_version(moving: Rollout) -> int | None:
    from vaiven.serving.client import RequestError

    try:
        return moving.plain_version()
    except RequestError:
        return None  # the change has been made, and is told without it


def tell(change: Change, model: str, as_json: bool, plain: int | None = None) -> None:
    if as_json:
        values = {
            'model': model,
            'before': change.before,
            'stable': change.after,
            'loaded': change.loaded,
            'canary': change.canary,
            'percent': change.percent,
            'withdrawn': change.withdrawn,
            'named_stable': change.named_stable,
            'plain': plain,
        }
        click.echo(json.dumps(values))
        return
    if change.named_stable is not None:
        terminal.say(f'{model}: version {change.named_stable} is stable now, since no version had that label')
    before = '' if change.before in (None, change.after) else f' (it was {change.before})'
    again = ' already' if change.before == change.after else ''
    if change.canary is not None:
        terminal.say(
            f'{model}: version {change.canary} gets {change.percent:.10g} %, version {change.after} the rest'
        )
        if plain == change.after:
            terminal.say(f'requests without a label get version {plain}, the stable one')
        elif plain is not None:
            terminal.say(
                f'requests without a label get version {plain}, the newest that is loaded: '
                'let clients ask for the label stable, or go through `vaiven gateway`'
            )
    elif change.withdrawn is not None:
        terminal.say(f'{model}: version {change.withdrawn} is taken back; version {change.after} is stable')
    else:
        terminal.say(f'{model}: version {change.after} is{again} stable{before}')


rollout.add_command(show_status)
rollout.add_command(compare)
rollout.add_command(auto)
rollout.add_command(manifests)
