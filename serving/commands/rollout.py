"""`vaiven rollout`: shows and changes which version users get."""

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
    json_option,
    open_rollout,
    serving_folder_path,
)
from vaiven.serving.commands.rollout_status import show_status
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.rollout.change import Change
    from vaiven.serving.rollout.rollout import Rollout


@click.group()
def rollout() -> None:
    """Manage the rollout of model versions: canary, promotion, rollback.

    Requests with the label `stable` get the version that was promoted last, even if a newer one is pushed. Clients and
    gateways that follow the split file send a share of the requests to the label `canary`.

    Each change sends the server its whole configuration. If the server has more than one model, use --config-file.

    \b
    Examples:
      # Show the versions, their labels and their traffic
      vaiven rollout status
    \b
      # Send 10 % of the traffic to version 7 and compare it with stable
      vaiven rollout canary 7 --percent 10
      vaiven rollout compare
    \b
      # Make the canary the stable version
      vaiven rollout promote
    \b
      # Do all of this automatically, by the steps and gates of a plan
      vaiven rollout auto 8 --plan plan.yaml
    """


@rollout.command(short_help='Send a share of the traffic to a version.')
@click.argument('version', type=VERSION)
@click.option(
    '--percent',
    type=click.FloatRange(0, 100),
    required=True,
    help='Share of the traffic. When it grows, keys that have the canary keep it.',
)
@change_options
@json_option
def canary(version: int, percent: float, as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Load VERSION, give it the label `canary`, and send it a share of the traffic.

    If no version has the label `stable`, the newest other loaded version gets it. The last line of the output shows
    which version answers requests without a version or label.

    \b
    Examples:
      # Send 10 % of the traffic to version 7
      vaiven rollout canary 7 --percent 10
    \b
      # Increase the share to 50 %
      vaiven rollout canary 7 --percent 50
    """
    with open_rollout(target, change) as current:
        result = current.canary(version, percent, change.load_timeout)
        print_change(result, target.model, as_json, _plain_version(current))


@rollout.command(short_help='Make a version the stable version.')
@click.argument('version', type=VERSION, required=False)
@change_options
@json_option
def promote(version: int | None, as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Make VERSION the stable version and send it all traffic. The default is the canary.

    The version is loaded first if necessary. Afterwards the server keeps loaded: versions with a label, the previous
    stable version, the newest loaded one, and the target of a rollback. Newer versions are not loaded until they are
    promoted.

    \b
    Examples:
      # Promote the canary
      vaiven rollout promote
    \b
      # Promote version 7
      vaiven rollout promote 7
    """
    with open_rollout(target, change) as current:
        print_change(current.promote(version, change.load_timeout), target.model, as_json)


@rollout.command(short_help='Withdraw the canary, or return to the previous version.')
@change_options
@json_option
def rollback(as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Withdraw the canary. Without a canary, make the next lower version the stable version.

    The next lower version is a loaded one, or else the last that was pushed before the stable version.

    \b
    Example:
      # Send all traffic back to the stable version
      vaiven rollout rollback
    """
    with open_rollout(target, change) as current:
        print_change(current.rollback(change.load_timeout), target.model, as_json)


@rollout.command(short_help='Serve only one version.')
@click.argument('version', type=VERSION)
@change_options
@json_option
def pin(version: int, as_json: bool, target: Target, change: ChangeOptions) -> None:
    """Make VERSION the stable version and unload all others.

    Versions that are pushed later are not loaded until they are promoted.

    \b
    Example:
      # Serve only version 7
      vaiven rollout pin 7
    """
    with open_rollout(target, change) as current:
        print_change(current.pin(version, change.load_timeout), target.model, as_json)


@rollout.command(short_help='Delete old versions that are not in use.')
@click.option(
    '--keep',
    type=click.IntRange(min=1),
    required=True,
    help='Number of the newest versions to keep in any case.',
)
@click.option('--dry-run', is_flag=True, help='Only print the versions that would be deleted.')
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
    """Delete the folders of old versions that are not in use.

    A version is in use if the server has loaded it, if it has a label, if it is newer than the stable version, if it
    is the target of a rollback, or if it belongs to an automatic rollout that has not ended. Only one server is
    queried: other servers of the same folder must serve the same versions.

    \b
    Examples:
      # Show which versions would be deleted
      vaiven rollout prune --keep 3 --dry-run
    \b
      # Delete them
      vaiven rollout prune --keep 3
    """
    model = target.model
    wait_for_start(target)
    base = serving_folder_path(model, base_path)
    from vaiven.serving.rollout import prune as pruning
    from vaiven.serving.rollout import serving_folder
    from vaiven.serving.rollout.server_state import model_state

    with target.client() as client, serving_folder.locked(base):
        state = model_state(client, model)
        pushed = serving_folder.versions(base)
        if foreign := set(state.available) - set(pushed):
            raise ServingError(
                f'the server has version {max(foreign)} of {model!r}, which is not in {base}: '
                'name the folder that it serves with --base-path'
            )
        unneeded = pruning.unneeded(pushed, state, keep, pruning.versions_in_rollout(base, model))
        deleted = sorted(unneeded) if dry_run else list(pruning.delete(base, unneeded))
    if as_json:
        left = [version for version in pushed if version not in deleted]
        click.echo(json.dumps({'model': model, 'deleted': deleted, 'left': left, 'dry_run': dry_run}))
        return
    verb = 'would be deleted' if dry_run else 'deleted'
    terminal.say(f'{model}: {", ".join(map(str, deleted)) or "no version"} {verb}')


def _plain_version(target: Rollout) -> int | None:
    from vaiven.serving.client import RequestError

    try:
        return target.plain_version()
    except RequestError:
        return None  # the change was made: its report must not fail


def print_change(change: Change, model: str, as_json: bool, plain: int | None = None) -> None:
    """Prints what an action changed.

    Args:
        change: the result of the action.
        model: name of the model.
        as_json: whether to print one JSON object.
        plain: the version that answers requests without version and label, if known.
    """
    if as_json:
        values = {
            'model': model,
            'before': change.previous_stable,
            'stable': change.stable,
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
        terminal.say(f'{model}: version {change.named_stable} is now stable, since no version had that label')
    previous = (
        '' if change.previous_stable in (None, change.stable) else f' (previously {change.previous_stable})'
    )
    already = ' already' if change.previous_stable == change.stable else ''
    if change.canary is not None:
        terminal.say(
            f'{model}: version {change.canary} gets {change.percent:.10g} %, version {change.stable} the rest'
        )
        if plain == change.stable:
            terminal.say(f'requests without a label get version {plain}, the stable one')
        elif plain is not None:
            terminal.say(
                f'requests without a label get version {plain}, the newest loaded version: '
                'clients must ask for the label stable, or use `vaiven gateway`'
            )
    elif change.withdrawn is not None:
        terminal.say(f'{model}: version {change.withdrawn} is withdrawn; version {change.stable} is stable')
    else:
        terminal.say(f'{model}: version {change.stable} is{already} stable{previous}')


rollout.add_command(show_status)
rollout.add_command(compare)
rollout.add_command(auto)
rollout.add_command(manifests)
