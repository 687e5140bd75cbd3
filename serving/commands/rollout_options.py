"""Options that the commands of a rollout share, and the rollout that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import wait_for_start
from vaiven.serving.commands.options import Seconds, server_options, where
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path

if TYPE_CHECKING:
    from vaiven.serving.rollout.rollout import Rollout

FILE = click.Path(dir_okay=False, path_type=Path)
# Servers on a cluster read their configuration twice a minute (kubeflow/serving), and then load what is new.
POLLED_SETTLE_SECONDS = 60.0

base_path_option = click.option(
    '--base-path',
    metavar='FOLDER',
    help='The folder of versions, as the server names it.  [default: the one below vaiven-runs]',
)
split_option = click.option(
    '--split',
    'split_path',
    metavar='FILE',
    type=FILE,
    help='The file that says how traffic is split.  [default: split.json in that folder]',
)
json_option = click.option('--json', 'as_json', is_flag=True, help='Print one JSON object.')


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The server, and where the configuration comes from that a change must send whole."""
    for option in (
        split_option,
        click.option(
            '--load-timeout',
            type=Seconds(),
            default=120.0,
            show_default=True,
            metavar='SECONDS',
            help='How long the server may take to load a version, or to move a label.',
        ),
        click.option(
            '--settle',
            type=Seconds(min_open=False),
            metavar='SECONDS',
            help='With --polled: how long all servers may take to read the file and load; above their interval.  '
            f'[default: {POLLED_SETTLE_SECONDS:g}]',
        ),
        click.option(
            '--polled',
            is_flag=True,
            help='Servers poll --config-file: only write that, and wait.  [always so over REST]',
        ),
        click.option(
            '--config-file',
            metavar='FILE',
            type=FILE,
            help='The model configuration file of the server; it is written anew, without comments.',
        ),
        base_path_option,
    ):
        command = option(command)
    return server_options(command)


@contextmanager
def changing(
    server: str | None,
    model: str,
    timeout: float,
    base_path: str | None,
    config_file: Path | None,
    polled: bool,
    settle: float | None,
    split_path: Path | None,
) -> Iterator[Rollout]:
    """The rollout that the options describe."""
    place = where(server, model, timeout)
    if base_path is not None and config_file is not None:
        raise click.UsageError('give --base-path or --config-file, not both')
    over_rest = place.server.startswith(('http://', 'https://'))
    if config_file is None and (polled or over_rest):
        raise click.UsageError(
            'over REST nothing can be changed but --config-file, which the server must poll'
            if over_rest
            else '--polled takes --config-file, the file that the server polls'
        )
    if settle is not None and not (polled or over_rest):
        raise click.UsageError('--settle goes with --polled: a reload reaches one server, at once')
    wait_for_start(place)
    with place.client() as client:
        from vaiven.serving.rollout import configuration
        from vaiven.serving.rollout.delivery import ByFile, ByReload, Delivery
        from vaiven.serving.rollout.rollout import Rollout

        delivery: Delivery = ByReload(client, config_file)
        if config_file is not None:
            config = configuration.read(config_file)
            if polled or over_rest:
                delivery = ByFile(config_file, POLLED_SETTLE_SECONDS if settle is None else settle)
        else:
            config = configuration.of_one_model(model, folder_of(model, base_path))
        yield Rollout(client, model, config, delivery=delivery, split_path=split_path)


def folder_of(model: str, base_path: str | None) -> Path:
    """The folder that is named, or else the one pushed to last. Raises ServingError where there is none."""
    if base_path is not None:
        return local_path(base_path, '--base-path').absolute()
    from vaiven.serving.rollout import serving_folder

    path = serving_folder.newest(model)
    if path is None:
        raise ServingError(
            f'no folder with versions of {model!r} was found below vaiven-runs: '
            'name the one that the server serves with --base-path'
        )
    return path
