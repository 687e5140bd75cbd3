"""ProfilerService on a real server."""

import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from asking import Grpc

from vaiven.serving.wire import messages, tensors

SERVICE = 'tensorflow.ProfilerService'


def call(ask: Grpc, method: str, **fields: Any) -> Any:
    described = messages.service(SERVICE).methods_by_name[method]
    request = messages.message_class(described.input_type.full_name)(**fields)
    answer = messages.message_class(described.output_type.full_name)
    stub = ask.channel.unary_unary(
        f'/{SERVICE}/{method}', lambda message: message.SerializeToString(), answer.FromString
    )
    return stub(request, timeout=60)


def test_a_profile_comes_back_and_has_what_ran(ask: Grpc) -> None:
    request = messages.PredictRequest(model_spec=messages.ModelSpec(name='half'))
    request.inputs['x'].CopyFrom(tensors.to_proto([1.0]))
    stopping = threading.Event()

    def traffic() -> None:
        while not stopping.is_set():
            ask('Predict', request)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        answer = call(ask, 'Profile', duration_ms=500, session_id='s')
    finally:
        stopping.set()
        thread.join()
    (tool,) = answer.tool_data
    assert tool.name == 'xplane.pb'
    assert b'TensorFlow' in tool.data or b'SessionRun' in tool.data or b'host' in tool.data.lower()
    assert not answer.empty_trace


def test_a_profile_lies_where_tensorboard_looks_and_terminate_ends_it(ask: Grpc, tmp_path: Path) -> None:
    done = threading.Thread(
        target=call,
        args=(ask, 'Profile'),
        kwargs={
            'duration_ms': 50_000, 'repository_root': str(tmp_path), 'session_id': 'one', 'host_name': 'here',
        },
    )  # fmt: skip
    done.start()
    while done.is_alive():
        call(ask, 'Terminate', session_id='another')
        call(ask, 'Terminate', session_id='one')
        done.join(0.2)
    assert (tmp_path / 'plugins' / 'profile' / 'one' / 'here.xplane.pb').stat().st_size > 0


@pytest.mark.parametrize(
    ('fields', 'says'),
    [
        ({'duration_ms': 0}, 'duration_ms must lie between 1 and 60000. Received: 0'),
        ({'duration_ms': 1 << 40}, 'duration_ms must lie between'),
        ({'duration_ms': 1, 'repository_root': '/nowhere/at/all', 'session_id': 's'}, 'must be a folder'),
        ({'duration_ms': 1, 'repository_root': 'gs://x', 'session_id': 's'}, 'must be a folder'),
        ({'duration_ms': 1, 'repository_root': '/tmp', 'session_id': '../x'}, 'without slashes'),
        (
            {'duration_ms': 1, 'repository_root': '/tmp', 'session_id': 's', 'host_name': '..'},
            'without slashes',
        ),
    ],
)
def test_what_makes_no_sense_is_refused(ask: Grpc, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(ask, 'Profile', **fields)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in caught.value.details()


def test_monitor_is_not_there_as_upstream_on_these_devices(ask: Grpc) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(ask, 'Monitor', duration_ms=1)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
