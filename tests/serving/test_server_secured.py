"""TLS, client certificates and bearer tokens on both ports of real servers."""

import http.client
import json
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format
from raw_clients import Grpc, Rest, predict, values

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

TOKEN = 'a-good-token'


class Certificates:
    """Of an authority, and of a server and a client that it signed; `stranger` is signed by itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
        self.make('authority')
        signed = ['-CA', str(folder / 'authority.pem'), '-CAkey', str(folder / 'authority.key')]
        for name in ('server', 'client'):
            self.make(name, *names, *signed, '-addext', 'basicConstraints=critical,CA:FALSE')
        self.make('stranger', *names)

    def make(self, name: str, *more: str) -> None:
        command = [
            'openssl',
            'req',
            '-x509',
            '-newkey',
            'rsa:2048',
            '-days',
            '2',
            '-noenc',
            '-subj',
            f'/CN={name}',
        ]
        paths = ['-keyout', str(self.folder / f'{name}.key'), '-out', str(self.folder / f'{name}.pem')]
        subprocess.run([*command, *paths, *more], check=True, capture_output=True)

    def bytes(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def config(self, **more: Any) -> Path:
        """An SSLConfig file of the server."""
        file = self.folder / 'ssl'
        config = messages.SSLConfig(
            server_key=self.bytes('server.key'), server_cert=self.bytes('server.pem'), **more
        )
        file.write_text(text_format.MessageToString(config))
        file.chmod(0o600)
        return file


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    try:
        return Certificates(tmp_path_factory.mktemp('pem'))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f'no openssl that makes certificates: {error}')


@pytest.fixture(scope='module')
def mutual(
    base_path: Path, made: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Both ports require a certificate and a token."""
    tokens = tmp_path_factory.mktemp('tokens') / 'tokens'
    tokens.write_text(f'# ours\n{TOKEN}\n')
    tokens.chmod(0o600)
    flags = {
        'ssl_config_file': made.config(custom_ca=made.bytes('authority.pem'), client_verify=True),
        'rest_api_tls': True,
        'auth_tokens_file': tokens,
        'rest_api_enable_cors_support': True,
    }
    with ServerProcess('half', base_path, flags=flags) as running:
        yield running


def over_grpc(
    address: str, made: Certificates, client: str, token: str = '', signer: str = 'authority'
) -> Any:
    """The response to x = 2 over TLS, or the code of the error."""
    pair = (made.bytes(f'{client}.key'), made.bytes(f'{client}.pem')) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(made.bytes(f'{signer}.pem'), *pair)
    if token:
        bearer = grpc.access_token_call_credentials(token)
        credentials = grpc.composite_channel_credentials(credentials, bearer)
    grpc_client = Grpc(address, credentials)
    try:
        return values(grpc_client('Predict', predict('half', x=[2.0]), timeout=20))
    except grpc.RpcError as error:
        return error.code().name
    finally:
        grpc_client.channel.close()


def over_rest(
    url: str, made: Certificates, client: str, token: str = '', path: str = '/v1/models/half'
) -> Any:
    """Status and answer over HTTPS, or the kind of the error."""
    context = ssl.create_default_context(cadata=made.bytes('authority.pem').decode())
    if client:
        context.load_cert_chain(made.folder / f'{client}.pem', made.folder / f'{client}.key')
    headers = {'Authorization': f'Bearer {token}'} if token else {}
    body = b'{"instances": [2]}' if path.endswith(':predict') else None
    request = urllib.request.Request(url.replace('http://', 'https://') + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError as error:
        return type(getattr(error, 'reason', error)).__name__


def test_without_a_token_a_body_is_neither_awaited_nor_decompressed(
    mutual: ServerProcess, made: Certificates
) -> None:
    context = ssl.create_default_context(cadata=made.bytes('authority.pem').decode())
    context.load_cert_chain(made.folder / 'client.pem', made.folder / 'client.key')
    host, _, port = mutual.rest_url.rpartition('/')[2].rpartition(':')
    head = (
        b'POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n'
        b'Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n'
    )
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname='127.0.0.1') as connection,
    ):
        connection.sendall(head)
        answer = connection.recv(65536)
    assert answer.startswith(b'HTTP/1.1 401 ')
    assert b'Connection: close' in answer


def test_a_certificate_and_a_token_open_grpc(mutual: ServerProcess, made: Certificates) -> None:
    address = mutual.grpc_address
    assert over_grpc(address, made, 'client', TOKEN) == [3]
    assert over_grpc(address, made, 'client') == 'UNAUTHENTICATED'
    assert over_grpc(address, made, 'client', 'another-token') == 'UNAUTHENTICATED'
    assert over_grpc(address, made, '', TOKEN) == 'UNAVAILABLE'
    assert over_grpc(address, made, 'stranger', TOKEN) == 'UNAVAILABLE'
    assert over_grpc(address, made, 'client', TOKEN, 'stranger') == 'UNAVAILABLE', (
        'the client knows its server'
    )
    plain = Grpc(address)
    assert plain.error('Predict', predict('half', x=[2.0]))[0] == 'UNAVAILABLE'
    plain.channel.close()


def test_a_certificate_and_a_token_open_rest(mutual: ServerProcess, made: Certificates) -> None:
    url, path = mutual.rest_url, '/v1/models/half:predict'
    assert over_rest(url, made, 'client', TOKEN, path) == (200, {'predictions': [3.0]})
    status, answer = over_rest(url, made, 'client', '', path)
    assert (status, list(answer)) == (401, ['error'])
    assert over_rest(url, made, 'client', 'another-token')[0] == 401
    assert over_rest(url, made, 'client', '', '/readyz')[0] == 200, 'health is open to all'
    for client in ('', 'stranger'):
        assert isinstance(over_rest(url, made, client, TOKEN, path), str)
    with pytest.raises((OSError, http.client.HTTPException)) as caught:
        Rest(url)('/v1/models/half')
    assert not isinstance(caught.value, urllib.error.HTTPError)


def test_unauthenticated_callers_did_no_harm_and_the_log_has_no_secret(
    mutual: ServerProcess, made: Certificates
) -> None:
    assert over_grpc(mutual.grpc_address, made, 'client', TOKEN) == [3]
    log = mutual.log_tail(1000)
    assert 'Traceback' not in log
    assert 'PRIVATE KEY' not in log
    assert TOKEN not in log


def test_tls_is_for_grpc_only_unless_a_flag_adds_rest(base_path: Path, made: Certificates) -> None:
    with ServerProcess('half', base_path, flags={'ssl_config_file': made.config()}) as server:
        assert over_grpc(server.grpc_address, made, '') == [3]
        assert Rest(server.rest_url)('/v1/models/half:predict', {'instances': [2]}) == (
            200,
            {'predictions': [3.0]},
        )
