"""Requests that take too long, or whose caller has hung up, on a server with one thread for runs."""

import shutil
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

# Much longer than any test waits: a run that is not cancelled fails the test.
VERY_LONG = 300.0


@pytest.fixture(scope='module')
def server(base_path: Path) -> Iterator[ServerProcess]:
    flags = {'grpc_max_threads': 1, 'rest_api_timeout_in_ms': 1000, 'drain_seconds': 2}
    with ServerProcess('half', base_path, flags=flags) as running:
        yield running


def code(call: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name


def test_a_deadline_breaks_the_run_off_and_its_thread_is_free_again(grpc_client: Grpc, rest: Rest) -> None:
    for _ in range(3):
        request = predict('half', 'slow', seconds=[VERY_LONG])
        assert (
            code(lambda request=request: grpc_client('Predict', request, timeout=0.3)) == 'DEADLINE_EXCEEDED'
        )
    assert values(grpc_client('Predict', predict('half', 'slow', seconds=[0.0]), timeout=60), 'done') == [0]


def test_a_rest_request_has_a_time_limit(grpc_client: Grpc, rest: Rest) -> None:
    status, answer = rest('/v1/models/half:predict', {'signature_name': 'slow', 'instances': [VERY_LONG]})
    assert status == 504
    assert answer['error']
    assert values(grpc_client('Predict', predict('half', 'slow', seconds=[0.0]), timeout=60), 'done') == [0]


def test_a_run_that_used_to_be_short_is_cancelled_too_and_delays_no_other_request(
    grpc_client: Grpc, rest: Rest
) -> None:
    for _ in range(100):
        grpc_client('Predict', predict('half', 'slow', seconds=[0.0]))
    request = predict('half', 'slow', seconds=[VERY_LONG])
    running = threading.Thread(target=lambda: code(lambda: grpc_client('Predict', request, timeout=3)))
    running.start()
    time.sleep(0.5)
    assert rest('/v1/models/half')[0] == 200, 'the event loop answers'
    running.join()
    assert values(grpc_client('Predict', predict('half', 'slow', seconds=[0.0]), timeout=60), 'done') == [0]


def test_a_value_that_decides_the_cost_delays_no_other_request(grpc_client: Grpc, rest: Rest) -> None:
    for _ in range(100):
        grpc_client('Predict', predict('half', 'rows', number=[1]))
        grpc_client('Predict', predict('half', x=[1.0]))
    request = predict('half', 'rows', number=[100_000])  # some seconds
    slow = [
        threading.Thread(target=lambda: code(lambda: grpc_client('Predict', request, timeout=1)))
        for _ in range(2)
    ]
    for thread in slow:
        thread.start()
    time.sleep(0.1)
    waits = []
    while any(thread.is_alive() for thread in slow):
        started = time.monotonic()
        assert values(grpc_client('Predict', predict('half', x=[2.0]))) == [3]
        assert rest('/v1/models/half')[0] == 200
        waits.append(time.monotonic() - started)
    waits.sort()
    assert len(waits) > 20, 'the event loop answers, and a small run of the same model, too'
    assert waits[len(waits) * 9 // 10] < 0.5
    assert waits[-1] < 3
    for thread in slow:
        thread.join()


def test_a_client_that_vanishes_during_an_unload_leaves_the_model_to_its_run(
    server: ServerProcess, grpc_client: Grpc, made_models: list[Path], base_path: Path, tmp_path: Path
) -> None:
    shutil.copytree(made_models[1], tmp_path / 'other' / '7')
    reload = messages.ReloadConfigRequest()
    models = reload.config.model_config_list.config
    models.add(name='half', base_path=str(base_path), model_platform='tensorflow')
    models.add(name='other', base_path=str(tmp_path / 'other'), model_platform='tensorflow')
    grpc_client('HandleReloadConfigRequest', reload)
    assert values(grpc_client('Predict', predict('other', x=[0.0]))) == [3]

    leaving = Grpc(server.grpc_address)
    request = predict('other', 'slow', seconds=[2.0])
    thread = threading.Thread(target=lambda: code(lambda: leaving('Predict', request)))
    thread.start()
    time.sleep(0.5)
    del models[1:]
    grpc_client('HandleReloadConfigRequest', reload)

    def logged(state: str) -> bool:
        return f'model=other version=7 state={state}' in server.log_tail()

    wait_until(lambda: logged('UNLOADING'))
    leaving.channel.close()
    thread.join()
    assert not logged('END'), 'the memory is freed after the run'
    wait_until(lambda: logged('END'))
    assert grpc_client.error('Predict', predict('other', x=[0.0]))[0] == 'NOT_FOUND'
    assert values(grpc_client('Predict', predict('half', 'slow', seconds=[0.0])), 'done') == [0]


def test_a_server_ends_in_its_time_even_in_the_middle_of_a_run(base_path: Path) -> None:
    process = ServerProcess('half', base_path, flags={'drain_seconds': 1})
    process.start()
    grpc_client = Grpc(process.grpc_address)
    request = predict('half', 'slow', seconds=[VERY_LONG])
    thread = threading.Thread(target=lambda: code(lambda: grpc_client('Predict', request, timeout=200)))
    thread.start()
    time.sleep(0.5)
    assert process.stop(30) == 0
    thread.join()
