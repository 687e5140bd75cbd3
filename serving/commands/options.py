"""Options that the commands which talk to a server share. Imports nothing that is slow to import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vaiven.serving.client import Client, Vaiven

GRPC_ADDRESS = '127.0.0.1:8500'
REST_ADDRESS = '127.0.0.1:8501'
MODEL, WRITER = 'reviews', 'novel'


@dataclass(frozen=True)
class Where:
    """The server, and the version of a model on it, that a command was told to ask."""

    server: str
    model: str
    version: int | None
    label: str | None
    timeout: float

    def client(self) -> Client:
        """Raises ServingError where the address is none."""
        from vaiven.serving.client import Client

        return Client(self.server, timeout=self.timeout)

    def vaiven(self, client: Client) -> Vaiven:
        from vaiven.serving.client import Vaiven

        return Vaiven(client, self.model, version=self.version, label=self.label)


def server_options(command: Callable[..., Any], model: str = MODEL) -> Callable[..., Any]:
    """`--server`, `--model` with its default, and `--timeout`."""
    for option in (
        click.option(
            '--timeout',
            type=click.FloatRange(min=0, min_open=True),
            default=30.0,
            show_default=True,
            metavar='SECONDS',
            help='How long one request may take.',
        ),
        click.option('--model', default=model, show_default=True, help='Name of the model on the server.'),
        click.option(
            '--server',
            metavar='HOST:PORT',
            envvar='VAIVEN_SERVER',
            show_envvar=True,
            help=f'Where the server is.  [default: {GRPC_ADDRESS}]',
        ),
    ):
        command = option(command)
    return command


def version_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--rest`, and which version: `--version` or `--label`."""
    for option in (
        click.option('--rest', is_flag=True, help=f'Ask over REST.  [default server: {REST_ADDRESS}]'),
        click.option('--label', metavar='LABEL', help='The version with this label, as stable.'),
        click.option('--version', type=click.IntRange(min=0), metavar='N', help='This version.'),
    ):
        command = option(command)
    return command


def where(
    server: str | None,
    model: str,
    timeout: float,
    version: int | None = None,
    label: str | None = None,
    rest: bool = False,
) -> Where:
    """What the options say together. Raises click.UsageError where they contradict each other."""
    if version is not None and label is not None:
        raise click.UsageError('give --version or --label, not both')
    if not model:
        raise click.UsageError('--model must not be empty')
    address = server or (REST_ADDRESS if rest else GRPC_ADDRESS)
    if rest and not address.startswith(('http://', 'https://')):
        address = f'http://{address}'
    return Where(address, model, version, label, timeout)
