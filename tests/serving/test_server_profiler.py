"""ProfilerService on a real server."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from raw_clients import Grpc, Rest

from vaiven.serving.common.peers import is_local
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.api import Call
from vaiven.serving.server.profiler import Profiler
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

SERVICE = 'tensorflow.ProfilerService'


def call(grpc_client: Grpc, method: str, **fields: Any) -> Any:
    described = messages.service(SERVICE).methods_by_name[method]
    request = messages.message_class(described.input_type.full_name)(**fields)
    answer = messages.message_class(described.output_type.full_name)
    stub = grpc_client.channel.unary_unary(
        f'/{SERVICE}/{method}', lambda message: message.SerializeToString(), answer.FromString
    )
    return stub(request, timeout=60)


def test_a_profile_is_returned_and_contains_the_runs(grpc_client: Grpc) -> None:
    request = messages.PredictRequest(model_spec=messages.ModelSpec(name='half'))
    request.inputs['x'].CopyFrom(tensors.to_proto([1.0]))
    stopping = threading.Event()

    def traffic() -> None:
        while not stopping.is_set():
            grpc_client('Predict', request)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        answer = call(grpc_client, 'Profile', duration_ms=500, session_id='s')
    finally:
        stopping.set()
        thread.join()
    (tool,) = answer.tool_data
    assert tool.name == 'xplane.pb'
    assert b'TensorFlow' in tool.data or b'SessionRun' in tool.data or b'host' in tool.data.lower()
    assert not answer.empty_trace


def test_a_profile_lies_where_tensorboard_looks_and_terminate_ends_it(
    grpc_client: Grpc, tmp_path: Path
) -> None:
    root = tmp_path / 'logs' / 'plugins' / 'profile'  # as TensorBoard sends it, before anything was captured
    done = threading.Thread(
        target=call,
        args=(grpc_client, 'Profile'),
        kwargs={
            'duration_ms': 50_000, 'repository_root': str(root), 'session_id': 'one', 'host_name': 'here',
        },
    )  # fmt: skip
    done.start()
    while done.is_alive():
        call(grpc_client, 'Terminate', session_id='another')
        call(grpc_client, 'Terminate', session_id='one')
        done.join(0.2)
    assert (root / 'one' / 'here.xplane.pb').stat().st_size > 0


@pytest.mark.parametrize(
    ('fields', 'says'),
    [
        ({'duration_ms': 0}, 'duration_ms must be between 1 and 60000. Received: 0'),
        ({'duration_ms': 1 << 40}, 'duration_ms must be between'),
        ({'duration_ms': 1, 'repository_root': 'x', 'session_id': 's'}, 'must be an absolute path'),
        ({'duration_ms': 1, 'repository_root': '/tmp/../x', 'session_id': 's'}, 'without ".."'),
        ({'duration_ms': 1, 'repository_root': '/tmp/\0', 'session_id': 's'}, 'must be an absolute path'),
        (
            {'duration_ms': 1, 'repository_root': '/dev/null/x', 'session_id': 's'},
            'that the server can write',
        ),
        (
            {'duration_ms': 1, 'repository_root': 'gs://x', 'session_id': 's'},
            'must be a folder of this machine',
        ),
        ({'duration_ms': 1, 'repository_root': '/tmp', 'session_id': '../x'}, 'without slashes'),
        (
            {'duration_ms': 1, 'repository_root': '/tmp', 'session_id': 's', 'host_name': '..'},
            'without slashes',
        ),
    ],
)
def test_invalid_requests_are_refused(grpc_client: Grpc, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(grpc_client, 'Profile', **fields)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in caught.value.details()


def test_monitor_is_not_there_as_upstream_on_these_devices(grpc_client: Grpc) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(grpc_client, 'Monitor', duration_ms=1)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_tensorflows_own_client_captures_into_a_folder_without_profiles(
    server: ServerProcess, rest: Rest, tmp_path: Path
) -> None:
    """In another process: TensorFlow's client needs the whole library."""
    code = (
        'import sys; from tensorflow.python.profiler import profiler_client\n'
        'profiler_client.trace(sys.argv[1], sys.argv[2], 800, "", 10)'
    )
    command = [sys.executable, '-c', code, server.grpc_address, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        while client.poll() is None:
            assert rest('/v1/models/half:predict', {'instances': [1.0]})[0] == 200
        assert client.stderr is not None
        assert client.returncode == 0, client.stderr.read()
    (trace,) = (tmp_path / 'plugins' / 'profile').glob('*/*.xplane.pb')
    assert trace.stat().st_size > 0


@pytest.mark.parametrize(
    ('peer', 'local'),
    [
        ('ipv4:127.0.0.1:53210', True),
        ('ipv4:127.9.9.9:1', True),
        ('ipv6:[::1]:53210', True),
        ('ipv6:%5B::1%5D:53210', True),
        ('ipv6:[::ffff:127.0.0.1]:1', True),
        ('unix:', True),
        ('unix:/run/x.sock', True),
        ('ipv4:10.0.0.1:53210', False),
        ('ipv6:[::ffff:10.0.0.1]:1', False),
        ('ipv6:[2001:db8::1]:1', False),
        ('ipv4:127.0.0.1.example:1', False),
        ('', False),
    ],
)
def test_only_addresses_of_this_machine_are_local(peer: str, local: bool) -> None:
    assert is_local(peer) is local


def test_a_caller_from_another_machine_creates_no_folder(tmp_path: Path) -> None:
    described = messages.service(SERVICE).methods_by_name['Profile']
    request = messages.message_class(described.input_type.full_name)(
        duration_ms=1, repository_root=str(tmp_path / 'new'), session_id='s'
    )
    coming = Call('GRPC', peer=lambda: 'ipv4:192.0.2.1:4711')
    with pytest.raises(StatusError, match='only callers on the server') as caught:
        asyncio.run(Profiler().profile(request, coming))
    assert caught.value.code is Code.PERMISSION_DENIED
    assert not (tmp_path / 'new').exists()
