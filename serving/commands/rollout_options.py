"""Options that the `vaiven rollout` commands share, and the rollout that they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.connecting import wait_for_start
from vaiven.serving.commands.options import Seconds, Target, option_group, server_options
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path

if TYPE_CHECKING:
    from vaiven.serving.rollout.rollout import Rollout

FILE = click.Path(dir_okay=False, path_type=Path)
# Servers on a cluster poll their configuration every 30 seconds (kubeflow/serving), and then load new versions.
POLLED_SETTLE_SECONDS = 60.0

base_path_option = click.option(
    '--base-path',
    metavar='FOLDER',
    help='Folder with the versions, as the server names it.  [default: the newest below vaiven-runs]',
)
split_option = click.option(
    '--split',
    'split_path',
    metavar='FILE',
    type=FILE,
    help='The split file.  [default: split.json in that folder]',
)
json_option = click.option('--json', 'as_json', is_flag=True, help='Print one JSON object.')


@dataclass(frozen=True)
class ChangeOptions:
    """Where the complete configuration comes from that a change must send, and where it goes.

    Attributes:
        base_path: folder of the versions, as the server names it; None for the one below `vaiven-runs`.
        config_file: the model configuration file of the server; None to reload by request.
        polled: whether the servers poll that file.
        settle: seconds until all servers have read the file and loaded; None for the default.
        load_timeout: seconds that the server may take to load a version or to move a label.
        split_path: file with the traffic split; None for the default.
    """

    base_path: str | None
    config_file: Path | None
    polled: bool
    settle: float | None
    load_timeout: float
    split_path: Path | None


_change_options = option_group(
    'change',
    ChangeOptions,
    base_path_option,
    click.option(
        '--config-file',
        metavar='FILE',
        type=FILE,
        help='Model configuration file of the server. It is rewritten, without its comments.',
    ),
    click.option(
        '--polled',
        is_flag=True,
        help='The servers poll --config-file: only write the file, and wait.  [always over REST]',
    ),
    click.option(
        '--settle',
        type=Seconds(min_open=False),
        metavar='SECONDS',
        help='With --polled: time until all servers have read the file and loaded its versions.  '
        f'[default: {POLLED_SETTLE_SECONDS:g}]',
    ),
    click.option(
        '--load-timeout',
        type=Seconds(),
        default=120.0,
        show_default=True,
        metavar='SECONDS',
        help='Maximum time to load a version, or to change a label.',
    ),
    split_option,
)


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a command that changes a rollout: `target: Target` and `change: ChangeOptions`."""
    return server_options(_change_options(command))


@contextmanager
def open_rollout(target: Target, change: ChangeOptions) -> Iterator[Rollout]:
    """Connects to the server and yields the rollout that the options describe.

    Args:
        target: the server and the model.
        change: how the configuration of the server is changed.

    Raises:
        click.UsageError: the options contradict each other.
        ServingError: a file cannot be read, or the server cannot be reached.
    """
    base_path, config_file = change.base_path, change.config_file
    if base_path is not None and config_file is not None:
        raise click.UsageError('--base-path and --config-file exclude each other: use one of them')
    over_rest = target.server.startswith(('http://', 'https://'))
    if config_file is None and (change.polled or over_rest):
        raise click.UsageError(
            'a change over REST requires --config-file, a file that the server polls: REST has no ModelService'
            if over_rest
            else '--polled requires --config-file, the file that the server polls'
        )
    if change.settle is not None and not (change.polled or over_rest):
        raise click.UsageError('--settle requires --polled: a reload reaches one server, at once')
    wait_for_start(target)
    with target.client() as client:
        from vaiven.serving.rollout import configuration
        from vaiven.serving.rollout.delivery import ByFile, ByReload, Delivery
        from vaiven.serving.rollout.rollout import Rollout

        delivery: Delivery = ByReload(client, config_file)
        if config_file is not None:
            config = configuration.read(config_file)
            if change.polled or over_rest:
                settle = POLLED_SETTLE_SECONDS if change.settle is None else change.settle
                delivery = ByFile(config_file, settle)
        else:
            config = configuration.single_model_config(
                target.model, serving_folder_path(target.model, base_path)
            )
        yield Rollout(client, target.model, config, delivery=delivery, split_path=change.split_path)


def serving_folder_path(model: str, base_path: str | None) -> Path:
    """Returns the folder with the versions of a model.

    Args:
        model: name of the model.
        base_path: value of --base-path; None for the folder below `vaiven-runs` that was pushed to last.

    Raises:
        ServingError: there is no such folder.
    """
    if base_path is not None:
        return local_path(base_path, '--base-path').absolute()
    from vaiven.serving.rollout import serving_folder

    path = serving_folder.newest(model)
    if path is None:
        raise ServingError(
            f'there is no folder with versions of {model!r} below vaiven-runs: '
            'name the folder that the server serves with --base-path'
        )
    return path
