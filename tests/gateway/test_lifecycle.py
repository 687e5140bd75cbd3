"""Splits and versions that change, servers and gateways that are killed, and how a gateway ends."""

import http.client
import json
import os
import shutil
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.gateway.conftest import (
    MODEL,
    PLAN,
    PREDICT,
    Asking,
    Upstream,
    before,
    embed,
    served,
    version_of,
    wait_until,
)
from tests.gateway.test_rest_port import ask as rest
from vaiven.serving.common.split import Split, write
from vaiven.serving.gateway.gateway_process import GatewayProcess
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

HEALTH = '/grpc.health.v1.Health/'


class Callers:
    """Threads that ask over and over with keys of their own, and keep every answer and failure."""

    def __init__(self, address: str, count: int = 4) -> None:
        self.answers: list[tuple[str, int]] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(address, n), daemon=True) for n in range(count)
        ]

    def _run(self, address: str, number: int) -> None:
        request = embed().SerializeToString()
        with Asking(address) as ask:
            for turn in range(1_000_000):
                if self._stop.is_set():
                    return
                key = f'k{number}-{turn % 50}'
                try:
                    answer, _ = ask.raw(request, metadata=[('vaiven-key', key)])
                    self.answers.append((key, version_of(answer)))
                except grpc.RpcError as error:
                    self.failures.append(f'{error.code().name}: {error.details()}')
                    time.sleep(0.02)

    def __enter__(self) -> 'Callers':
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def more(self, count: int = 100) -> None:
        """Waits for so many further answers."""
        wanted = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= wanted)


def test_no_request_fails_while_split_and_versions_change(pushed: Path, tmp_path: Path) -> None:
    path = tmp_path / 'split.json'
    plans = [Split(MODEL, {'canary': share, 'stable': 100 - share}, 'a') for share in (0, 10, 50, 100)]
    write(path, plans[0])
    server = served(pushed, tmp_path, {'stable': 1, 'canary': 2})
    with server, before(server, split=path) as gateway, Callers(gateway.grpc_address) as callers:
        for plan in plans:
            write(path, plan)
            line = f"canary': {plan.weights['canary']}"
            wait_until(lambda line=line: line in gateway.log().replace('.0', ''))  # type: ignore[misc]
            time.sleep(0.2)  # requests that were under way
            start = len(callers.answers)
            callers.more(200)
            for key, version in callers.answers[start:]:
                assert version == {'stable': 1, 'canary': 2}[plan.label_of(key)]
        shutil.copytree(pushed / '3', tmp_path / '.3')
        (tmp_path / '.3').rename(tmp_path / MODEL / '3')
        with Asking(server.grpc_address) as direct:
            wait_until(lambda: _available(direct, 3))
            config = messages.ReloadConfigRequest()
            model = config.config.model_config_list.config.add(
                name=MODEL, base_path=str(tmp_path / MODEL), model_platform='tensorflow'
            )
            model.model_version_policy.all.SetInParent()
            model.version_labels.update({'stable': 1, 'canary': 3})
            direct.raw(
                config.SerializeToString(), '/tensorflow.serving.ModelService/HandleReloadConfigRequest'
            )
        wait_until(lambda: callers.answers[-1][1] == 3)
        callers.more()
    assert callers.failures == []
    assert {version for _, version in callers.answers} == {1, 2, 3}


def _available(ask: Asking, version: int) -> bool:
    request = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name=MODEL))
    answer, _ = ask.raw(request.SerializeToString(), '/tensorflow.serving.ModelService/GetModelStatus')
    states = messages.GetModelStatusResponse.FromString(answer).model_version_status
    return any(
        each.version == version and each.state == messages.ModelVersionStatus.AVAILABLE for each in states
    )


def test_a_server_that_is_killed_and_comes_back_is_found_again(
    pushed: Path, tmp_path: Path, split_file: Path
) -> None:
    first = served(pushed, tmp_path, {'stable': 1, 'canary': 2})
    first.start()
    try:
        with before(first, split=split_file) as gateway, Callers(gateway.grpc_address) as callers:
            callers.more()
            assert rest(gateway.rest_url, '/readyz')[0] == 200
            os.kill(first.pid, signal.SIGKILL)
            wait_until(lambda: callers.failures)
            wait_until(lambda: rest(gateway.rest_url, '/readyz')[0] == 503)
            assert json.loads(rest(gateway.rest_url, '/readyz')[2])['servers'] == {'all others': False}
            path = f'/v1/models/{MODEL}:predict'
            assert rest(gateway.rest_url, path, b'{"signature_name": "embed", "instances": ["a"]}')[0] == 503
            second = ServerProcess(
                MODEL, tmp_path / MODEL,
                port=int(first.grpc_address.rpartition(':')[2]), rest_port=int(first.rest_url.rpartition(':')[2]),
                # Else a label can be asked for before its version is there: NOT_FOUND, as from TensorFlow Serving.
                flags={'model_config_file': tmp_path / 'models.config', 'wait_for_labels': True,
                       'allow_version_labels_for_unavailable_models': True},
            )  # fmt: skip
            with second:
                callers.more()
                wait_until(lambda: rest(gateway.rest_url, '/readyz')[0] == 200)
                assert (
                    rest(gateway.rest_url, path, b'{"signature_name": "embed", "instances": ["a"]}')[0] == 200
                )
                assert {failure.partition(':')[0] for failure in callers.failures} == {'UNAVAILABLE'}
                callers.more()  # A caller that failed before may be late to write it down.
                known = len(callers.failures)
                callers.more()
                assert callers.failures[known:] == []
    finally:
        first.stop()


def test_a_gateway_that_is_killed_is_replaced_and_every_key_keeps_its_side(
    server: ServerProcess, split_file: Path
) -> None:
    with (
        before(server, split=split_file) as gateway,
        ExitStack() as later,
        Callers(gateway.grpc_address) as callers,
    ):
        callers.more()
        gateway.process.kill()
        wait_until(lambda: callers.failures)
        ports = ('--port', gateway.grpc_address.rpartition(':')[2])
        later.enter_context(before(server, *ports, split=split_file))
        callers.more(200)
    assert {failure.partition(':')[0] for failure in callers.failures} == {'UNAVAILABLE'}
    for key, version in callers.answers:
        assert version == {'stable': 1, 'canary': 2}[PLAN.label_of(key)]


@pytest.fixture
def slow() -> Any:
    """A server whose answers wait to be let go, and what lets them go."""
    released = threading.Event()

    def answer(request: bytes, context: Any) -> bytes:
        released.wait(30)
        return b'late'

    with Upstream(answer) as upstream:
        yield upstream, released
        released.set()


def test_sigterm_lets_running_requests_end(slow: Any, tmp_path: Path) -> None:
    upstream, released = slow
    split = f'{MODEL}={tmp_path / "split.json"}'
    with (
        GatewayProcess('--server', upstream.address, '--split', split) as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        watched: list[int] = []
        watching = ask.channel.unary_stream(HEALTH + 'Watch')(b'')

        def watch() -> None:
            try:
                for each in watching:
                    watched.append(messages.HealthCheckResponse.FromString(each).status)
            except grpc.RpcError:
                pass

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        wait_until(lambda: watched == [1])
        call = ask.channel.unary_unary(PREDICT).future(b'', timeout=30)
        wait_until(lambda: upstream.requests)
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: watched == [1, 2])
        with Asking(gateway.grpc_address) as late:
            assert late.error(b'', timeout=5).code() == grpc.StatusCode.UNAVAILABLE
        assert gateway.process.poll() is None
        released.set()
        assert call.result() == b'late'
        assert gateway.process.wait(20) == 0
        assert 'INFO stopped' in gateway.log()


def test_it_listens_on_both_families_and_resets_no_kept_connection(slow: Any, tmp_path: Path) -> None:
    upstream, _ = slow
    host, addresses = '0.0.0.0', ['127.0.0.1'] * 4
    if socket.has_dualstack_ipv6():
        host, addresses = '::', ['127.0.0.1', '::1'] * 2
    split = f'{MODEL}={tmp_path / "split.json"}'
    with GatewayProcess('--server', upstream.address, '--split', split, '--host', host) as gateway:
        port = int(gateway.rest_url.rpartition(':')[2])
        connections = [http.client.HTTPConnection(address, port, timeout=10) for address in addresses]
        for connection in connections:
            assert healthz(connection) == ({'status': 'serving'}, None)
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: healthz(connections[0])[0] == {'status': 'draining'})
        for connection in connections[1:3]:
            assert healthz(connection) == ({'status': 'draining'}, 'close')
        assert connections[3].sock.recv(1) == b'', 'an end, and no reset'
        assert gateway.process.wait(20) == 0


def healthz(connection: http.client.HTTPConnection) -> tuple[Any, str | None]:
    connection.request('GET', '/healthz')
    answer = connection.getresponse()
    return json.loads(answer.read()), answer.headers.get('Connection')


def test_requests_that_take_too_long_are_ended(slow: Any, tmp_path: Path) -> None:
    upstream, _ = slow
    split = f'{MODEL}={tmp_path / "split.json"}'
    arguments = ['--server', upstream.address, '--split', split, '--drain-seconds', '0.5']
    with GatewayProcess(*arguments) as gateway, Asking(gateway.grpc_address) as ask:
        call = ask.channel.unary_unary(PREDICT).future(b'', timeout=30)
        wait_until(lambda: upstream.requests)
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.process.wait(20) == 0
        assert call.exception().code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_it_ends_with_its_parent(slow: Any, tmp_path: Path) -> None:
    upstream, _ = slow
    with GatewayProcess('--server', upstream.address, '--split', f'{MODEL}={tmp_path / "a.json"}') as gateway:
        assert gateway.process.stdin is not None
        gateway.process.stdin.close()
        assert gateway.process.wait(20) == 0


def test_health_is_that_of_the_server(gateway: GatewayProcess, slow: Any, tmp_path: Path) -> None:
    def check(address: str, service: str = '') -> int:
        with Asking(address) as ask:
            request = messages.HealthCheckRequest(service=service).SerializeToString()
            return messages.HealthCheckResponse.FromString(ask.raw(request, HEALTH + 'Check')[0]).status

    assert check(gateway.grpc_address) == check(gateway.grpc_address, 'PredictionService') == 1
    assert rest(gateway.rest_url, '/healthz')[0] == 200
    with Asking(gateway.grpc_address) as ask:
        request = messages.HealthCheckRequest(service='ñ').SerializeToString()
        assert ask.error(request, HEALTH + 'Check').code() == grpc.StatusCode.NOT_FOUND
    split = f'{MODEL}={tmp_path / "split.json"}'
    with GatewayProcess('--server', '127.0.0.1:1', '--split', split) as lost:
        assert check(lost.grpc_address) == 2
        assert [rest(lost.rest_url, path)[0] for path in ('/healthz', '/readyz')] == [200, 503]
    # One without a health service, as the stock server is.
    with GatewayProcess('--server', slow[0].address, '--split', split) as found:
        assert check(found.grpc_address) == 1


def test_a_health_that_is_no_message_is_none_and_is_asked_for_again(tmp_path: Path) -> None:
    health = [b'\xff']

    class Mumbling(Upstream):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: health[0])

    split = f'{MODEL}={tmp_path / "split.json"}'
    with Mumbling() as upstream, GatewayProcess('--server', upstream.address, '--split', split) as gateway:
        assert rest(gateway.rest_url, '/readyz')[0] == 503
        health[0] = messages.HealthCheckResponse(status=1).SerializeToString()
        wait_until(lambda: rest(gateway.rest_url, '/readyz')[0] == 200)


def test_a_broken_split_changes_nothing_and_is_told(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / 'split.json'
    write(path, Split(MODEL, {'canary': 100, 'stable': 0}))
    with before(server, split=path) as gateway, Asking(gateway.grpc_address) as ask:
        assert ask.version('a') == 2
        path.write_text('{"half')
        wait_until(lambda: 'stays as it was' in gateway.log())
        assert ask.version('a') == 2
        path.unlink()
        wait_until(lambda: ask.version() == 2 and 'percent=none' in gateway.log())


def test_a_model_that_has_no_split_is_not_split(server: ServerProcess, tmp_path: Path) -> None:
    with before(server, split=tmp_path / 'split.json') as gateway, Asking(gateway.grpc_address) as ask:
        assert {ask.version(f'k{number}') for number in range(20)} == {2}  # the newest
