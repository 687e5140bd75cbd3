"""Folders of request logs: the operator may name any, a caller of ModelService only the allowed ones."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from raw_clients import Rest, predict, wait_until

from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.log_folders import LogFolders
from vaiven.serving.server.model_config import ModelConfig
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages


def logging_to(prefix: Path | str) -> Any:
    made = messages.LoggingConfig()
    made.log_collector_config.filename_prefix = str(prefix)
    made.sampling_config.sampling_rate = 1
    return made


def allowed(folders: LogFolders, prefix: Path | str, *, from_file: bool = False) -> bool:
    try:
        folders.check([ModelConfig('m', Path('/m'), logging=logging_to(prefix))], from_file=from_file)
    except StatusError as error:
        assert error.code is Code.PERMISSION_DENIED  # noqa: PT017
        assert 'Received: ' in error.message  # noqa: PT017
        return False
    return True


def test_without_roots_the_file_may_name_any_folder_and_a_reload_what_the_file_names(tmp_path: Path) -> None:
    folders = LogFolders()
    assert not allowed(folders, tmp_path / 'half')
    assert allowed(folders, tmp_path / 'half', from_file=True)
    assert allowed(folders, tmp_path / 'half')
    assert not allowed(folders, tmp_path / 'other')
    assert not allowed(folders, f'{tmp_path}/half/')
    assert allowed(folders, tmp_path / 'other', from_file=True)
    assert not allowed(folders, tmp_path / 'half'), 'the file names it no more'


def test_with_roots_all_logs_are_below_them(tmp_path: Path) -> None:
    for name in ('a', 'b/c', 'elsewhere', 'a-too'):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / 'a' / 'out').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'in').symlink_to(tmp_path / 'b')
    folders = LogFolders(f'{tmp_path}/a,{tmp_path}/in')
    for prefix in ('a/half', 'a/', 'b/c/half', 'in/c/half', 'a/../a/half'):
        assert allowed(folders, f'{tmp_path}/{prefix}'), prefix
        assert allowed(folders, f'{tmp_path}/{prefix}', from_file=True), prefix
    for prefix in (
        'half',
        'a',
        'a-too/half',
        'a/out/half',
        'a/../elsewhere/half',
        'elsewhere/half',
        '../half',
    ):
        assert not allowed(folders, f'{tmp_path}/{prefix}'), prefix
        assert not allowed(folders, f'{tmp_path}/{prefix}', from_file=True), prefix


@pytest.mark.parametrize('roots', ['logs', '/nowhere/at/all', '/tmp,logs', '/dev/null'])
def test_roots_that_are_not_folders_are_refused(roots: str) -> None:
    with pytest.raises(ServingError, match='takes absolute paths of folders, comma-separated'):
        LogFolders(roots)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp('guarded')
    (made / 'logs').mkdir()
    (made / 'elsewhere').mkdir()
    (made / 'logs' / 'out').symlink_to(made / 'elsewhere')
    for name in ('tokens', 'admins'):
        (made / name).write_text(f'{name}-secret\n')
        (made / name).chmod(0o600)
    return made


@pytest.fixture(scope='module')
def server(base_path: Path, folder: Path) -> Iterator[ServerProcess]:
    flags = {
        'auth_tokens_file': folder / 'tokens',
        'admin_tokens_file': folder / 'admins',
        'request_log_root': folder / 'logs',
    }
    with ServerProcess('half', base_path, flags=flags) as running:
        yield running


def call(server: ServerProcess, method: str, request: Any, token: str) -> tuple[str, str]:
    service = 'PredictionService' if method == 'Predict' else 'ModelService'
    with grpc.insecure_channel(server.grpc_address) as channel:
        rpc = channel.unary_unary(
            f'/tensorflow.serving.{service}/{method}', lambda message: message.SerializeToString()
        )
        try:
            rpc(request, timeout=30, metadata=[('authorization', f'Bearer {token}-secret')])
        except grpc.RpcError as error:
            return error.code().name, error.details() or ''
    return 'OK', ''


def reload_with(base_path: Path, prefix: Path) -> Any:
    request = messages.ReloadConfigRequest()
    request.config.model_config_list.config.add(
        name='half', base_path=str(base_path), model_platform='tensorflow', logging_config=logging_to(prefix)
    )
    return request


def test_only_an_admin_reloads_and_logs_stay_below_the_root(
    server: ServerProcess, base_path: Path, folder: Path
) -> None:
    good = reload_with(base_path, folder / 'logs' / 'half')
    reload = 'HandleReloadConfigRequest'
    assert call(server, reload, good, 'tokens')[0] == 'PERMISSION_DENIED'
    assert call(server, reload, good, 'nobodys')[0] == 'UNAUTHENTICATED'
    for prefix in ('elsewhere/half', 'logs/out/half', 'logs/../elsewhere/half'):
        code, text = call(server, reload, reload_with(base_path, folder / prefix), 'admins')
        assert code == 'PERMISSION_DENIED'
        assert text.startswith(
            'logging_config of model half: filename_prefix must be below a folder of --request'
        )
    assert call(server, reload, good, 'admins') == ('OK', '')
    status = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name='half'))
    for token in ('tokens', 'admins'):
        assert call(server, 'GetModelStatus', status, token) == ('OK', '')
        assert call(server, 'Predict', predict('half', x=[1.0]), token) == ('OK', '')
    assert not list((folder / 'elsewhere').iterdir())
    wait_until(lambda: any(path.stat().st_size for path in (folder / 'logs').glob('half-*')))
    # The folder is swapped for a link while the server runs: nothing new is written behind it.
    (folder / 'logs' / 'sub').mkdir()
    assert call(server, reload, reload_with(base_path, folder / 'logs' / 'sub' / 'half'), 'admins')[0] == 'OK'
    shutil.rmtree(folder / 'logs' / 'sub')
    (folder / 'logs' / 'sub').symlink_to(folder / 'elsewhere')
    assert call(server, 'Predict', predict('half', x=[1.0]), 'tokens') == ('OK', '')
    wait_until(lambda: 'has become a link to' in server.log_tail())
    assert not list((folder / 'elsewhere').iterdir())


def test_rest_takes_both_kinds_of_tokens(server: ServerProcess) -> None:
    rest = Rest(server.rest_url)
    for token, status in (('tokens', 200), ('admins', 200), ('nobodys', 401)):
        header = {'Authorization': f'Bearer {token}-secret'}
        assert rest('/v1/models/half:predict', {'instances': [1.0]}, headers=header)[0] == status


def test_a_configuration_file_that_logs_elsewhere_does_not_start(base_path: Path, folder: Path) -> None:
    file = folder / 'models.config'
    config = messages.ModelServerConfig()
    config.CopyFrom(reload_with(base_path, folder / 'elsewhere' / 'half').config)
    file.write_text(str(config))
    flags = {'model_config_file': file, 'request_log_root': folder / 'logs'}
    with pytest.raises(ServingError, match='must be below a folder of --request_log_root'):
        ServerProcess('half', base_path, flags=flags).start()
