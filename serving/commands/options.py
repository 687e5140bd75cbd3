"""The options that several commands share, and the one way in which a command gets them. Imports nothing slow.

An option of one command is a `@click.option` above that command. Options that several commands share, or that only
make sense together, are an `option_group`: the command gets one value for all of them. A value is checked by the type
of its option (`Utf8`, `Seconds`, …), never by a callback.
"""

from __future__ import annotations

import functools
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
VERSION = click.IntRange(0, MAX_VERSION)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def option_group(parameter: str, build: Callable[..., Any], *options: Decorator) -> Decorator:
    """A decorator that adds options to a command, which gets one value built from all of them.

    Args:
        parameter: name of the command's keyword argument.
        build: makes the value of that argument from the values of the options, which it gets by name. It is called
            when the command is invoked, and may raise `click.UsageError` for options that contradict each other.
        options: made by `click.option`, in the order of the help.

    Returns:
        The decorator.

    Example:

        region_options = option_group(
            'region', Region, click.option('--city', required=True), click.option('--radius', default=1.0)
        )

        @click.command()
        @region_options
        def show(region: Region) -> None: ...
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_group(*args: Any, **values: Any) -> Any:
            value = build(**{name: values.pop(name) for name in names})
            return command(*args, **{parameter: value}, **values)

        earlier = len(getattr(command, '__click_params__', ()))
        # Click lists the option that was added last first.
        for option in reversed(options):
            option(with_group)
        names = [option.name for option in vars(with_group)['__click_params__'][earlier:]]
        return with_group

    return decorate


class Utf8(click.ParamType):  # type: ignore[type-arg]  # (generic in newer versions of click only)
    """A text. Bytes of an argument that are not UTF-8 arrive as lone surrogates, which no message can carry."""

    name = 'text'

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the text. Fails if it is not UTF-8."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f'must be UTF-8. Received: {value!a}', param, ctx)
        return value


class Name(Utf8):
    """A text that is not empty."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the name. Fails if it is empty or not UTF-8."""
        if not value:
            self.fail('must not be empty', param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.FloatRange):
    """A number of seconds that clocks and sockets can wait for."""

    def __init__(self, *, min_open: bool = True) -> None:
        """
        Args:
            min_open: whether 0 is refused.
        """
        super().__init__(min=0, max=MAX_SECONDS, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the seconds. Fails for NaN and outside of the range."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f'{value!r} is not a number of seconds', param, ctx)
        return seconds


class Encoding(click.ParamType):  # type: ignore[type-arg]  # (generic in newer versions of click only)
    """The name of a text encoding that Python knows, such as `cp1252`."""

    name = 'text'

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the name. Fails if there is no such text encoding."""
        from vaiven.serving.common.tables.encodings import ENCODING_RULE, known_encoding

        if not known_encoding(value):
            self.fail(f'{ENCODING_RULE}. Received: {value!r}', param, ctx)
        return value


@dataclass(frozen=True)
class Target:
    """The server that a command talks to, and the model and version on it.

    Attributes:
        server: its address, as `HOST:PORT`, a URL, or `saved-model:FOLDER`.
        model: name of the model; empty for the newest one that can answer.
        version: number of the version; None for the newest, or the one with `label`.
        label: label of the version; None for none.
        timeout: seconds that one request may take.
        connection: settings of `vaiven.serving.client.Connection`, such as `token` and `tls`.
        explicit: whether the user named the server or how to connect to it. Commands look for another model only
            if the address is the default one.
    """

    server: str
    model: str
    version: int | None = None
    label: str | None = None
    timeout: float = 30.0
    connection: dict[str, Any] = field(default_factory=dict)
    explicit: bool = True

    def client(self) -> Client:
        """A client of the server.

        Raises:
            ServingError: the address is not valid, or a file of the connection cannot be read.
        """
        from vaiven.serving.client import Client

        return Client(self.server, timeout=self.timeout, **self.connection)

    def vaiven(self, client: Client) -> Vaiven:
        """The model and version, for requests through `client`."""
        from vaiven.serving.client import Vaiven

        return Vaiven(client, self.model, version=self.version, label=self.label)


def _target(
    server: str | None,
    model: str | None,
    timeout: float,
    token_file: str | None,
    version: int | None = None,
    label: str | None = None,
    rest: bool = False,
    **connection: Any,
) -> Target:
    """The target that the options describe.

    Raises:
        click.UsageError: there are both --version and --label.
        ServingError: the file with the token cannot be read.
    """
    if version is not None and label is not None:
        raise click.UsageError('give --version or --label, not both')
    connection = {name: value for name, value in connection.items() if value}
    if token_file:
        connection['token'] = _read_token(token_file)
    address = server or (REST_ADDRESS if rest else GRPC_ADDRESS)
    if rest and not address.startswith(('http://', 'https://')):
        address = f'{"https" if connection.keys() & {"tls", "ca", "certificate"} else "http"}://{address}'
    return Target(
        address, model or '', version, label, timeout, connection, bool(server or rest or connection)
    )


def _read_token(path: str) -> str:
    try:
        token = Path(path).read_text(encoding='utf-8').strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(
            f'cannot read the token in {path}: {getattr(error, "strerror", "it is not a text file")}'
        ) from error
    if not token:
        raise ServingError(f'{path} is empty: it must hold the token, and nothing else')
    return token


def _model_option(model: str | None) -> Decorator:
    return click.option(
        '--model',
        type=Name(),
        default=model,
        show_default='the newest that can answer' if model is None else True,
        help='Name of the model.',
    )


_SERVER_OPTION = click.option(
    '--server',
    type=Utf8(),
    metavar='HOST:PORT',
    envvar='VAIVEN_SERVER',
    show_envvar=True,
    help=f'Address of the server, or saved-model:FOLDER.  [default: {GRPC_ADDRESS}]',
)
_CONNECTION_OPTIONS = (
    click.option(
        '--timeout',
        type=Seconds(),
        default=30.0,
        show_default=True,
        metavar='SECONDS',
        help='How long one request may take.',
    ),
    click.option(
        '--tls',
        is_flag=True,
        envvar='VAIVEN_TLS',
        show_envvar=True,
        help="Encrypt, and trust this machine's certificate authorities.",
    ),
    click.option(
        '--ca',
        metavar='FILE',
        envvar='VAIVEN_CA',
        show_envvar=True,
        help="CA certificate (PEM) that signed the server's. Implies --tls.",
    ),
    click.option(
        '--certificate',
        metavar='FILE',
        envvar='VAIVEN_CERTIFICATE',
        show_envvar=True,
        help='Client certificate (PEM), for mutual TLS.',
    ),
    click.option(
        '--key',
        metavar='FILE',
        envvar='VAIVEN_KEY',
        show_envvar=True,
        help='Private key (PEM) of --certificate.',
    ),
    click.option(
        '--token-file',
        metavar='FILE',
        envvar='VAIVEN_TOKEN_FILE',
        show_envvar=True,
        help='File with the bearer token to send.',
    ),
)

# For commands about a model: `target: Target`.
server_options = option_group('target', _target, _SERVER_OPTION, _model_option(MODEL), *_CONNECTION_OPTIONS)
# For commands that send requests to a version: `target: Target`. Without --model its name is empty, and
# `connecting.resolve_target` finds a model that can answer.
model_version_options = option_group(
    'target',
    _target,
    _SERVER_OPTION,
    _model_option(None),
    *_CONNECTION_OPTIONS,
    click.option('--version', type=VERSION, metavar='N', help='Number of the version to use.'),
    click.option('--label', type=Utf8(), metavar='LABEL', help='Label of the version to use, as stable.'),
    click.option('--rest', is_flag=True, help=f'Send requests over REST.  [default server: {REST_ADDRESS}]'),
)
encoding_option = click.option(
    '--encoding', type=Encoding(), metavar='NAME', help='Encoding of the file, as cp1252.  [default: UTF-8]'
)
