"""`vaiven gateway`: splits the traffic of clients that do not follow the split file themselves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.commands.options import GRPC_ADDRESS, REST_ADDRESS, Seconds, Utf8
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from vaiven.serving.gateway.gateway import GatewayOptions

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
PORT = click.IntRange(1, 65535)
_ADDRESS = re.compile(r'(?!https?:)[^\s@?#]+:[0-9]{1,5}')
_REST_ADDRESS = re.compile(r'([^\s/:@?#\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}')
_HEADER = re.compile(r'(?!grpc-)[a-z0-9][a-z0-9_-]*(?<!-bin)')


@click.command()
@click.option(
    '--base-path',
    'base_paths',
    multiple=True,
    metavar='FOLDER',
    type=FOLDER,
    help='Serving folder with a split.json, named after its model. Repeatable.  '
    '[default: the newest below vaiven-runs]',
)
@click.option(
    '--split',
    'splits',
    multiple=True,
    type=Utf8(),
    metavar='MODEL=FILE',
    help='Split file of a model. Repeatable.',
)
@click.option(
    '--server',
    type=Utf8(),
    default=GRPC_ADDRESS,
    show_default=True,
    metavar='HOST:PORT',
    help='gRPC address of the server.',
)
@click.option(
    '--rest-server',
    type=Utf8(),
    default=REST_ADDRESS,
    show_default=True,
    metavar='HOST:PORT',
    help='REST address of the server.',
)
@click.option(
    '--route',
    'routes',
    multiple=True,
    type=Utf8(),
    metavar='LABEL=HOST:PORT',
    help='gRPC address of a separate server for a label; its newest version answers. Repeatable.',
)
@click.option(
    '--rest-route',
    'rest_routes',
    multiple=True,
    type=Utf8(),
    metavar='LABEL=HOST:PORT',
    help='REST address of the server of a --route. Repeatable.',
)
@click.option(
    '--key-header',
    default='vaiven-key',
    show_default=True,
    metavar='NAME',
    help='Header or metadata with the key of a caller.',
)
@click.option('--port', type=PORT, default=8600, show_default=True, help='Port of the gRPC API.')
@click.option(
    '--rest-port',
    type=click.IntRange(0, 65535),
    default=8601,
    show_default=True,
    help='Port of the REST API and the metrics; 0 turns it off.',
)
@click.option(
    '--host',
    type=Utf8(),
    default='127.0.0.1',
    show_default=True,
    help='Address to listen on; 0.0.0.0 for all interfaces.',
)
@click.option(
    '--ssl-config-file',
    type=FILE,
    metavar='FILE',
    help='SSLConfig file for TLS on both ports, in the format of the server.',
)
@click.option('--tls', is_flag=True, help='Use TLS for connections to the servers.')
@click.option('--ca', type=FILE, metavar='FILE', help='CA certificates for the servers, PEM.')
@click.option('--certificate', type=FILE, metavar='FILE', help='Client certificate for the servers, PEM.')
@click.option('--key', type=FILE, metavar='FILE', help='Private key of --certificate, PEM.')
@click.option(
    '--server-name',
    type=Utf8(),
    default='',
    metavar='NAME',
    help='Name in the certificates of the servers, if it is not their host name.',
)
@click.option(
    '--max-concurrent-requests',
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help='Maximum concurrent requests of each port.',
)
@click.option(
    '--max-request-bytes',
    type=click.IntRange(1, MAX_MESSAGE_BYTES),
    default=64 << 20,
    show_default=True,
    help='Maximum size of a request.',
)
@click.option(
    '--rest-timeout',
    type=Seconds(),
    default=60.0,
    show_default=True,
    metavar='SECONDS',
    help='Time limit of a REST request.',
)
@click.option(
    '--drain-seconds',
    type=Seconds(min_open=False),
    default=30.0,
    show_default=True,
    help='Time that running requests have to complete at shutdown.',
)
@click.option('--exit-with-stdin', is_flag=True, hidden=True)
def gateway(**options: Any) -> None:
    """Forward requests to a server, and split them between labels as rollouts configure it.

    A request without a version or label gets the label of its key: the header or metadata `vaiven-key`, such as a user
    or a document. The same key gets the same label while the weights are constant; without a key, the label is drawn
    by the weights. Everything else is forwarded unchanged: other models, explicit versions and labels, metadata,
    deadlines, errors. A model without a split file is not split. Metrics are at /metrics of the REST port.

    \b
    Examples:
      # Split the model that was pushed last, in front of a server on this machine
      vaiven gateway
    \b
      # Split the model of a serving folder
      vaiven gateway --base-path vaiven-runs/reviews/serving/reviews --port 8600
    \b
      # Send the label `canary` to a server of its own
      vaiven gateway --split reviews=split.json \\
          --route canary=10.0.0.7:8500 --rest-route canary=10.0.0.7:8501
    """
    run(gateway_options(**options))


def gateway_options(
    base_paths: Iterable[Path],
    splits: Iterable[str],
    server: str,
    rest_server: str,
    routes: Iterable[str],
    rest_routes: Iterable[str],
    tls: bool,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    server_name: str,
    **others: Any,
) -> GatewayOptions:
    """Checks the command-line options together.

    Args:
        base_paths: values of --base-path.
        splits: values of --split.
        server: gRPC address of the server.
        rest_server: REST address of the server.
        routes: values of --route.
        rest_routes: values of --rest-route.
        tls: whether to use TLS for connections to the servers.
        ca: CA certificates for the servers.
        certificate: client certificate.
        key: private key of `certificate`.
        server_name: name in the certificates of the servers.
        **others: further fields of `GatewayOptions`.

    Raises:
        click.UsageError: an option is malformed, or contradicts another.
        ServingError: a folder does not exist.
    """
    from vaiven.serving.client.connection import Connection
    from vaiven.serving.gateway.gateway import GatewayOptions
    from vaiven.serving.gateway.servers import Addresses

    if not _HEADER.fullmatch(others['key_header']):
        raise click.UsageError(
            '--key-header must be a name in lower-case ASCII that does not start with grpc- or end with -bin. '
            f'Received: {others["key_header"]!r}'
        )
    if others['rest_port'] == others['port']:
        raise click.UsageError('--rest-port must differ from --port')
    grpc = {'': _address('--server', server), **_routes('--route', routes)}
    rest = {}
    if others['rest_port']:
        rest = {'': _address('--rest-server', rest_server, _REST_ADDRESS)}
        rest |= {
            label: _address('--rest-route', to, _REST_ADDRESS)
            for label, to in _routes('--rest-route', rest_routes).items()
        }
        if rest.keys() != grpc.keys():
            labels = ', '.join(sorted(rest.keys() ^ grpc.keys()))
            raise click.UsageError(
                f'--route and --rest-route must have the same labels, unless --rest-port is 0. Different: {labels}'
            )
    return GatewayOptions(
        Addresses(grpc, rest),
        _splits(base_paths, splits),
        Connection(tls=tls, ca=ca, certificate=certificate, key=key, server_name=server_name, attempts=1),
        **others,
    )


def _splits(base_paths: Iterable[Path], splits: Iterable[str]) -> dict[str, Path]:
    from vaiven.serving.common.split import FILE as SPLIT_FILE
    from vaiven.serving.rollout import serving_folder

    files: dict[str, Path] = {}
    pairs = [(path.absolute().name, path / SPLIT_FILE) for path in base_paths]
    pairs += [(model, Path(file)) for model, file in _pairs('--split', 'MODEL=FILE', splits)]
    if not pairs:
        newest = serving_folder.newest()
        if newest is None:
            raise ServingError('there is no pushed model below vaiven-runs: use --base-path or --split')
        pairs = [(newest.name, newest / SPLIT_FILE)]
    for model, file in pairs:
        if model in files:
            raise click.UsageError(f'model {model!r} has two split files: give one for each model')
        if not os.path.isdir(
            file.absolute().parent
        ):  # not Path.is_dir: that raises for a folder that may not be read
            raise ServingError(
                f'there is no folder {file.parent} for the split of {model!r}: name a folder that exists'
            )
        files[model] = file
    return files


def _routes(option: str, routes: Iterable[str]) -> dict[str, str]:
    addresses = {}
    for label, address in _pairs(option, 'LABEL=HOST:PORT', routes):
        if label in addresses:
            raise click.UsageError(f'{option} has the label {label!r} twice: use each label once')
        addresses[label] = _address(option, address)
    return addresses


def _pairs(option: str, form: str, arguments: Iterable[str]) -> list[tuple[str, str]]:
    pairs = []
    for argument in arguments:
        name, _, value = argument.partition('=')
        if not name or not value:
            raise click.UsageError(f'{option} must be {form}. Received: {argument!r}')
        pairs.append((name, value))
    return pairs


def _address(option: str, address: str, pattern: re.Pattern[str] = _ADDRESS) -> str:
    if not pattern.fullmatch(address):
        raise click.UsageError(f'{option} must be HOST:PORT. Received: {address!r}')
    return address


def run(options: GatewayOptions) -> None:
    """Serves until SIGINT or SIGTERM. Raises ServingError if the gateway cannot start."""
    import asyncio
    import sys

    from vaiven.serving.common import log
    from vaiven.serving.gateway.gateway import Gateway

    async def serving() -> None:
        await Gateway(options).run()

    log.start(sys.stderr)
    asyncio.run(serving())
