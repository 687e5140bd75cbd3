"""Text protos have one reader; each fault of a file is one line that says what is wrong and in which file."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaiven.serving.common import textproto, tls
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.status import StatusError
from vaiven.serving.rollout import configuration
from vaiven.serving.server import batching_parameters, model_config, monitoring, session
from vaiven.serving.server.flags import Options
from vaiven.serving.wire import messages

CONFIG = 'tensorflow.serving.ModelServerConfig'
MODEL = 'model_config_list { config { name: "half" base_path: "/half" model_platform: "tensorflow" } }'
ANY = '[type.googleapis.com/google.protobuf.Any] { '


def of_attributes(depth: int) -> str:
    """A ConfigProto with values in values, `depth` deep."""
    value = 'func { attr { key: "a" value { ' * depth + '} } } ' * depth
    optimizer = 'graph_options { rewrite_options { custom_optimizers { parameter_map { key: "a" value { '
    return optimizer + value + '} } } } }'


def read(path: Path) -> Any:
    return textproto.read(path, messages.ModelServerConfig(), messages.pool)


@pytest.mark.parametrize(
    ('content', 'says'),
    [
        (b'what is this {', f'Error parsing text-format {CONFIG}: 1:1 : '),
        (b'model_config_list { config { nam: "a" } }', 'has no field named "nam"'),
        (b'model_config_list { config { name: "abc', 'String missing ending quote'),
        (b'model_config_list { config { name: "\\377" } }', "can't decode byte 0xff"),
        (b'custom_model_config { ' + ANY.encode() * 5000, 'messages are nested too deeply'),
        (b'custom_model_config { ' + ANY.encode() * 5000 + b'} ' * 5001, 'messages are nested too deeply'),
        (b'model_config_list {\n  config {}\n}\nm\xe9', 'must be UTF-8 text, a ' + CONFIG),
        (MODEL.encode('utf-16'), 'byte 1 is not UTF-8'),
        (b'\x1b[31m\x07', 'Expected identifier'),
        (b'x' * 100_000 + b': 1', 'has no field named'),
        (b'#' * (textproto.MAX_BYTES + 1), 'larger than 16 MiB'),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_each_fault_is_one_short_line_with_the_file(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / 'models.config'
    path.write_bytes(content)
    with pytest.raises(textproto.TextProtoError) as told:
        read(path)
    line = str(told.value)
    assert says in line
    assert str(path) in line
    assert line.isprintable()
    assert len(line) < 600 + len(str(path))


def test_a_file_that_is_missing_a_folder_or_endless_is_one_line(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path / 'none', f'cannot read {tmp_path}/none: No such file or directory'),
        (tmp_path, f'cannot read {tmp_path}: Is a directory'),
        (Path('/dev/zero'), '/dev/zero is larger than 16 MiB'),
        (Path('a\0b'), 'cannot read a'),
    ):
        with pytest.raises(textproto.TextProtoError, match=says):
            read(path)


def test_a_byte_order_mark_and_a_pipe_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'models.config'
    path.write_bytes(b'\xef\xbb\xbf' + MODEL.replace(' { ', ' {\r\n').encode())
    assert read(path).model_config_list.config[0].name == 'half'
    os.mkfifo(tmp_path / 'pipe')
    writer = threading.Thread(target=(tmp_path / 'pipe').write_text, args=[MODEL])
    writer.start()
    assert read(tmp_path / 'pipe').model_config_list.config[0].name == 'half'
    writer.join(60)


def test_nothing_of_a_secret_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / 'tls.config'
    path.write_text('server_cert: "public"\nserver_key: "hidden" "hid\n')
    with pytest.raises(textproto.TextProtoError) as told:
        textproto.read(path, messages.SSLConfig(), messages.pool, secret=True)
    assert (
        str(told.value)
        == f'{textproto.PARSE_ERROR} tensorflow.serving.SSLConfig: line 2, column 22 (in {path})'
    )


def _session(path: Path) -> Any:
    return session.session_options(Options(model_base_path='/x', tensorflow_session_config_file=str(path)))


def _platform(path: Path) -> Any:
    return session.session_options(Options(model_base_path='/x', platform_config_file=str(path)))


READERS: dict[str, Callable[[Path], Any]] = {
    'models': model_config.read,
    'rollout': configuration.read,
    'batching': batching_parameters.read,
    'monitoring': monitoring.metrics_path,
    'tls': tls.read,
    'session': _session,
    'platform': _platform,
}


@pytest.mark.parametrize('reader', READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ('content', 'says'),
    [
        (b'nonsense {', 'Error parsing text-format tensorflow'),
        (b'\xff\xfe', 'must be UTF-8 text'),
        (None, 'Is a directory'),
    ],
    ids=['syntax', 'not UTF-8', 'folder'],
)
def test_every_configuration_file_is_read_by_it(
    tmp_path: Path, reader: Callable[[Path], Any], content: bytes | None, says: str
) -> None:
    path = tmp_path
    if content is not None:
        path = tmp_path / 'file'
        path.write_bytes(content)
    with pytest.raises((ServingError, StatusError)) as told:
        reader(path)
    line = getattr(told.value, 'message', str(told.value))
    assert says in line
    assert str(path) in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize('depth', [32, 40, 100, 3000])
def test_a_session_that_tensorflow_could_not_read_back_is_nested_too_deeply(
    tmp_path: Path, depth: int
) -> None:
    path = tmp_path / 'session.config'
    path.write_text(of_attributes(depth))
    with pytest.raises(ServingError, match='nested too deeply'):
        _session(path)


def test_a_session_that_is_nested_a_little_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'session.config'
    path.write_text(of_attributes(10))
    found, _ = _session(path)
    assert found.config


@pytest.mark.parametrize(
    'flag',
    ['--ssl_config_file', '--batching_parameters_file', '--tensorflow_session_config_file'],
)
def test_a_server_says_it_on_both_streams_in_one_line(tmp_path: Path, flag: str) -> None:
    (tmp_path / 'file').write_text('what is this {')
    result = subprocess.run(
        [
            sys.executable, '-m', 'vaiven.serving.server', '--port=0', f'--grpc_socket_path={tmp_path}/socket',
            '--enable_batching', '--model_base_path=/x', f'{flag}={tmp_path}/file',
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 255
    (line,) = result.stdout.splitlines()
    assert line.startswith('Failed to start server. Error: Error parsing text-format tensorflow')
    assert line.removeprefix('Failed to start server. Error: ') in result.stderr.splitlines()
    assert 'Traceback' not in result.stderr
