"""TLS from an SSLConfig file: for gRPC as the stock server has it, and for REST, which it leaves in plain HTTP."""

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from vaiven.serving.common import config_file
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import messages


@dataclass(frozen=True)
class Tls:
    """Key and certificates, checked; PEM text. Printing it shows none of them."""

    path: Path
    key: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    authority: bytes = field(repr=False)  # who signs the clients' certificates; may be empty
    client_verify: bool

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For `add_secure_port`; with `client_verify` a client must show a certificate that `custom_ca` signed."""
        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)],
            root_certificates=self.authority or None,
            require_client_auth=self.client_verify,
        )

    def ssl_context(self) -> ssl.SSLContext:
        """For REST: TLS 1.2 or newer, clients verified. Raises ServingError if the PEM text is not valid."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(['http/1.1'])
        self._load_pair(context)
        if self.authority:
            try:
                context.load_verify_locations(cadata=self.authority.decode('ascii'))
            except (ssl.SSLError, ValueError):
                raise ServingError(f'{self.path}: custom_ca is not a certificate in PEM text') from None
        if self.client_verify:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load_pair(self, context: ssl.SSLContext) -> None:
        # The interface wants a file: one in memory only, that no other process finds.
        descriptor = os.memfd_create('pem', os.MFD_CLOEXEC)
        try:
            with open(descriptor, 'wb', closefd=False) as file:
                file.write(self.key.rstrip() + b'\n' + self.certificate)
            # With a password it would ask the terminal for, a key is refused.
            context.load_cert_chain(f'/proc/self/fd/{descriptor}', password=_no_password)
        except _EncryptedError:
            raise ServingError(
                f'{self.path}: server_key is encrypted; the server cannot ask for its password: '
                'write the key without one'
            ) from None
        except ssl.SSLError as error:
            rule = 'server_key and server_cert must be a private key and its certificates in PEM text'
            reason = (error.reason or 'not PEM').lower().replace('_', ' ')
            raise ServingError(f'{self.path}: {rule} ({reason})') from None
        finally:
            os.close(descriptor)


class _EncryptedError(Exception):
    pass


def _no_password() -> bytes:
    raise _EncryptedError


def read(path: Path) -> Tls:
    """What an SSLConfig file says.

    Raises:
        ServingError: it cannot be read; a key or certificate is missing, is no PEM, or does not fit the other; or
            clients are to be verified without a `custom_ca` to verify them by. Nothing of a key is in the text.
    """
    config = config_file.read(path, messages.SSLConfig, secret=True)
    for name in ('server_key', 'server_cert'):
        if not getattr(config, name).strip():
            raise ServingError(f'{path}: {name} is missing: give it as PEM text')
    if config.client_verify and not config.custom_ca.strip():
        raise ServingError(f"{path}: client_verify needs custom_ca, the certificate that signs the clients'")
    found = Tls(
        path,
        config.server_key.encode(),
        config.server_cert.encode(),
        config.custom_ca.strip().encode(),
        config.client_verify,
    )
    found.ssl_context()
    config_file.warn_if_public(path)
    return found
