"""TLS on the gateway's ports, and towards the servers; with certificates made here."""

import json
import ssl
import subprocess
import urllib.request
from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format

from tests.gateway.conftest import MODEL, PLAN, Asking, before, embed, served, version_of
from vaiven.serving.common.errors import ServingError
from vaiven.serving.wire import messages

VERSIONS = {'stable': 1, 'canary': 2}


@pytest.fixture(scope='module')
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, and its key."""
    folder = tmp_path_factory.mktemp('pem')
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
        '/CN=localhost',
    ]
    names = ['-addext', 'subjectAltName=DNS:localhost']
    files = ['-keyout', str(folder / 'key.pem'), '-out', str(folder / 'cert.pem')]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return folder / 'cert.pem', folder / 'key.pem'


@pytest.fixture(scope='module')
def ssl_config(pair: tuple[Path, Path]) -> Path:
    """For both sides: callers must present the certificate as well."""
    certificate, key = (path.read_text() for path in pair)
    path = pair[0].parent / 'ssl.config'
    config = messages.SSLConfig(
        server_key=key, server_cert=certificate, custom_ca=certificate, client_verify=True
    )
    path.write_text(text_format.MessageToString(config))
    path.chmod(0o600)
    return path


def test_both_ports_and_both_ways_are_encrypted(
    pushed: Path, pair: tuple[Path, Path], ssl_config: Path, split_file: Path, tmp_path: Path
) -> None:
    certificate, key = pair
    towards = ['--ca', str(certificate), '--certificate', str(certificate), '--key', str(key)]
    with (
        served(pushed, tmp_path, VERSIONS, ssl_config_file=ssl_config, rest_api_tls=True) as server,
        before(
            server,
            *towards,
            '--server-name',
            'localhost',
            '--ssl-config-file',
            str(ssl_config),
            split=split_file,
        ) as gateway,
    ):
        credentials = grpc.ssl_channel_credentials(
            certificate.read_bytes(), key.read_bytes(), certificate.read_bytes()
        )
        port = gateway.grpc_address.rpartition(':')[2]
        with Asking(f'localhost:{port}', credentials) as ask:
            for number in range(10):
                answer, _ = ask.raw(embed().SerializeToString(), metadata=[('vaiven-key', f'k{number}')])
                assert version_of(answer) == VERSIONS[PLAN.label_of(f'k{number}')]
        with Asking(gateway.grpc_address) as plain:
            assert plain.error(embed().SerializeToString()).code() == grpc.StatusCode.UNAVAILABLE
        context = ssl.create_default_context(cafile=certificate)
        context.load_cert_chain(certificate, key)
        request = urllib.request.Request(
            f'https://localhost:{gateway.rest_url.rpartition(":")[2]}/v1/models/{MODEL}:predict',
            json.dumps({'signature_name': 'embed', 'instances': ['a']}).encode(),
            {'vaiven-key': 'k1'},
        )
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            assert json.loads(answer.read())['predictions'][0][1] == VERSIONS[PLAN.label_of('k1')]


def test_a_server_with_another_certificate_is_not_asked(
    pushed: Path, ssl_config: Path, split_file: Path, tmp_path: Path
) -> None:
    with (
        served(pushed, tmp_path, VERSIONS, ssl_config_file=ssl_config, rest_api_tls=True) as server,
        before(server, '--tls', split=split_file) as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        assert ask.error(embed().SerializeToString()).code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize('option', ['--ca', '--ssl-config-file'])
def test_certificates_that_are_none_are_refused_in_one_line(
    server, split_file, tmp_path: Path, option: str
) -> None:
    (tmp_path / 'none').write_text('no PEM')
    with pytest.raises(ServingError) as refused:
        before(server, option, str(tmp_path / 'none'), split=split_file)
    lines = [line for line in str(refused.value).splitlines() if line.startswith('vaiven: ')]
    assert len(lines) == 1
    assert 'Traceback' not in str(refused.value)
