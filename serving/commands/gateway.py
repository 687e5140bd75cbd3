"""`vaiven gateway`: splits traffic for callers that cannot split by themselves."""

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
    from vaiven.serving.gateway.gateway import Settings

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
PORT = click.IntRange(1, 65535)
_ADDRESS = re.compile(r'[^\s@?#]+:[0-9]{1,5}')
_REST_ADDRESS = re.compile(r'([^\s/:@?#\[\]]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}')
_HEADER = re.compile(r'(?!grpc-)[a-z0-9][a-z0-9_-]*(?<!-bin)')


@click.command()
@click.option(
    '--base-path',
    'base_paths',
    multiple=True,
    metavar='FOLDER',
    type=FOLDER,
    help='Split the model of this serving folder as the split.json in it says; the model is called like the folder. '
    'May come again.  [default: the folder below vaiven-runs that was pushed to last]',
)
@click.option(
    '--split',
    'splits',
    multiple=True,
    type=Utf8(),
    metavar='MODEL=FILE',
    help='Split a model as this file says. May come again.',
)
@click.option(
    '--server',
    type=Utf8(),
    default=GRPC_ADDRESS,
    show_default=True,
    metavar='HOST:PORT',
    help='gRPC of the server.',
)
@click.option(
    '--rest-server',
    type=Utf8(),
    default=REST_ADDRESS,
    show_default=True,
    metavar='HOST:PORT',
    help='REST of the server.',
)
@click.option(
    '--route',
    'routes',
    multiple=True,
    type=Utf8(),
    metavar='LABEL=HOST:PORT',
    help='This label is a server of its own, asked for its newest version. May come again.',
)
@click.option(
    '--rest-route',
    'rest_routes',
    multiple=True,
    type=Utf8(),
    metavar='LABEL=HOST:PORT',
    help='The REST port of such a server.',
)
@click.option(
    '--key-header',
    default='vaiven-key',
    show_default=True,
    metavar='NAME',
    help='Where callers say their key.',
)
@click.option('--port', type=PORT, default=8600, show_default=True, help='Port of the gRPC API.')
@click.option(
    '--rest-port',
    type=click.IntRange(0, 65535),
    default=8601,
    show_default=True,
    help='REST, metrics; 0: none.',
)
@click.option(
    '--host',
    type=Utf8(),
    default='127.0.0.1',
    show_default=True,
    help='Address to listen on; 0.0.0.0 for all.',
)
@click.option(
    '--ssl-config-file',
    type=FILE,
    metavar='FILE',
    help='SSLConfig, as the server takes it: TLS on both ports.',
)
@click.option('--tls', is_flag=True, help='Towards the servers: encrypt.')
@click.option(
    '--ca', type=FILE, metavar='FILE', help='Towards the servers: who must have signed their certificates.'
)
@click.option(
    '--certificate', type=FILE, metavar='FILE', help='Towards the servers: proves who the gateway is.'
)
@click.option('--key', type=FILE, metavar='FILE', help='Towards the servers: the key of --certificate.')
@click.option(
    '--server-name',
    type=Utf8(),
    default='',
    metavar='NAME',
    help='The name in the certificates of the servers.',
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
      vaiven gateway
      vaiven gateway --base-path vaiven-runs/reviews/serving/reviews --port 8600
      vaiven gateway --split reviews=split.json \\
          --route canary=10.0.0.7:8500 --rest-route canary=10.0.0.7:8501
    """
    run(settings(**options))


def settings(
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
) -> Settings:
    """What the options say together. Raises click.UsageError or ServingError where they make no sense."""
    from vaiven.serving.client.connection import Connection
    from vaiven.serving.gateway.gateway import Settings
    from vaiven.serving.gateway.servers import Addresses

    if not _HEADER.fullmatch(others['key_header']):
        raise click.UsageError(
            '--key-header is a name in lower-case ASCII, without -bin at its end and grpc- at its begin. '
            f'Received: {others["key_header"]!r}'
        )
    if others['rest_port'] == others['port']:
        raise click.UsageError('--rest-port must differ from --port')
    grpc = {'': _address('--server', server), **_routes('--route', routes)}
    rest = {}
    if others['rest_port']:
        rest = {'': _rest_address('--rest-server', rest_server)}
        rest |= {
            label: _rest_address('--rest-route', to)
            for label, to in _routes('--rest-route', rest_routes).items()
        }
        if rest.keys() != grpc.keys():
            labels = ', '.join(sorted(rest.keys() ^ grpc.keys()))
            raise click.UsageError(
                f'give --route and --rest-route for the same labels, or --rest-port 0: {labels}'
            )
    return Settings(
        Addresses(grpc, rest),
        _splits(base_paths, splits),
        Connection(tls=tls, ca=ca, certificate=certificate, key=key, server_name=server_name, attempts=1),
        **others,
    )


def _splits(base_paths: Iterable[Path], splits: Iterable[str]) -> dict[str, Path]:
    from vaiven.serving.common.split import FILE as SPLIT_FILE

    found: dict[str, Path] = {}
    pairs = [(path.absolute().name, path / SPLIT_FILE) for path in base_paths]
    pairs += [(model, Path(file)) for model, file in _pairs('--split', 'MODEL=FILE', splits)]
    for model, file in pairs or [_newest()]:
        if model in found:
            raise click.UsageError(f'model {model!r} is split twice: give one file for each model')
        if not os.path.isdir(file.absolute().parent):  # what cannot be looked at is none
            raise ServingError(
                f'there is no folder {file.parent} for the split of {model!r}: name one that is there'
            )
        found[model] = file
    return found


def _newest() -> tuple[str, Path]:
    from vaiven.serving.common.split import FILE as SPLIT_FILE
    from vaiven.serving.rollout import serving_folder

    newest = serving_folder.newest()
    if newest is None:
        raise ServingError(
            'no pushed model was found below vaiven-runs: give --base-path FOLDER or --split MODEL=FILE'
        )
    return newest.name, newest / SPLIT_FILE


def _routes(option: str, routes: Iterable[str]) -> dict[str, str]:
    found = {}
    for label, address in _pairs(option, 'LABEL=HOST:PORT', routes):
        if label in found:
            raise click.UsageError(f'{option} names the label {label!r} twice')
        found[label] = _address(option, address)
    return found


def _pairs(option: str, form: str, given: Iterable[str]) -> list[tuple[str, str]]:
    found = []
    for each in given:
        name, _, value = each.partition('=')
        if not name or not value:
            raise click.UsageError(f'{option} takes {form}. Received: {each!r}')
        found.append((name, value))
    return found


def _address(option: str, address: str) -> str:
    if not _ADDRESS.fullmatch(address) or address.startswith(('http:', 'https:')):
        raise click.UsageError(f'{option} takes a HOST:PORT. Received: {address!r}')
    return address


def _rest_address(option: str, address: str) -> str:
    if not _REST_ADDRESS.fullmatch(address):
        raise click.UsageError(f'{option} takes a HOST:PORT. Received: {address!r}')
    return address


def run(wanted: Settings) -> None:
    """Serves until SIGINT or SIGTERM. Raises ServingError where it cannot start."""
    import asyncio
    import sys

    from vaiven.serving.common import log
    from vaiven.serving.gateway.gateway import Gateway

    async def serving() -> None:
        await Gateway(wanted).run()

    log.start(sys.stderr)
    asyncio.run(serving())
