"""Valid, invalid, many and concurrent reloads: none delays another, and the last one counts."""

import concurrent.futures
import itertools
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from raw_clients import Grpc, Rest, predict, values, wait_until

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

METRICS = '/monitoring/prometheus/metrics'
AVAILABLE, END = (messages.ModelVersionStatus.State.Value(name) for name in ('AVAILABLE', 'END'))


def entry(name: str, base_path: Path | str, more: str = '') -> str:
    return f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" {more} }}'


@pytest.fixture(scope='module')
def config_file(base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp('config') / 'models.config'
    file.write_text(f'model_config_list {{ {entry("half", base_path)} }}')
    return file


@pytest.fixture(scope='module')
def server(base_path: Path, config_file: Path) -> Iterator[ServerProcess]:
    (config_file.parent / 'monitoring').write_text('prometheus_config { enable: true }')
    flags = {
        'model_config_file': config_file,
        'model_config_file_poll_wait_seconds': 1,
        'monitoring_config_file': config_file.parent / 'monitoring',
    }
    with ServerProcess('half', base_path, flags=flags) as running:
        yield running


class Reloads:
    """Reloads of `half` and other models; names are not used twice."""

    numbers = itertools.count()

    def __init__(self, grpc_client: Grpc, base_path: Path) -> None:
        self.grpc_client = grpc_client
        self.base_path = base_path
        self.name = f'model-{next(self.numbers)}'

    def config(self, **models: Path | str) -> Any:
        made = messages.ModelServerConfig()
        for name, path in {'half': self.base_path, **models}.items():
            made.model_config_list.config.add(name=name, base_path=str(path), model_platform='tensorflow')
        return made

    def __call__(self, timeout: float = 60, **models: Path | str) -> tuple[str, str]:
        """Code and text of a reload to `half` and these models."""
        request = messages.ReloadConfigRequest(config=self.config(**models))
        try:
            self.grpc_client('HandleReloadConfigRequest', request, timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ''
        return 'OK', ''

    def states(self, name: str) -> dict[int, int]:
        """Versions and their states; none of a model that the server does not know."""
        try:
            answer = self.grpc_client(
                'GetModelStatus', messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name=name))
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return {}
        return {status.version: status.state for status in answer.model_version_status}

    def answer(self, name: str) -> float:
        """2.5 from the first kind of model, 3.5 from the second."""
        return values(self.grpc_client('Predict', predict(name, x=[1.0])))[0]


@pytest.fixture
def reload(grpc_client: Grpc, base_path: Path) -> Iterator[Reloads]:
    made = Reloads(grpc_client, base_path)
    yield made
    assert made()[0] == 'OK'


@pytest.fixture
def plus_2(made_models: list[Path], tmp_path: Path) -> Path:
    """A base path with version 1, x / 2 + 2."""
    return Path(shutil.copytree(made_models[0], tmp_path / 'plus-2' / '1')).parent


@pytest.fixture
def plus_3(made_models: list[Path], tmp_path: Path) -> Path:
    """The same number under another base path, with another model: x / 2 + 3."""
    return Path(shutil.copytree(made_models[1], tmp_path / 'plus-3' / '1')).parent


def broken(folder: Path, number: int = 1) -> Path:
    """A base path whose version cannot be loaded."""
    (folder / str(number)).mkdir(parents=True)
    (folder / str(number) / 'saved_model.pb').write_bytes(b'no graph')
    return folder


# -- waiting -------------------------------------------------------------------------------------------


def test_a_reload_that_waits_is_overtaken_by_the_one_that_mends_it(
    reload: Reloads, rest: Rest, plus_2: Path, tmp_path: Path
) -> None:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(reload, **{reload.name: tmp_path / 'nowhere'})
        wait_until(lambda: rest('/readyz')[1]['models_not_ready'] == [reload.name])
        assert not waiting.done()
        assert reload(20, **{reload.name: plus_2}) == ('OK', '')
        assert waiting.result(20) == (
            'ABORTED',
            f'a newer configuration came before model {reload.name} had an available version at '
            f'{tmp_path}/nowhere',
        )
    assert reload.answer(reload.name) == 2.5


def test_a_reload_that_waits_is_overtaken_by_one_without_its_model(reload: Reloads, tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(reload, **{reload.name: tmp_path / 'nowhere'})
        time.sleep(0.3)
        assert reload(20) == ('OK', '')
        assert waiting.result(20)[0] == 'ABORTED'


def test_a_reload_that_waits_ends_when_its_base_path_appears(
    reload: Reloads, plus_2: Path, tmp_path: Path
) -> None:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(reload, **{reload.name: tmp_path / 'late'})
        time.sleep(0.3)
        plus_2.rename(tmp_path / 'late')
        assert waiting.result(30) == ('OK', '')


def test_a_wait_ends_with_its_caller(reload: Reloads, tmp_path: Path) -> None:
    """Many more waiting reloads than the server has threads."""
    with concurrent.futures.ThreadPoolExecutor(40) as threads:
        nowhere = {reload.name: tmp_path / 'nowhere'}
        ended = [threads.submit(reload, 1.0, **nowhere) for _ in range(40)]
        assert {future.result(30)[0] for future in ended} == {'DEADLINE_EXCEEDED'}
    assert reload(20) == ('OK', '')


def test_a_model_added_later_that_cannot_load_leaves_the_server_ready(
    reload: Reloads, rest: Rest, grpc_client: Grpc, tmp_path: Path
) -> None:
    code, text = reload(30, **{reload.name: broken(tmp_path / 'broken')})
    assert (code, 'could be loaded' in text) == ('UNKNOWN', True)
    assert rest('/readyz') == (
        200, {'ready': True, 'draining': False, 'models_not_ready': [reload.name]},
    )  # fmt: skip
    assert grpc_client('Check', messages.HealthCheckRequest()).status == messages.HealthCheckResponse.SERVING


def test_a_model_that_was_ready_and_lost_all_its_versions_counts(
    reload: Reloads, rest: Rest, plus_2: Path
) -> None:
    assert reload(30, **{reload.name: plus_2})[0] == 'OK'
    shutil.rmtree(plus_2 / '1')
    wait_until(lambda: rest('/readyz')[0] == 503)
    assert reload()[0] == 'OK'
    wait_until(lambda: rest('/readyz')[0] == 200)


def test_the_configuration_file_is_read_while_a_reload_waits(
    reload: Reloads, config_file: Path, base_path: Path, plus_2: Path, tmp_path: Path
) -> None:
    before = config_file.read_text()
    with concurrent.futures.ThreadPoolExecutor() as threads:
        waiting = threads.submit(reload, **{reload.name: tmp_path / 'nowhere'})
        time.sleep(0.3)
        other = f'{reload.name}-of-file'
        config_file.write_text(f'model_config_list {{ {entry("half", base_path)} {entry(other, plus_2)} }}')
        wait_until(lambda: AVAILABLE in reload.states(other).values())
        assert waiting.result(20)[0] == 'ABORTED'
    config_file.write_text(before)
    wait_until(lambda: not reload.states(other))


def test_a_storm_of_reloads_leaves_the_last_one_and_delays_no_request(
    reload: Reloads, rest: Rest, plus_2: Path, plus_3: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    seconds: list[float] = []

    def traffic() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            assert reload.answer('half') == 2.5
            seconds.append(time.perf_counter() - began)

    bad = broken(tmp_path / 'broken')
    choices: list[dict[str, Path | str]] = [
        {reload.name: plus_2},
        {reload.name: tmp_path / 'nowhere'},
        {reload.name: bad},
        {reload.name: 'gs://bucket/m'},
        {reload.name: plus_3},
        {},
    ]
    thread = threading.Thread(target=traffic)
    thread.start()
    with concurrent.futures.ThreadPoolExecutor(36) as threads:
        ended = [threads.submit(reload, 20, **choices[number % len(choices)]) for number in range(36)]
        while sum(future.done() for future in ended) < 6:
            time.sleep(0.01)
        # It ends those that wait for nothing; what comes after it may overtake it in turn.
        codes = {reload(30, **{reload.name: plus_3})[0]}
        codes |= {future.result(60)[0] for future in ended}
    assert codes <= {'OK', 'ABORTED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED'}
    assert reload(30, **{reload.name: plus_3}) == ('OK', '')
    # A model that has an AVAILABLE version is not waited for: the version of the new path may still be loading.
    deadline = time.monotonic() + 30
    while (answer := reload.answer(reload.name)) == 2.5 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert answer == 3.5
    stop.set()
    thread.join()
    assert sorted(seconds)[int(len(seconds) * 0.99)] < 1, 'a request waited for a reload'


# -- paths ---------------------------------------------------------------------------------------------


def test_a_version_that_failed_under_one_path_loads_under_another(
    reload: Reloads, plus_2: Path, tmp_path: Path
) -> None:
    assert reload(30, **{reload.name: broken(tmp_path / 'broken', 1)})[0] == 'UNKNOWN'
    assert reload.states(reload.name) == {1: END}
    assert reload(30, **{reload.name: plus_2}) == ('OK', '')
    assert reload.answer(reload.name) == 2.5


def test_a_version_whose_path_changed_is_loaded_and_the_old_one_answers_until_then(
    reload: Reloads, plus_2: Path, plus_3: Path, tmp_path: Path
) -> None:
    assert reload(30, **{reload.name: plus_2}) == ('OK', '')
    assert reload(30, **{reload.name: broken(tmp_path / 'broken', 1)}) == ('OK', '')
    wait_until(lambda: reload.states(reload.name) == {1: END})
    assert reload.answer(reload.name) == 2.5
    assert reload(30, **{reload.name: plus_3}) == ('OK', '')
    wait_until(lambda: reload.answer(reload.name) == 3.5)
    assert reload.states(reload.name) == {1: AVAILABLE}


def test_a_removed_model_is_dropped_and_added_again_as_a_new_one(
    reload: Reloads, rest: Rest, made_models: list[Path], plus_2: Path, tmp_path: Path
) -> None:
    shutil.copytree(made_models[1], plus_2 / '2')
    broken(plus_2, 3)
    assert reload(30, **{reload.name: plus_2}) == ('OK', '')
    wait_until(lambda: reload.states(reload.name) == {3: END, 2: AVAILABLE})
    assert reload.answer(reload.name) == 3.5
    assert f'model_name="{reload.name}"' in rest(METRICS)[1]
    assert reload() == ('OK', '')
    wait_until(lambda: not reload.states(reload.name))
    assert f'model_name="{reload.name}"' not in rest(METRICS)[1]
    shutil.rmtree(plus_2 / '3')
    shutil.rmtree(plus_2 / '2')
    assert reload(30, **{reload.name: plus_2}) == ('OK', '')
    assert reload.states(reload.name) == {1: AVAILABLE}
    assert reload.answer(reload.name) == 2.5
    assert (
        f':tensorflow:serving:request_count{{model_name="{reload.name}",status="OK"}} 1\n' in rest(METRICS)[1]
    )


def test_a_label_of_a_removed_model_is_forgotten(reload: Reloads, grpc_client: Grpc, plus_2: Path) -> None:
    assert reload(30, **{reload.name: plus_2}) == ('OK', '')
    config = reload.config(**{reload.name: plus_2})
    config.model_config_list.config[1].version_labels['stable'] = 1
    grpc_client('HandleReloadConfigRequest', messages.ReloadConfigRequest(config=config))
    assert reload() == ('OK', '')
    assert reload(30, **{reload.name: plus_2}) == ('OK', '')
    request = predict(reload.name, x=[1.0])
    request.model_spec.version_label = 'stable'
    assert grpc_client.error('Predict', request) == (
        'INVALID_ARGUMENT',
        'Unrecognized servable version label: stable',
    )


@pytest.mark.parametrize('address', ['gs://bucket/half', 's3://bucket/half', 'hdfs://node/half'])
def test_a_reload_to_another_system_is_refused_and_changes_nothing(reload: Reloads, address: str) -> None:
    code, text = reload(20, **{reload.name: address})
    assert code == 'INVALID_ARGUMENT'
    assert text.startswith(f'model {reload.name}: base_path must be a folder of this machine: ')
    assert not reload.states(reload.name)


def test_a_file_address_is_a_folder(reload: Reloads, plus_2: Path) -> None:
    assert reload(30, **{reload.name: f'file://{plus_2}'}) == ('OK', '')
    assert reload.answer(reload.name) == 2.5


def test_a_base_path_that_is_removed_and_restored_needs_no_restart(
    reload: Reloads, server: ServerProcess, made_models: list[Path], plus_2: Path, tmp_path: Path
) -> None:
    assert reload(30, **{reload.name: plus_2}) == ('OK', '')

    def lines() -> list[str]:
        wanted = f'base path model={reload.name}'
        return [line for line in server.log_tail(5000).splitlines() if wanted in line]

    shutil.rmtree(plus_2)
    wait_until(lambda: len(lines()) == 1)
    plus_2.write_text('a file')
    wait_until(lambda: len(lines()) == 2)
    time.sleep(2.5)  # two more looks
    assert reload.answer(reload.name) == 2.5
    assert [('No such file' in line, 'Not a directory' in line) for line in lines()] == [
        (True, False), (False, True),
    ]  # fmt: skip
    plus_2.unlink()
    shutil.copytree(made_models[1], tmp_path / 'coming' / '2')
    (tmp_path / 'coming').rename(plus_2)
    wait_until(lambda: reload.states(reload.name) == {2: AVAILABLE, 1: END})
    assert reload.answer(reload.name) == 3.5


# -- the end -------------------------------------------------------------------------------------------


def test_a_reload_that_waits_does_not_delay_the_shutdown(base_path: Path, tmp_path: Path) -> None:
    with ServerProcess('half', base_path, flags={'drain_seconds': 600}) as server:
        reload = Reloads(Grpc(server.grpc_address), base_path)
        with concurrent.futures.ThreadPoolExecutor() as threads:
            waiting = threads.submit(reload, 300, **{reload.name: tmp_path / 'nowhere'})
            rest = Rest(server.rest_url)
            wait_until(lambda: rest('/readyz')[1]['models_not_ready'] == [reload.name])
            os.kill(server.pid, signal.SIGTERM)
            code, text = waiting.result(120)
    assert (code, text) == ('UNAVAILABLE', 'the server is stopping')
