"""UNIX sockets, channel arguments and limits on real servers."""

import contextlib
import shutil
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from raw_clients import Grpc, Rest, predict, values, wait_until

from vaiven.serving.common import ports
from vaiven.serving.common.errors import ServerStartError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

MAX_BYTES = 40_000


@pytest.fixture(scope='module')
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('sock') / 'grpc'


@pytest.fixture(scope='module')
def base_path(made_models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a signature whose method_name is unknown to the server."""
    from tensorflow.core.protobuf import saved_model_pb2

    base = tmp_path_factory.mktemp('models') / 'half'
    shutil.copytree(made_models[0], base / '1')
    file = base / '1' / 'saved_model.pb'
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    model.meta_graphs[0].signature_def['upper'].method_name = 'other/method'
    file.write_bytes(model.SerializeToString())
    return base


@pytest.fixture(scope='module')
def server(base_path: Path, path: Path) -> Iterator[ServerProcess]:
    """No TCP port for gRPC, but a socket that a killed server left."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.is_socket()
    flags = {
        'port': 0,
        'grpc_socket_path': path,
        'grpc_channel_arguments': f'grpc.max_receive_message_length={MAX_BYTES},grpc.primary_user_agent=us',
        'enable_signature_method_name_check': True,
        'max_concurrent_requests': 2,
        'max_batch_rows': 5,
        'enable_serialization_as_tensor_content': True,
    }
    with ServerProcess('half', base_path, flags=flags) as running:
        yield running


@pytest.fixture(scope='module')
def grpc_client(server: ServerProcess, path: Path) -> Iterator[Grpc]:
    grpc_client = Grpc(f'unix:{path}')
    yield grpc_client
    grpc_client.channel.close()


def test_a_socket_alone_answers(grpc_client: Grpc, rest: Rest) -> None:
    answer = grpc_client('Predict', predict('half', x=[2.0]))
    assert values(answer) == [3]
    assert answer.outputs['y'].tensor_content
    assert rest('/v1/models/half:predict', {'instances': [2]}) == (200, {'predictions': [3.0]})


def test_channel_arguments_reach_grpc(grpc_client: Grpc) -> None:
    code, text = grpc_client.error('Predict', predict('half', x=[1.0] * MAX_BYTES))
    assert (code, str(MAX_BYTES) in text) == ('RESOURCE_EXHAUSTED', True), text


def test_the_method_of_a_signature_is_looked_at(grpc_client: Grpc, rest: Rest) -> None:
    code, text = grpc_client.error('Predict', predict('half', 'upper', text=['x']))
    assert code == 'INTERNAL'
    assert text.startswith('Expected prediction signature method_name to be one of {tensorflow/serving/')
    assert text.endswith('Was: other/method')
    request = messages.RegressionRequest(
        model_spec=messages.ModelSpec(name='half', signature_name='classify')
    )
    request.input.example_list.examples.add()
    code, text = grpc_client.error('Regress', request)
    assert (code, 'method_name to be tensorflow/serving/regress' in text) == ('INVALID_ARGUMENT', True)
    body = {'signature_name': 'upper', 'instances': ['x']}
    assert rest('/v1/models/half:predict', body)[0] == 500


def test_rows_are_limited_over_both_ports(grpc_client: Grpc, rest: Rest) -> None:
    assert values(grpc_client('Predict', predict('half', x=[0.0] * 5))) == [2] * 5
    text = 'a request may have 5 rows. Received: 6; send them in several requests'
    assert grpc_client.error('Predict', predict('half', x=[0.0] * 6)) == ('INVALID_ARGUMENT', text)
    assert rest('/v1/models/half:predict', {'instances': [0] * 6}) == (400, {'error': text})
    examples = {'signature_name': 'regress', 'examples': [{'x': 1.0}] * 6}
    assert rest('/v1/models/half:regress', examples) == (400, {'error': text})


def test_one_request_too_many_is_rejected_and_later_ones_are_not(grpc_client: Grpc, rest: Rest) -> None:
    answers: list[Any] = []
    request = predict('half', 'slow', seconds=[3.0])

    def slow() -> None:
        while True:
            with contextlib.suppress(grpc.RpcError):  # one of the requests below was first
                return answers.append(grpc_client('Predict', request))

    threads = [threading.Thread(target=slow) for _ in range(2)]
    for thread in threads:
        thread.start()
    refused: list[tuple[int, Any]] = []

    def full() -> bool:
        refused[:] = [rest('/v1/models/half:predict', {'instances': [2]})]
        return refused[0][0] == 429

    wait_until(full)
    assert 'the server is busy with 2 requests' in refused[0][1]['error']
    assert grpc_client.error('Predict', predict('half', x=[2.0]))[0] == 'RESOURCE_EXHAUSTED'
    assert rest('/v1/models/half')[0] == 200, 'the state of a model can always be asked'
    for thread in threads:
        thread.join()
    assert [values(answer, 'done') for answer in answers] == [[3], [3]]
    assert values(grpc_client('Predict', predict('half', x=[2.0]))) == [3]


def test_a_socket_in_addition_to_a_port_and_no_rest_on_the_port_of_grpc(
    base_path: Path, path: Path, server: Any
) -> None:
    (port,) = ports.free('127.0.0.1', 1)
    other = path.with_name('other')
    flags = {'grpc_socket_path': other}
    with ServerProcess('half', base_path, port=port, rest_port=port, flags=flags) as both:
        for address in (both.grpc_address, f'unix:{other}'):
            grpc_client = Grpc(address)
            # Without the check the method_name of a signature does not matter.
            assert values(grpc_client('Predict', predict('half', 'upper', text=['x'])), 'upper') == [b'X']
            grpc_client.channel.close()
        assert '--rest_api_port must differ from --port' in both.log_tail()
        assert stat.S_ISSOCK(other.stat().st_mode)
    assert not other.exists()


def test_a_socket_in_a_folder_that_is_not_there_is_one_line(base_path: Path, tmp_path: Path) -> None:
    flags = {'port': 0, 'grpc_socket_path': tmp_path / 'none' / 'grpc'}
    with pytest.raises(ServerStartError, match='there is no folder for the socket') as caught:
        ServerProcess('half', base_path, flags=flags).start()
    assert 'Traceback' not in str(caught.value)
    assert 'state=LOADING' not in str(caught.value), 'no model is loaded for nothing'


def test_a_socket_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    ports.check_socket('')
    ports.check_socket(str(tmp_path / 'grpc'))
    with pytest.raises(ServerStartError, match='107 bytes at most'):
        ports.check_socket(str(tmp_path / ('ñ' * 60)))


def test_an_address_without_a_server_is_unavailable(tmp_path: Path) -> None:
    grpc_client = Grpc(f'unix:{tmp_path}/none')
    with pytest.raises(grpc.RpcError) as caught:
        grpc_client('Predict', predict('half', x=[2.0]), timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    grpc_client.channel.close()
