"""`vaiven serve`: the embedded server, for people."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from vaiven.serving.errors import ServingError
from vaiven.serving.server.source import is_saved_model

PORT = click.IntRange(1, 65535)
# In the serving folder, beside the versions: what rollouts made of the server's configuration.
CONFIG = 'models.config'


@click.command()
@click.argument('folder', required=False, type=click.Path(path_type=Path))
@click.option('--model-name', metavar='NAME', help='Name to serve it under.  [default: that of the folder]')
@click.option('--port', type=PORT, default=8500, show_default=True, help='Port of the gRPC API.')
@click.option(
    '--rest-port', type=click.IntRange(0, 65535), default=8501, show_default=True, help='REST; 0: none.'
)
@click.option('--host', default='127.0.0.1', show_default=True, help='Address to listen on; 0.0.0.0 for all.')
@click.option(
    '--keep',
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help='How many versions to have in memory; a rollback needs 2.',
)
@click.option('--config-file', metavar='FILE', help='Serve what this ModelServerConfig says, not a folder.')
def serve(
    folder: Path | None,
    model_name: str | None,
    port: int,
    rest_port: int,
    host: str,
    keep: int,
    config_file: str | None,
) -> None:
    """Serve the versions in FOLDER until interrupted; new ones are taken up as they are pushed.

    FOLDER holds one numbered folder a version. Without it: the one below vaiven-runs that was pushed to last.
    What rollouts change is kept in FOLDER/models.config, and the next start goes on from it.
    The APIs, paths and messages are those of TensorFlow Serving, and so are the flags of
    `python -m vaiven.serving.server`, which has more of them.

    \b
    Examples:
      vaiven serve
      vaiven serve vaiven-runs/reviews/serving/reviews --port 8500 --rest-port 8501
    """
    from vaiven.serving.server import flags

    if folder is not None and config_file is not None:
        raise click.UsageError('give FOLDER or --config-file, not both')
    arguments = [
        f'--port={port}',
        f'--rest_api_port={rest_port}',
        f'--host={host}',
        '--max_num_load_retries=0',
        '--optimize_graphs=false',  # ours are no faster for it, and start in two thirds of the time
        # After a rollout the configuration has labels: users of these are not to find them missing at a start.
        '--allow_version_labels_for_unavailable_models',
        '--wait_for_labels',
        '--plain_requests_follow_stable',
    ]
    if config_file is None:
        base_path = found(folder)
        name = model_name or base_path.name
        kept = base_path / CONFIG
        config, told = configuration_of(name, base_path, keep, kept)
        click.echo(told, err=True)
        config_file = in_memory(config)
        arguments.append(f'--reloaded_config_file={kept}')
    run(flags.parse([*arguments, f'--model_config_file={config_file}'])[0])


def found(folder: Path | None) -> Path:
    """The folder to serve. Raises ServingError where there is none, or it holds no version."""
    from vaiven.serving.rollout import folder as folders

    if folder is None:
        newest = folders.newest()
        if newest is None:
            raise ServingError(
                'no pushed model was found below vaiven-runs: run `vaiven run`, or name a folder'
            )
        return newest
    if not folder.is_dir():
        raise ServingError(f'there is no folder {folder}: name one that holds numbered versions')
    if not folders.versions(folder):
        hint = f'; {folder.absolute().parent} may be meant' if is_saved_model(folder) else ''
        raise ServingError(f'{folder} holds no version, that is, no folder whose name is a number{hint}')
    return folder.absolute()


def configuration_of(name: str, base_path: Path, keep: int, kept: Path) -> tuple[Any, str]:
    """What to serve, and a line that says so: what rollouts left in the file `kept`, else the newest versions.

    Raises:
        ServingError: the file is no configuration of this model, or names no version that is there.
    """
    from vaiven.serving.rollout import configuration
    from vaiven.serving.rollout import folder as folders

    if not os.path.lexists(kept):
        config = configuration.of_one_model(name, base_path)
        configuration.entry(config, name).model_version_policy.latest.num_versions = keep
        return config, f'{name}: the newest {keep} versions of {base_path}'
    hint = f'without {kept} the newest {keep} versions are served'
    try:
        config = configuration.read(kept)
        entry = configuration.entry(config, name)
    except ServingError as error:
        raise ServingError(f'{error} ({kept}; {hint})') from error
    entry.base_path = str(base_path)  # the folder may have been moved
    named = entry.model_version_policy.specific.versions
    if named and not set(named) & set(folders.versions(base_path)):
        raise ServingError(f'{base_path} has none of the versions that {kept} names; {hint}')
    labels = ', '.join(f'{label} {number}' for label, number in sorted(entry.version_labels.items()))
    return config, f'{name}: {base_path} as rollouts left it ({labels or "no label"}); {hint}'


def in_memory(config: Any) -> str:
    """Path of a ModelServerConfig that is on no disk, so that nothing is left behind."""
    from google.protobuf import text_format

    descriptor = os.memfd_create('vaiven-model-config')
    os.write(descriptor, text_format.MessageToString(config, as_utf8=True).encode())
    return f'/proc/self/fd/{descriptor}'


def run(options: object) -> None:
    """Serves until SIGINT or SIGTERM. Raises ServingError where it cannot start."""
    import asyncio
    import sys

    from vaiven.serving.server import log
    from vaiven.serving.server.flags import Options
    from vaiven.serving.server.server import Server

    assert isinstance(options, Options)

    async def serving() -> None:
        await Server(options).run()

    log.start(sys.stderr)
    asyncio.run(serving())
