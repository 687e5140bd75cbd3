"""Options that the commands which talk to a server share. Imports nothing that is slow to import."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_SECONDS, MAX_VERSION

if TYPE_CHECKING:
    from vaiven.serving.client import Client, Vaiven

GRPC_ADDRESS = '127.0.0.1:8500'
REST_ADDRESS = '127.0.0.1:8501'
MODEL = 'reviews'
CONNECTION = 'vaiven.connection'
VERSION = click.IntRange(0, MAX_VERSION)


class Utf8(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click alone
    """A text; bytes of an argument that are no UTF-8 arrive as lone surrogates, which no message can hold."""

    name = 'text'

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f'must be UTF-8. Received: {value!a}', param, ctx)
        return value


class Name(Utf8):
    """A text that is not empty."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail('must not be empty', param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.FloatRange):
    """A number of seconds that clocks and sockets can wait for."""

    def __init__(self, *, min_open: bool = True) -> None:
        super().__init__(min=0, max=MAX_SECONDS, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f'{value!r} is no number of seconds', param, ctx)
        return seconds


@dataclass(frozen=True)
class Where:
    """The server, and the version of a model on it, that a command was told to ask.

    Attributes:
        server: its address.
        model: name of the model; empty for one that can answer.
        version, label: which version; neither for the newest.
        timeout: seconds that one request may take.
        connection: settings of `Connection`.
        chosen: whether somebody named this server, or how to reach it; the default address is not a choice.
    """

    server: str
    model: str
    version: int | None
    label: str | None
    timeout: float
    connection: dict[str, Any] = field(default_factory=dict)
    chosen: bool = True

    def client(self) -> Client:
        """Raises ServingError where the address is none, or a file of the connection cannot be read."""
        from vaiven.serving.client import Client

        return Client(self.server, timeout=self.timeout, **self.connection)

    def vaiven(self, client: Client) -> Vaiven:
        from vaiven.serving.client import Vaiven

        return Vaiven(client, self.model, version=self.version, label=self.label)


def server_options(command: Callable[..., Any], model: str = MODEL) -> Callable[..., Any]:
    """`--server`, `--model` with its default, `--timeout`, and how the connection is secured.

    An empty `model` is for commands that find one which can answer; see `reach`.
    """
    for option in (
        *_connection_options(),
        click.option(
            '--timeout',
            type=Seconds(),
            default=30.0,
            show_default=True,
            metavar='SECONDS',
            help='How long one request may take.',
        ),
        click.option(
            '--model',
            type=Name(),
            default=model or None,
            show_default=True if model else 'the newest that can answer',
            help='Name of the model.',
        ),
        click.option(
            '--server',
            type=Utf8(),
            metavar='HOST:PORT',
            envvar='VAIVEN_SERVER',
            show_envvar=True,
            help=f'Where the server is, or saved-model:FOLDER.  [default: {GRPC_ADDRESS}]',
        ),
    ):
        command = option(command)
    return command


def _connection_options() -> list[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """They reach `where` past the command, which has nothing to do with them."""

    def option(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        return click.option(*names, expose_value=False, callback=_remember, show_envvar=True, **settings)

    return [
        option(
            '--token-file', metavar='FILE', envvar='VAIVEN_TOKEN_FILE', help='Holds the bearer token to send.'
        ),
        option('--key', metavar='FILE', envvar='VAIVEN_KEY', help='The key of --certificate.'),
        option(
            '--certificate',
            metavar='FILE',
            envvar='VAIVEN_CERTIFICATE',
            help='PEM; proves who asks (mutual TLS).',
        ),
        option(
            '--ca',
            metavar='FILE',
            envvar='VAIVEN_CA',
            help="PEM; signs the server's certificate. Implies --tls.",
        ),
        option(
            '--tls',
            is_flag=True,
            envvar='VAIVEN_TLS',
            help='Encrypt, trusting the authorities of this machine.',
        ),
    ]


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        context.meta.setdefault(CONNECTION, {})[parameter.name] = value


def version_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--rest`, and which version: `--version` or `--label`."""
    for option in (
        click.option('--rest', is_flag=True, help=f'Ask over REST.  [default server: {REST_ADDRESS}]'),
        click.option('--label', type=Utf8(), metavar='LABEL', help='The version with this label, as stable.'),
        click.option('--version', type=VERSION, metavar='N', help='This version.'),
    ):
        command = option(command)
    return command


def where(
    server: str | None,
    model: str | None,
    timeout: float,
    version: int | None = None,
    label: str | None = None,
    rest: bool = False,
) -> Where:
    """What the options say together; to be called in a command.

    Raises:
        click.UsageError: they contradict each other.
        ServingError: the file with the token cannot be read.
    """
    if version is not None and label is not None:
        raise click.UsageError('give --version or --label, not both')
    told = dict(click.get_current_context().meta.get(CONNECTION, {}))
    if token_file := told.pop('token_file', None):
        told['token'] = _token(token_file)
    address = server or (REST_ADDRESS if rest else GRPC_ADDRESS)
    if rest and not address.startswith(('http://', 'https://')):
        address = f'{"https" if told.keys() & {"tls", "ca", "certificate"} else "http"}://{address}'
    chosen = bool(server or rest or told)
    return Where(address, model or '', version, label, timeout, told, chosen)


def _token(path: str) -> str:
    try:
        token = Path(path).read_text(encoding='utf-8').strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(
            f'cannot read the token in {path}: {getattr(error, "strerror", "no text")}'
        ) from error
    if not token:
        raise ServingError(f'{path} is empty: it must hold the token, and nothing else')
    return token


def _encoding(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from vaiven.serving.common.tables.encodings import ENCODING_RULE, known_encoding

        if not known_encoding(value):
            raise click.BadParameter(f'{ENCODING_RULE}. Received: {value!r}')
    return value


encoding_option = click.option(
    '--encoding', metavar='NAME', callback=_encoding, help='Of the file, as cp1252.  [default: UTF-8]'
)
