"""How a client connects to its server: encryption, credentials, retries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_MESSAGE_BYTES, MAX_SECONDS

DEFAULT_MESSAGE_BYTES = 64 << 20
MAX_ATTEMPTS = 5  # the limit of gRPC's retry policy


@dataclass(frozen=True)
class Connection:
    """Options of a client beside the address. Its `repr` shows no secrets.

    Attributes:
        max_message_bytes: maximum size of a request and of a response; at most 2 GiB.
        tls: whether to encrypt the connection; `ca`, `certificate` and `key` imply it.
        ca: file with the root certificates (PEM); None for those of the system.
        certificate, key: files (PEM) with the client's certificate and private key, for mutual TLS.
        server_name: name to verify in the server's certificate, if it is not the host of the address.
        token: bearer token of each request. Without TLS it can be read on the network.
        metadata: headers of every request.
        attempts: attempts for a request that fails with UNAVAILABLE, with exponential backoff, all within the
            timeout of the call. 1 for no retries.
        keepalive_seconds: interval of keepalive pings while the server is silent; 0 for none.
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
            raise ServingError('mutual TLS needs a certificate and its key: give both, or neither')
        if not 1 <= self.attempts <= MAX_ATTEMPTS:
            raise ServingError(f'attempts must lie between 1 and {MAX_ATTEMPTS}. Received: {self.attempts}')
        if self.token is not None and (
            not self.token.isascii() or not self.token.isprintable() or not self.token
        ):
            raise ServingError('a token must be one line of printable ASCII: check where it was read from')
        if not 1 <= self.max_message_bytes <= MAX_MESSAGE_BYTES:
            raise ServingError(
                f'max_message_bytes must lie between 1 and {MAX_MESSAGE_BYTES}. '
                f'Received: {self.max_message_bytes}'
            )
        if self.keepalive_seconds != 0 and not 0.001 <= self.keepalive_seconds <= MAX_SECONDS:
            raise ServingError(
                f'keepalive_seconds must be 0 or lie between 0.001 and {MAX_SECONDS:.0f}. '
                f'Received: {self.keepalive_seconds}'
            )
        for name, value in self.metadata.items():
            if not re.fullmatch('[a-z0-9_-]+', name) or name.startswith('grpc-') or name.endswith('-bin'):
                raise ServingError(
                    'metadata names must be lower-case ASCII, not start with grpc- and not end with -bin. '
                    f'Received: {name!r}'
                )
            if not isinstance(value, str) or not value.isascii() or not value.isprintable():
                raise ServingError(f'metadata values must be printable ASCII: check {name!r}')

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self.tls or self.ca is not None or self.certificate is not None

    def headers(self) -> list[tuple[str, str]]:
        """Returns the headers of each request, the token included."""
        headers = list(self.metadata.items())
        return headers if self.token is None else [*headers, ('authorization', f'Bearer {self.token}')]

    def grpc_options(self) -> list[tuple[str, Any]]:
        """Returns the channel arguments for gRPC."""
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
            # HTTP proxies of the environment are for the internet, not for model servers.
            ('grpc.enable_http_proxy', 0),
            ('grpc.service_config', json.dumps(config)),
            ('grpc.enable_retries', int(self.attempts > 1)),
            # Reconnects quickly to a restarted server; gRPC's default backoff grows to two minutes.
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
        """Returns the credentials of a secure channel.

        Raises:
            ServingError: a file cannot be read, or is not valid; gRPC itself would not say which.
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
        """Returns the context for HTTPS; None for the defaults of the system.

        Raises:
            ServingError: a file cannot be read, or is not valid.
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
    """Returns `seconds` if it is a valid timeout. Raises ServingError otherwise."""
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
