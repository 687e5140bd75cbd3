"""TLS on both ports; mismatched files are refused in one line that contains no key."""

import asyncio
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from aiohttp import web
from google.protobuf import text_format

from vaiven.serving.common import tls
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server import monitoring
from vaiven.serving.wire import messages

OPENSSL = ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-days', '2', '-subj', '/CN=localhost']


class Pair:
    """A key and a certificate for localhost, signed by itself or by another pair."""

    def __init__(self, folder: Path, name: str, *more: str) -> None:
        self.key_path, self.path = folder / f'{name}.key', folder / f'{name}.pem'
        command = [*OPENSSL, '-keyout', str(self.key_path), '-out', str(self.path), *more]
        if not {'-noenc', '-passout'} & set(more):
            command.append('-noenc')
        subprocess.run(command, check=True, capture_output=True)
        self.key, self.certificate = self.key_path.read_text(), self.path.read_text()


@pytest.fixture(scope='module')
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp('pem')
    names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    try:
        authority = Pair(folder, 'authority')
        signed = [*names, '-CA', str(authority.path), '-CAkey', str(authority.key_path)]
        signed += ['-addext', 'basicConstraints=critical,CA:FALSE']
        return {
            'authority': authority,
            'server': Pair(folder, 'server', *names),
            'client': Pair(folder, 'client', *signed),
            'stranger': Pair(folder, 'stranger', *names),
            'locked': Pair(folder, 'locked', '-passout', 'pass:word'),
        }
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f'no openssl that makes certificates: {error}')


def write(path: Path, **fields: Any) -> Path:
    path.write_text(text_format.MessageToString(messages.SSLConfig(**fields)))
    path.chmod(0o600)
    return path


def plain(pairs: dict[str, Pair], tmp_path: Path, **more: Any) -> tls.Tls:
    server = pairs['server']
    path = write(tmp_path / 'ssl', server_key=server.key, server_cert=server.certificate, **more)
    return tls.read(path)


def ask_grpc(found: tls.Tls, credentials: grpc.ChannelCredentials) -> str:
    """The response of a server with `found`, or the code of the error."""

    async def run() -> str:
        async def answer(request: bytes, context: Any) -> bytes:
            return b'answer'

        server = grpc.aio.server()
        handlers = {'Ask': grpc.unary_unary_rpc_method_handler(answer)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('a.Service', handlers),))
        port = server.add_secure_port('127.0.0.1:0', found.grpc_credentials())
        await server.start()
        try:
            async with grpc.aio.secure_channel(f'localhost:{port}', credentials) as channel:
                return (await channel.unary_unary('/a.Service/Ask')(b'', timeout=20)).decode()
        except grpc.aio.AioRpcError as error:
            return error.code().name
        finally:
            await server.stop(None)

    return asyncio.run(run())


def ask_rest(found: tls.Tls, client: ssl.SSLContext) -> str:
    """The same over HTTPS."""

    async def run() -> str:
        async def answer(request: web.BaseRequest) -> web.Response:
            return web.Response(text='answer')

        runner = web.ServerRunner(web.Server(answer, access_log=None))
        await runner.setup()
        site = web.TCPSite(runner, '127.0.0.1', 0, ssl_context=found.ssl_context())
        await site.start()
        port = runner.addresses[0][1]
        try:
            return await asyncio.to_thread(fetch, f'https://127.0.0.1:{port}/')
        finally:
            await runner.cleanup()

    def fetch(url: str) -> str:
        try:
            with urllib.request.urlopen(url, timeout=20, context=client) as answer:
                return answer.read().decode()
        except OSError as error:
            return type(getattr(error, 'reason', error)).__name__

    return asyncio.run(run())


def trusting(pair: Pair, client: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pair.certificate)
    if client is not None:
        context.load_cert_chain(client.path, client.key_path)
    return context


def test_both_ports_speak_tls(pairs: dict[str, Pair], tmp_path: Path) -> None:
    found = plain(pairs, tmp_path)
    certificate = pairs['server'].certificate.encode()
    assert ask_grpc(found, grpc.ssl_channel_credentials(certificate)) == 'answer'
    assert (
        ask_grpc(found, grpc.ssl_channel_credentials(pairs['stranger'].certificate.encode())) == 'UNAVAILABLE'
    )
    assert ask_rest(found, trusting(pairs['server'])) == 'answer'
    assert ask_rest(found, trusting(pairs['stranger'])) == 'SSLCertVerificationError'


def test_clients_must_show_a_certificate_of_the_authority(pairs: dict[str, Pair], tmp_path: Path) -> None:
    found = plain(pairs, tmp_path, custom_ca=pairs['authority'].certificate, client_verify=True)
    root = pairs['server'].certificate.encode()

    def credentials(pair: Pair) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(root, pair.key.encode(), pair.certificate.encode())

    assert ask_grpc(found, credentials(pairs['client'])) == 'answer'
    assert ask_grpc(found, credentials(pairs['stranger'])) == 'UNAVAILABLE'
    assert ask_grpc(found, grpc.ssl_channel_credentials(root)) == 'UNAVAILABLE'
    assert ask_rest(found, trusting(pairs['server'], pairs['client'])) == 'answer'
    assert ask_rest(found, trusting(pairs['server'], pairs['stranger'])) != 'answer'
    assert ask_rest(found, trusting(pairs['server'])) != 'answer'


def test_a_certificate_authority_without_client_verify_requires_no_client_certificate(
    pairs: dict[str, Pair], tmp_path: Path
) -> None:
    found = plain(pairs, tmp_path, custom_ca=pairs['authority'].certificate)
    assert ask_rest(found, trusting(pairs['server'])) == 'answer'
    assert ask_grpc(found, grpc.ssl_channel_credentials(pairs['server'].certificate.encode())) == 'answer'


def test_old_tls_is_refused(pairs: dict[str, Pair], tmp_path: Path) -> None:
    assert plain(pairs, tmp_path).ssl_context().minimum_version is ssl.TLSVersion.TLSv1_2


def test_mismatched_files_are_refused_without_a_key_in_the_message(
    pairs: dict[str, Pair], tmp_path: Path
) -> None:
    server, stranger = pairs['server'], pairs['stranger']
    both = {'server_key': server.key, 'server_cert': server.certificate}
    for fields, says in [
        ({}, 'server_key is missing'),
        ({'server_cert': server.certificate}, 'server_key is missing'),
        ({'server_key': server.key}, 'server_cert is missing'),
        ({**both, 'server_key': stranger.key}, 'key values mismatch'),
        ({**both, 'server_key': 'no PEM'}, 'in PEM text'),
        ({**both, 'server_cert': 'no PEM'}, 'in PEM text'),
        ({**both, 'server_key': server.key[:500]}, 'in PEM text'),
        ({**both, 'server_key': pairs['locked'].key}, 'server_key is encrypted'),
        ({**both, 'client_verify': True}, 'client_verify needs custom_ca'),
        ({**both, 'custom_ca': 'no PEM'}, 'custom_ca is not a certificate'),
        ({**both, 'custom_ca': 'ñ'}, 'custom_ca is not a certificate'),
    ]:
        with pytest.raises(ServingError, match=says) as caught:
            tls.read(write(tmp_path / 'ssl', **fields))
        assert '\n' not in str(caught.value)
        assert server.key.splitlines()[3] not in str(caught.value)


def test_a_file_that_is_not_an_ssl_config_is_refused_without_a_quotation(tmp_path: Path) -> None:
    path = tmp_path / 'ssl'
    for content in (b'server_key: secret', b'secret: "x"', b'server_key: "secret', b'\xffsecret'):
        path.write_bytes(content)
        with pytest.raises(ServingError) as caught:
            tls.read(path)
        assert 'secret' not in str(caught.value)
        assert str(path) in str(caught.value)
    with pytest.raises(ServingError, match='cannot read'):
        tls.read(tmp_path / 'none')


def test_keys_are_neither_shown_nor_left_behind(
    pairs: dict[str, Pair], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'nowhere'))  # no file is made, so none can be left
    before = set(os.listdir('/proc/self/fd'))
    found = plain(pairs, tmp_path)
    found.ssl_context()
    assert len(set(os.listdir('/proc/self/fd')) - before) <= 1  # the listing itself
    assert 'PRIVATE KEY' not in repr(found)
    assert not caplog.records
    found.path.chmod(0o644)
    tls.read(found.path)
    assert 'everybody can read' in caplog.text
    assert 'PRIVATE KEY' not in caplog.text


@pytest.mark.parametrize(
    ('text', 'path'),
    [
        ('', ''),
        ('prometheus_config { enable: false path: "/x" }', ''),
        ('prometheus_config { enable: true }', '/monitoring/prometheus/metrics'),
        ('prometheus_config { enable: true path: "/metrics" }', '/metrics'),
    ],
)
def test_the_monitoring_file_says_where_the_metrics_are(tmp_path: Path, text: str, path: str) -> None:
    file = tmp_path / 'monitoring'
    file.write_text(text)
    assert monitoring.metrics_path(file) == path


@pytest.mark.parametrize('path', ['metrics', '/m?x', '/m\\n', '/ m', '/ñ'])
def test_a_metrics_path_that_no_request_can_have_is_refused(tmp_path: Path, path: str) -> None:
    file = tmp_path / 'monitoring'
    file.write_text(f'prometheus_config {{ enable: true path: "{path}" }}')
    with pytest.raises(ServingError, match='path must start'):
        monitoring.metrics_path(file)
    file.write_text('prometheus { }')
    with pytest.raises(ServingError, match='MonitoringConfig'):
        monitoring.metrics_path(file)
