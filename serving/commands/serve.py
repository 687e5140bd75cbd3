"""`vaiven serve`: the embedded server, for people."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
# In the serving folder, beside the versions: what rollouts made of the server's configuration.
CONFIG = 'models.config'


@click.command()
@click.argument('folder', required=False)
@click.option('--model-name', metavar='NAME', help='Name to serve it under.  [default: that of the folder]')
@click.option('--port', type=PORT, default=PORT_DEFAULT, show_default=True, help='Port of the gRPC API.')
@click.option(
    '--rest-port',
    type=click.IntRange(0, 65535),
    default=REST_PORT_DEFAULT,
    show_default=True,
    help='REST; 0: none.',
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
@click.option('--background', is_flag=True, help='Return when the server is ready, and leave it running.')
@click.option('--stop', 'stopping', is_flag=True, help='End the server that runs, after its last requests.')
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
    background: bool,
    stopping: bool,
) -> None:
    """Serve the versions in FOLDER until interrupted; new ones are taken up as they are pushed.

    FOLDER holds one numbered folder a version. Without it: the one below vaiven-runs that was pushed to last.
    What rollouts change is kept in FOLDER/models.config, and the next start goes on from it.
    The APIs, paths and messages are those of TensorFlow Serving, and so are the flags of
    `vaiven-model-server`, which has more of them.

    \b
    Examples:
      vaiven serve
      vaiven serve --background               until `vaiven serve --stop`
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
    base_path = None if config_file is not None else found(folder)
    return _serve(_Start(base_path, model_name, host, port, rest_port, keep, config_file), background)


def _stop(context: click.Context) -> None:
    given = {
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    } - {'stopping', 'port'}
    if given:
        raise click.UsageError('--stop takes --port and nothing else')
    from vaiven.serving.commands import background

    named = context.get_parameter_source('port') is ParameterSource.COMMANDLINE
    server = background.stop(context.params['port'] if named else None)
    terminal.say(f'the server at {server} has ended')


@dataclass(frozen=True)
class _Start:
    """What the options say of a server that is to be started."""

    base_path: Path | None
    model_name: str | None
    host: str
    port: int
    rest_port: int
    keep: int
    config_file: str | None


def _serve(start: _Start, in_background: bool) -> None:
    from vaiven.serving.commands import background
    from vaiven.serving.common import running_servers

    background.refuse_second(start.host, start.port, start.rest_port)
    pid = os.getpid()
    record = running_servers.Running(
        pid, running_servers.start_of(pid), start.host, start.port, start.rest_port
    )
    if not in_background:
        # At once: clients that come too early know by it that they may wait.
        _record(record)
    try:
        models, told, flags, inherited = _configured(start)
        if in_background:
            server = background.start(start.host, start.port, start.rest_port, models, flags, inherited)
            return _tell(server, told)
        if told:
            click.echo(told, err=True)
        record = dataclasses.replace(record, models=models)
        _record(record)
        own = {'host': start.host, 'port': start.port, 'rest_api_port': start.rest_port}
        run(parsed({**own, **flags}))
    finally:
        running_servers.remove(record)


def _record(record: Running) -> None:
    from vaiven.serving.common import running_servers

    with contextlib.suppress(ServingError):  # it serves as well where nothing can be recorded
        running_servers.write(record)


def _tell(server: Running, told: str) -> None:
    if told:
        terminal.say(told)
    rest = f', REST http://{server.host}:{server.rest_port}' if server.rest_port else ''
    terminal.say(f'serving {", ".join(server.models)}: gRPC {server.host}:{server.port}{rest}')
    terminal.say(f'process {server.pid}, log {server.log}')
    default = '' if server.port == PORT_DEFAULT else f' --port {server.port}'
    terminal.say(f'to end it: vaiven serve --stop{default}')


def _configured(start: _Start) -> tuple[dict[str, str], str, dict[str, object], tuple[int, ...]]:
    """Base paths by model, a line that says what is served, the server's flags, and file descriptors in these."""
    flags: dict[str, object] = {
        'max_num_load_retries': 0,
        'optimize_graphs': False,  # ours are no faster for it, and start in two thirds of the time
        # After a rollout the configuration has labels: users of these are not to find them missing at a start.
        'allow_version_labels_for_unavailable_models': True,
        'wait_for_labels': True,
        'plain_requests_follow_stable': True,
    }
    if start.base_path is None:
        from vaiven.serving.rollout import configuration

        assert start.config_file is not None
        config = configuration.read(Path(start.config_file))
        models = {entry.name: entry.base_path for entry in config.model_config_list.config}
        return models, '', {**flags, 'model_config_file': os.path.abspath(start.config_file)}, ()
    name = start.model_name or start.base_path.name
    kept = start.base_path / CONFIG
    config, told = configuration_of(name, start.base_path, start.keep, kept)
    descriptor = in_memory(config)
    flags |= {'model_config_file': f'/proc/self/fd/{descriptor}', 'reloaded_config_file': kept}
    return {name: str(start.base_path)}, told, flags, (descriptor,)


def parsed(flags: Mapping[str, object]) -> object:
    """The server's options for flags by name."""
    from vaiven.serving.server import flags as server_flags
    from vaiven.serving.server.server_process import argument

    return server_flags.parse([argument(name, value) for name, value in flags.items()])[0]


def found(given: str | None) -> Path:
    """The folder to serve. Raises ServingError where there is none, or it holds no version."""
    from vaiven.serving.rollout import serving_folder as folders

    if given is None:
        newest = folders.newest()
        if newest is None:
            raise ServingError(
                'no pushed model was found below vaiven-runs: run `vaiven run`, or name a folder'
            )
        return newest
    folder = local_path(given)
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
    from vaiven.serving.rollout import serving_folder as folders

    if not os.path.lexists(kept):
        config = configuration.of_one_model(name, base_path)
        configuration.entry(config, name).model_version_policy.latest.num_versions = keep
        return config, f'{name}: the newest {keep} versions of {base_path}'
    hint = f'without {kept} the newest {keep} versions are served'
    try:
        config = configuration.read(kept)
        entry = configuration.entry(config, name)
    except ServingError as error:
        raise ServingError(f'{error}; {hint}') from error
    entry.base_path = str(base_path)  # the folder may have been moved
    named = entry.model_version_policy.specific.versions
    if named and not set(named) & set(folders.versions(base_path)):
        raise ServingError(f'{base_path} has none of the versions that {kept} names; {hint}')
    labels = ', '.join(f'{label} {number}' for label, number in sorted(entry.version_labels.items()))
    return config, f'{name}: {base_path} as rollouts left it ({labels or "no label"}); {hint}'


def in_memory(config: Any) -> int:
    """Descriptor of a ModelServerConfig that is on no disk, so that nothing is left behind."""
    from google.protobuf import text_format

    descriptor = os.memfd_create('vaiven-model-config')
    os.write(descriptor, text_format.MessageToString(config, as_utf8=True).encode())
    return descriptor


def run(options: object) -> None:
    """Serves until SIGINT or SIGTERM. Raises ServingError where it cannot start."""
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
