"""`vaiven rollout`: which version users get."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.options import server_options, where
from vaiven.serving.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.rollout.rollout import Change, Rollout


def configuration_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the configuration comes from that a change must send whole."""
    for option in (
        click.option(
            '--config-file',
            metavar='FILE',
            type=click.Path(dir_okay=False, path_type=Path),
            help='The model configuration file of the server; it is written anew, without comments.',
        ),
        click.option(
            '--base-path',
            metavar='FOLDER',
            type=click.Path(path_type=Path),
            help='The folder of versions, as the server names it.  [default: the one below vaiven-runs]',
        ),
    ):
        command = option(command)
    return command


@click.group()
def rollout() -> None:
    """Show which version users get, and change it.

    Clients that ask for the label `stable` get the version that was promoted, whatever is pushed later.
    A change sends the server its whole configuration: where it serves more than one model, give --config-file.

    \b
    Examples:
      vaiven rollout status
      vaiven rollout promote 7
      vaiven rollout rollback
    """


@rollout.command('status', short_help='Show the versions on the server, and their labels.')
@server_options
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON object.')
def show_status(server: str | None, model: str, timeout: float, as_json: bool) -> None:
    """Show the versions on the server, and their labels.

    \b
    Example:
      vaiven rollout status --json
    """
    place = where(server, model, timeout)
    with place.client() as client:
        from vaiven.serving.rollout.rollout import status

        now = status(client, model)
    labels = {
        each.version: [label for label, number in now.labels.items() if number == each.version]
        for each in now.versions
    }
    if as_json:
        rows = [
            {
                'version': each.version,
                'state': each.state,
                'labels': labels[each.version],
                'error': each.error,
            }
            for each in now.versions
        ]
        click.echo(json.dumps({'model': model, 'server': place.server, 'versions': rows}, ensure_ascii=False))
        return
    click.echo(f'{model} on {place.server}')
    for each in now.versions:
        notes = ' '.join([*labels[each.version], each.error])
        click.echo(f'  {each.version:>6}  {each.state:9}  {notes}'.rstrip())
    if now.stable is None:
        click.echo('no version is stable: `vaiven rollout promote VERSION` makes one so')


@rollout.command(short_help='Make a version the stable one.')
@click.argument('version', type=click.IntRange(min=0))
@server_options
@configuration_options
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON object.')
def promote(version: int, as_json: bool, **options: Any) -> None:
    """Make VERSION the stable one, loading it first where it is not loaded.

    Afterwards the server has in memory: what has a label, the newest that was loaded, and the one that a rollback
    would take. Newer versions wait to be promoted.

    \b
    Example:
      vaiven rollout promote 7
    """
    with changing(**options) as moving:
        tell(moving.promote(version, options['timeout']), options['model'], as_json)


@rollout.command(short_help='Make the next lower version the stable one.')
@server_options
@configuration_options
@click.option('--json', 'as_json', is_flag=True, help='Print one JSON object.')
def rollback(as_json: bool, **options: Any) -> None:
    """Make the next lower version the stable one: a loaded one, or else the last that was pushed before.

    \b
    Example:
      vaiven rollout rollback
    """
    with changing(**options) as moving:
        tell(moving.rollback(options['timeout']), options['model'], as_json)


@contextmanager
def changing(
    server: str | None, model: str, timeout: float, base_path: Path | None, config_file: Path | None
) -> Iterator[Rollout]:
    """A rollout with its configuration; the file is written when the change has been made."""
    place = where(server, model, timeout)
    if base_path is not None and config_file is not None:
        raise click.UsageError('give --base-path or --config-file, not both')
    with place.client() as client:
        from vaiven.serving.rollout import configuration, folder
        from vaiven.serving.rollout.rollout import Rollout

        if config_file is not None:
            config = configuration.read(config_file)
        else:
            path = base_path.absolute() if base_path is not None else folder.newest(model)
            if path is None:
                raise ServingError(
                    f'no folder with versions of {model!r} was found below vaiven-runs: '
                    'name the one that the server serves with --base-path'
                )
            config = configuration.of_one_model(model, path)
        moving = Rollout(client, model, config)
        yield moving
        if config_file is not None:
            configuration.write(config_file, moving.sent)


def tell(change: Change, model: str, as_json: bool) -> None:
    if as_json:
        values = {'model': model, 'before': change.before, 'stable': change.after, 'loaded': change.loaded}
        click.echo(json.dumps(values))
        return
    before = '' if change.before in (None, change.after) else f' (it was {change.before})'
    again = ' already' if change.before == change.after else ''
    click.echo(f'{model}: version {change.after} is{again} stable{before}')
