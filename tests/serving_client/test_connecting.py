"""Without a server `predict`, `next` and `generate` use the newest pushed model that can answer, and say so."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from vaiven.serving.commands import connecting
from vaiven.serving.commands.options import Target
from vaiven.serving.commands.pushed_models import PushedModel, pushed_models
from vaiven.serving.common import ports
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire.messages import SavedModel

SERVER_LIBRARIES = ('tensorflow', 'tensorflow_text', 'aiohttp')


def saved_model(folder: Path, *signatures: tuple[str, str]) -> None:
    """A SavedModel that says which signatures it has, with an output each, and holds nothing."""
    model = SavedModel()
    graph = model.meta_graphs.add()
    for signature, output in signatures:
        graph.signature_def[signature].outputs[output].name = 'x'
    folder.mkdir(parents=True)
    (folder / 'saved_model.pb').write_bytes(model.SerializeToString())


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four models of two kinds, pushed a second apart, without a server."""
    base = tmp_path / 'vaiven-runs'
    sentiment = (('serving_default', 'label'), ('next_word', 'tokens'))
    language = (('serving_default', 'score'), ('generate', 'generated'), ('next_word', 'tokens'))
    folders = {'reviews/1': sentiment, 'shop/4': sentiment, 'shop/5': sentiment, 'novel/1': language}
    for age, (name, signatures) in enumerate(reversed(folders.items())):
        folder = base / name.split('/')[0] / 'serving' / name
        saved_model(folder, *signatures)
        os.utime(folder, (1_700_000_000 - age, 1_700_000_000 - age))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))
    monkeypatch.setattr(connecting, 'APPEAR_SECONDS', 0.0)
    return base


def unused_address(model: str = '', version: int | None = None, label: str | None = None) -> Target:
    [port] = ports.free('127.0.0.1', 1)
    return Target(f'127.0.0.1:{port}', model, version, label, 5.0, explicit=False)


@pytest.mark.parametrize(
    ('signature', 'output', 'model', 'version', 'address'),
    [
        ('serving_default', 'label', '', None, 'shop/serving/shop'),
        ('serving_default', 'label', 'reviews', None, 'reviews/serving/reviews'),
        ('serving_default', 'label', '', 4, 'shop/serving/shop/4'),
        ('generate', 'generated', '', None, 'novel/serving/novel'),
        ('next_word', 'tokens', '', None, 'novel/serving/novel'),
    ],
)
def test_the_newest_model_with_the_signature_is_used_and_reported(
    runs: Path,
    capsys: pytest.CaptureFixture[str],
    signature: str,
    output: str,
    model: str,
    version: int | None,
    address: str,
) -> None:
    place = unused_address(model, version)
    found = connecting.resolve_target(place, signature, output)
    assert found.server == f'saved-model:{runs / address}'
    assert found.model == address.split('/')[0]
    said = capsys.readouterr().err
    assert said.startswith(f'vaiven: no server answers at {place.server}: using version ')
    assert 'vaiven-runs/' + '/'.join(address.split('/')[:3]) in said
    assert said.count('\n') == 1


@pytest.mark.parametrize(
    ('place', 'line'),
    [
        (unused_address('films'), "no pushed model 'films' with the signature generate"),
        (unused_address('reviews'), "no pushed model 'reviews' with the signature generate"),
        (unused_address(version=9), 'of version 9'),
        (unused_address(label='stable'), "only a server knows the label 'stable'"),
    ],
)
def test_the_message_without_a_model_names_the_remedy(runs: Path, place: Target, line: str) -> None:
    with pytest.raises(ServingError, match='no server answers at') as raised:
        connecting.resolve_target(place, 'generate', 'generated')
    assert line in str(raised.value)
    assert '`vaiven ' in str(raised.value)


def test_an_explicit_server_is_used_whatever_was_pushed(runs: Path) -> None:
    place = Target('127.0.0.1:1', '', None, None, 5.0, explicit=True)
    assert connecting.resolve_target(place, 'generate', 'generated') is place
    remote = Target('models.example:8500', '', None, None, 5.0, explicit=True)
    assert connecting.resolve_target(remote, 'generate', 'generated').model == 'novel'


def test_the_message_without_tensorflow_names_the_remedy(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('vaiven.serving.common.installed.LIBRARIES', ('a_library_that_nobody_has',))
    with pytest.raises(ServingError, match='needs a_library_that_nobody_has') as raised:
        connecting.resolve_target(unused_address(), 'serving_default', 'label')
    assert 'run `vaiven serve` elsewhere' in str(raised.value)
    assert raised.value.exit_status == 1


def test_a_pushed_model_replaces_a_server_without_the_model_only_at_the_default_address(
    runs: Path, server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server has `reviews`; it was not started by `vaiven serve`, so its models are unknown."""
    place = Target(server.grpc_address, '', None, None, 5.0, explicit=False)
    assert connecting.resolve_target(place, 'serving_default', 'label').model == 'reviews'
    assert capsys.readouterr().err == ''
    found = connecting.resolve_target(place, 'generate', 'generated')
    assert found.server == f'saved-model:{runs}/novel/serving/novel'
    assert 'no model with the signature generate: using version 1' in capsys.readouterr().err


def test_a_broken_model_cannot_answer(tmp_path: Path) -> None:
    saved_model(tmp_path / '1', ('generate', 'generated'))
    assert PushedModel(tmp_path, 1).has_output('generate', 'generated')
    assert not PushedModel(tmp_path, 1).has_output('generate', 'label')
    (tmp_path / '1/saved_model.pb').write_bytes(b'\xff')
    assert not PushedModel(tmp_path, 1).has_output('generate', 'generated')


def test_names_of_models_are_not_patterns(tmp_path: Path) -> None:
    saved_model(tmp_path / 'vaiven-runs/a[b]/serving/a[b]/1', ('generate', 'generated'))
    assert [one.folder.name for one in pushed_models('a[b]', root=tmp_path)] == ['a[b]']
    assert pushed_models('*', root=tmp_path) == []


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) != 0


@pytest.mark.usefixtures('default_ports')
def test_the_commands_answer_without_a_server(pushed: Path, tmp_path: Path) -> None:
    if not _is_free(8500):
        pytest.skip('something listens at the default address')
    shutil.copytree(pushed.parents[2], tmp_path / 'vaiven-runs')
    environment = {**os.environ, 'XDG_STATE_HOME': str(tmp_path / 'state')}
    environment.pop('VAIVEN_SERVER', None)
    for arguments, answer in (
        (['predict', 'gg'], 'positive\t1.000000\tgg\n'),
        (['generate', '--length', '3', '--seed', '1', 'x'], 'x ñ 3 0.8 0.95 0 0 1 0\n'),
    ):
        found = subprocess.run(
            [sys.executable, '-m', 'vaiven.pipeline.cli', *arguments],
            capture_output=True, text=True, cwd=tmp_path, env=environment, check=True,
        )  # fmt: skip
        assert found.stdout == answer
        assert found.stderr == (
            'vaiven: no server answers at 127.0.0.1:8500: using version 3 of '
            'vaiven-runs/reviews/serving/reviews in this process\n'
        )
