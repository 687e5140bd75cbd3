"""Memory of versions is returned to the system when they are unloaded."""

import os
import shutil
from pathlib import Path

from raw_clients import Grpc, predict, values, wait_until

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

MODELS = ('one', 'two', 'three', 'four')
MODEL_MB = 40


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def test_memory_of_unloaded_versions_goes_back_to_the_system(
    server: ServerProcess, grpc_client: Grpc, base_path: Path, other_models: Path, tmp_path: Path
) -> None:
    def serve(*names: str) -> None:
        reload = messages.ReloadConfigRequest()
        for name in ('half', *names):
            path = base_path if name == 'half' else tmp_path / name
            reload.config.model_config_list.config.add(
                name=name, base_path=str(path), model_platform='tensorflow'
            )
        grpc_client('HandleReloadConfigRequest', reload)

    def ended() -> bool:
        return all(server.log_tail().count(f'model={name} version=1 state=END') for name in MODELS)

    for name in MODELS:
        shutil.copytree(other_models / 'big', tmp_path / name, copy_function=os.link)
    assert values(grpc_client('Predict', predict('half', x=[2.0]))) == [3]
    before = resident_megabytes(server.pid)
    serve(*MODELS)
    for name in MODELS:
        assert values(grpc_client('Predict', predict(name, x=[2.0]))) == [3]
    assert resident_megabytes(server.pid) > before + len(MODELS) * MODEL_MB / 2, 'they are in memory'
    serve()
    wait_until(ended)
    assert resident_megabytes(server.pid) < before + MODEL_MB
