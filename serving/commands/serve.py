"""`vaiven serve`: runs the embedded server on a folder of versions."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.local_path import local_path
from vaiven.serving.common.version_folders import is_saved_model

if TYPE_CHECKING:
    from vaiven.serving.common.running_servers import Running

PORT = click.IntRange(1, 65535)
PORT_DEFAULT, REST_PORT_DEFAULT = 8500, 8501


@click.command()
@click.argument('folder', required=False)
@click.option('--model-name', metavar='NAME', help='Name of the model.  [default: the name of FOLDER]')
@click.option('--port', type=PORT, default=PORT_DEFAULT, show_default=True, help='Port of the gRPC API.')
@click.option(
    '--rest-port',
    type=click.IntRange(0, 65535),
    default=REST_PORT_DEFAULT,
    show_default=True,
    help='Port of the REST API; 0: none.',
)
@click.option('--host', default='127.0.0.1', show_default=True, help='Address to listen on; 0.0.0.0: all.')
@click.option(
    '--keep',
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help='Number of versions to keep loaded; a rollback needs 2.',
)
@click.option('--config-file', metavar='FILE', help='Serve the models of this ModelServerConfig instead.')
@click.option(
    '--batching/--no-batching',
    default=True,
    show_default=True,
    help='Answer requests that wait at the same time in one run of the model.',
)
@click.option('--background', is_flag=True, help='Start in the background; return when it is ready.')
@click.option('--stop', 'stopping', is_flag=True, help='Stop the running server after its last requests.')
@click.pass_context
def serve(
    context: click.Context,
    folder: str | None,
    model_name: str | None,
    port: int,
    rest_port: int,
    host: str,
    keep: int,
    config_file: str | None,
    batching: bool,
    background: bool,
    stopping: bool,
) -> None:
    """Serve the versions in FOLDER until interrupted. New versions are loaded when they are pushed.

    FOLDER has a numbered subfolder for each version. The default is the last pushed model below vaiven-runs.
    The state of rollouts is saved in FOLDER/models.config and restored at the next start.
    The APIs, paths and messages are those of TensorFlow Serving. `vaiven-model-server` has more settings, as
    the flags of TensorFlow Serving.

    \b
    Examples:
      vaiven serve
      vaiven serve --background               stop it: vaiven serve --stop
      vaiven serve vaiven-runs/reviews/serving/reviews --port 8500
    """
    if stopping:
        return _stop(context)
    if folder is not None and config_file is not None:
        raise click.UsageError('give FOLDER or --config-file, not both')
    if rest_port == port:
        raise click.UsageError(f'--rest-port must differ from --port. Received: {port} for both')
    from vaiven.serving.common import installed

    installed.require()
    base_path = None if config_file is not None else find_base_path(folder)
    options = _ServeOptions(base_path, model_name, host, port, rest_port, keep, config_file, batching)
    return _serve(options, background)


def _stop(context: click.Context) -> None:
    other_options = {
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    } - {'stopping', 'port'}
    if other_options:
        raise click.UsageError('--stop can only be combined with --port')
    from vaiven.serving.commands import background

    has_port = context.get_parameter_source('port') is ParameterSource.COMMANDLINE
    server = background.stop(context.params['port'] if has_port else None)
    terminal.say(f'the server at {server} has stopped')


@dataclass(frozen=True)
class _ServeOptions:
    """The options of a server to start.

    Attributes:
        base_path: folder of the versions; None with `config_file`.
        model_name: name of the model; None for the name of the folder.
        host: address to listen on.
        port: port of the gRPC API.
        rest_port: port of the REST API; 0 for none.
        keep: number of versions to keep loaded.
        config_file: path of a ModelServerConfig; None with `base_path`.
        batching: whether requests that wait at the same time share runs.
    """

    base_path: Path | None
    model_name: str | None
    host: str
    port: int
    rest_port: int
    keep: int
    config_file: str | None
    batching: bool


def _serve(options: _ServeOptions, in_background: bool) -> None:
    from vaiven.serving.commands import background
    from vaiven.serving.common import running_servers

    background.require_free_ports(options.host, options.port, options.rest_port)
    pid = os.getpid()
    record = running_servers.Running(
        pid, running_servers.start_of(pid), options.host, options.port, options.rest_port
    )
    if not in_background:
        # Written before loading: it tells clients that arrive early to wait.
        _record(record)
    try:
        models, summary, flags, inherited = _server_flags(options)
        if in_background:
            server = background.start(options.host, options.port, options.rest_port, models, flags, inherited)
            return _print_started(server, summary)
        if summary:
            click.echo(summary, err=True)
        record = dataclasses.replace(record, models=models)
        _record(record)
        addresses = {'host': options.host, 'port': options.port, 'rest_api_port': options.rest_port}
        run(parse_flags({**addresses, **flags}))
    finally:
        running_servers.remove(record)


def _record(record: Running) -> None:
    from vaiven.serving.common import running_servers

    with contextlib.suppress(ServingError):  # the server works without a record
        running_servers.write(record)


def _print_started(server: Running, summary: str) -> None:
    if summary:
        terminal.say(summary)
    rest = f', REST http://{server.host}:{server.rest_port}' if server.rest_port else ''
    terminal.say(f'serving {", ".join(server.models)}: gRPC {server.host}:{server.port}{rest}')
    terminal.say(f'process {server.pid}, log {server.log}')
    default = '' if server.port == PORT_DEFAULT else f' --port {server.port}'
    terminal.say(f'to end it: vaiven serve --stop{default}')


def _server_flags(options: _ServeOptions) -> tuple[dict[str, str], str, dict[str, object], tuple[int, ...]]:
    """What the server is started with.

    Returns:
        The base path of each model by name, a line for the user that says what is served, the flags of the server,
        and the file descriptors that the flags refer to.
    """
    flags: dict[str, object] = {
        'max_num_load_retries': 0,
        'optimize_graphs': False,  # vaiven's models run no faster with it, and start in two thirds of the time without
        # After a rollout the configuration has labels: requests with a label must not fail while the server starts.
        'allow_version_labels_for_unavailable_models': True,
        'wait_for_labels': True,
        'plain_requests_follow_stable': True,
        'automatic_batching': options.batching,
    }
    if options.base_path is None:
        from vaiven.serving.rollout import configuration

        assert options.config_file is not None
        config = configuration.read(Path(options.config_file))
        models = {entry.name: entry.base_path for entry in config.model_config_list.config}
        return models, '', {**flags, 'model_config_file': os.path.abspath(options.config_file)}, ()
    from vaiven.serving.commands import saved_config

    name = options.model_name or options.base_path.name
    path = options.base_path / saved_config.FILE
    config, summary = saved_config.load(name, options.base_path, options.keep, path)
    descriptor = saved_config.descriptor(config)
    flags |= {'model_config_file': f'/proc/self/fd/{descriptor}', 'reloaded_config_file': path}
    return {name: str(options.base_path)}, summary, flags, (descriptor,)


def parse_flags(flags: Mapping[str, object]) -> object:
    """The options of the server, from the values of its flags by name."""
    from vaiven.serving.server import flags as server_flags
    from vaiven.serving.server.server_process import argument

    return server_flags.parse([argument(name, value) for name, value in flags.items()])[0]


def find_base_path(name: str | None) -> Path:
    """The folder to serve.

    Args:
        name: path of the folder; None for the last pushed model below `vaiven-runs`.

    Raises:
        ServingError: there is no such folder, or it has no versions.
    """
    from vaiven.serving.rollout import serving_folder as folders

    if name is None:
        newest = folders.newest()
        if newest is None:
            raise ServingError(
                'there is no pushed model below vaiven-runs: run `vaiven run`, or name a folder'
            )
        return newest
    folder = local_path(name)
    if not folder.is_dir():
        raise ServingError(f'there is no folder {folder}: name a folder with numbered versions')
    if not folders.versions(folder):
        hint = f'; did you mean {folder.absolute().parent}?' if is_saved_model(folder) else ''
        raise ServingError(f'{folder} has no versions, which are subfolders with a number as name{hint}')
    return folder.absolute()


def run(options: object) -> None:
    """Runs the server until SIGINT or SIGTERM.

    Args:
        options: of the server, from `parse_flags`.

    Raises:
        ServingError: the server cannot start.
    """
    import asyncio
    import sys

    from vaiven.serving.common import log
    from vaiven.serving.server.flags import Options
    from vaiven.serving.server.server import Server

    assert isinstance(options, Options)

    async def serving() -> None:
        await Server(options).run()

    log.start(sys.stderr)
    asyncio.run(serving())
