"""How a client reaches its server: encryption, credentials, patience."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_MESSAGE_BYTES, MAX_SECONDS

DEFAULT_MESSAGE_BYTES = 64 << 20
MAX_ATTEMPTS = 5  # gRPC itself makes no more


@dataclass(frozen=True)
class Connection:
    """Settings of a client beside the address. Nothing secret is shown when one is printed.

    Attributes:
        max_message_bytes: the largest request and the largest answer; at most 2 GiB.
        tls: whether to encrypt; so it is wherever one of the next three is given.
        ca: file with the certificates (PEM) that the server's must be signed by; None for the system's own.
        certificate, key: files (PEM) that prove who the client is, for mutual TLS.
        server_name: the name that the server's certificate must have, where that is not its address.
        token: sent as a bearer token; over an unencrypted connection anybody on the way can read it.
        metadata: text sent with every request, as headers.
        attempts: how often a request is tried that found the server UNAVAILABLE, with growing pauses in between; the
            timeout of the call covers them all. 1 for once.
        keepalive_seconds: asks a silent server for a sign of life so often; 0 for never.
    """

    max_message_bytes: int = DEFAULT_MESSAGE_BYTES
    tls: bool = False
    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = field(default=None, repr=False)
    server_name: str = ''
    token: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    attempts: int = 3
    keepalive_seconds: float = 0.0

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ServingError('mutual TLS takes a certificate and its key: give both, or neither')
        if not 1 <= self.attempts <= MAX_ATTEMPTS:
            raise ServingError(f'attempts must lie between 1 and {MAX_ATTEMPTS}. Received: {self.attempts}')
        if self.token is not None and (
            not self.token.isascii() or not self.token.isprintable() or not self.token
        ):
            raise ServingError('a token is a line of printable ASCII: look at where it was read from')
        if not 1 <= self.max_message_bytes <= MAX_MESSAGE_BYTES:
            raise ServingError(
                f'max_message_bytes must lie between 1 and {MAX_MESSAGE_BYTES}. '
                f'Received: {self.max_message_bytes}'
            )
        if self.keepalive_seconds != 0 and not 0.001 <= self.keepalive_seconds <= MAX_SECONDS:
            raise ServingError(
                f'keepalive_seconds must be 0, for never, or lie between 0.001 and {MAX_SECONDS:.0f}. '
                f'Received: {self.keepalive_seconds}'
            )
        for name, value in self.metadata.items():
            if not re.fullmatch('[a-z0-9_-]+', name) or name.startswith('grpc-') or name.endswith('-bin'):
                raise ServingError(
                    'names of metadata are lower-case ASCII, and neither begin with grpc- nor end in -bin. '
                    f'Received: {name!r}'
                )
            if not isinstance(value, str) or not value.isascii() or not value.isprintable():
                raise ServingError(f'values of metadata are printable ASCII: look at {name!r}')

    @property
    def encrypted(self) -> bool:
        return self.tls or self.ca is not None or self.certificate is not None

    def headers(self) -> list[tuple[str, str]]:
        """The metadata of each request."""
        found = list(self.metadata.items())
        return found if self.token is None else [*found, ('authorization', f'Bearer {self.token}')]

    def grpc_options(self) -> list[tuple[str, Any]]:
        """What a gRPC channel is made with."""
        import json

        config: dict[str, Any] = {'loadBalancingConfig': [{'round_robin': {}}]}
        if self.attempts > 1:
            config['methodConfig'] = [
                {
                    'name': [{}],
                    'retryPolicy': {
                        'maxAttempts': self.attempts,
                        'initialBackoff': '0.1s',
                        'maxBackoff': '2s',
                        'backoffMultiplier': 3,
                        'retryableStatusCodes': ['UNAVAILABLE'],
                    },
                }
            ]
        options: list[tuple[str, Any]] = [
            ('grpc.max_send_message_length', self.max_message_bytes),
            ('grpc.max_receive_message_length', self.max_message_bytes),
            # A proxy of the environment is for the way out, never for a model server.
            ('grpc.enable_http_proxy', 0),
            ('grpc.service_config', json.dumps(config)),
            ('grpc.enable_retries', int(self.attempts > 1)),
            # A server that comes back is found again at once, not after gRPC's two minutes.
            ('grpc.initial_reconnect_backoff_ms', 200),
            ('grpc.max_reconnect_backoff_ms', 2000),
        ]
        if self.keepalive_seconds:
            options += [
                ('grpc.keepalive_time_ms', round(1000 * self.keepalive_seconds)),
                ('grpc.keepalive_permit_without_calls', 1),
            ]
        if self.server_name:
            options.append(('grpc.ssl_target_name_override', self.server_name))
        return options

    def grpc_credentials(self) -> Any:
        """For a secure channel.

        Raises:
            ServingError: a file cannot be read, or is not what it should be; gRPC itself would say so of no file.
        """
        import grpc

        credentials = grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca),
            private_key=_read(self.key),
            certificate_chain=_read(self.certificate),
        )
        self.ssl_context()
        return credentials

    def ssl_context(self) -> Any:
        """For HTTPS; None where the system's own certificates and no name but the address's will do.

        Raises:
            ServingError: a file cannot be read, or is not what it should be.
        """
        if self.ca is None and self.certificate is None:
            return None
        import ssl

        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else Path(self.ca))
        except OSError as error:
            raise ServingError(f'{self.ca} cannot be used as ca: {error}') from error
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key)
            except OSError as error:
                raise ServingError(
                    f'{self.certificate} and {self.key} cannot be used as certificate and key: {error}'
                ) from error
        return context


def checked_timeout(seconds: float) -> float:
    """The seconds that a call may take. Raises ServingError where no call could."""
    if not 0 <= seconds <= MAX_SECONDS:
        raise ServingError(f'a timeout must lie between 0 and {MAX_SECONDS:.0f} seconds. Received: {seconds}')
    return seconds


def _read(path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ServingError(f'cannot read {path}: {error.strerror}') from error
