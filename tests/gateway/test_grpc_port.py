"""The gRPC port, in front of a real server, and of servers that tell what they got."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import (
    MODEL,
    OPTIONS,
    PLAN,
    PREDICT,
    Asking,
    Upstream,
    embed,
    version_of,
    wait_until,
)
from vaiven.serving.gateway.gateway_process import GatewayProcess
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

VERSIONS = {'stable': 1, 'canary': 2}


@pytest.fixture(scope='module')
def ask(gateway: GatewayProcess) -> Iterator[Asking]:
    with Asking(gateway.grpc_address) as asking:
        yield asking


async def versions(address: str, keys: list[str]) -> list[int]:
    """The version that answers each key, many at the same time."""
    request = embed().SerializeToString()
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        predict = channel.unary_unary(PREDICT)
        room = asyncio.Semaphore(16)

        async def one(key: str) -> int:
            async with room:
                return version_of(await predict(request, metadata=[('vaiven-key', key)], timeout=60))

        return await asyncio.gather(*map(one, keys))


def test_shares_follow_the_plan_and_keys_stay_on_their_side(gateway: GatewayProcess) -> None:
    keys = [f'lector-{number}' for number in range(8000)]
    found = asyncio.run(versions(gateway.grpc_address, keys + keys[:500]))
    assert found[: len(keys)] == [VERSIONS[PLAN.label_of(key)] for key in keys]
    assert found[len(keys) :] == found[:500]
    assert 100 * found[: len(keys)].count(2) / len(keys) == pytest.approx(20, abs=1)


def test_without_a_key_both_sides_answer(ask: Asking) -> None:
    found = Counter(ask.version() for _ in range(150))
    assert set(found) == {1, 2}
    assert found[1] > found[2]


@pytest.mark.parametrize('choice', [{'version': 1}, {'version': 2}, {'label': 'stable'}, {'label': 'canary'}])
def test_callers_that_choose_get_what_they_chose(ask: Asking, choice: dict[str, Any]) -> None:
    wanted = choice.get('version') or VERSIONS[choice['label']]
    assert {ask.version(f'k{number}', **choice) for number in range(10)} == {wanted}


def test_keys_beyond_ascii_come_as_binary_metadata(ask: Asking) -> None:
    for key in ('señora ñu', '😀', 'n\u0303', 'מפתח', 'plain'):
        for metadata in (
            [('vaiven-key-bin', key.encode())],
            [('vaiven-key', 'plain')] if key == 'plain' else [],
        ):
            if metadata:
                answer, _ = ask.raw(embed().SerializeToString(), metadata=metadata)
                assert version_of(answer) == VERSIONS[PLAN.label_of(key)]


def test_all_methods_are_answered_and_split_alike(ask: Asking) -> None:
    service = '/tensorflow.serving.PredictionService/'
    example = messages.Example()
    example.features.feature['text'].bytes_list.value.append(b'good')
    spec = messages.ModelSpec(name=MODEL, signature_name='classify')
    classify = messages.ClassificationRequest(model_spec=spec)
    classify.input.example_list.examples.append(example)
    several = messages.MultiInferenceRequest(input=classify.input)
    several.tasks.add(model_spec=spec, method_name='tensorflow/serving/classify')
    metadata = messages.GetModelMetadataRequest(
        model_spec=messages.ModelSpec(name=MODEL), metadata_field=['signature_def']
    )
    for key in [f'k{number}' for number in range(12)]:
        wanted = VERSIONS[PLAN.label_of(key)]
        for method, request, response in (
            ('Classify', classify, messages.ClassificationResponse),
            ('GetModelMetadata', metadata, messages.GetModelMetadataResponse),
            ('MultiInference', several, messages.MultiInferenceResponse),
        ):
            answer, _ = ask.raw(request.SerializeToString(), service + method, metadata=[('vaiven-key', key)])
            found = response.FromString(answer)
            found = found.results[0] if method == 'MultiInference' else found
            assert found.model_spec.version.value == wanted, method


def test_the_status_of_all_versions_is_that_of_the_server(ask: Asking) -> None:
    request = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name=MODEL))
    answer, _ = ask.raw(request.SerializeToString(), '/tensorflow.serving.ModelService/GetModelStatus')
    found = messages.GetModelStatusResponse.FromString(answer).model_version_status
    assert [each.version for each in found] == [2, 1]


def test_errors_come_back_as_the_server_says_them(ask: Asking, server: ServerProcess) -> None:
    unknown = messages.PredictRequest(model_spec=messages.ModelSpec(name='año')).SerializeToString()
    with Asking(server.grpc_address) as direct:
        for request in (unknown, b'', b'\xff' * 7, embed(version=9).SerializeToString()):
            told, wanted = ask.error(request), direct.error(request)
            assert (told.code(), told.details()) == (wanted.code(), wanted.details())
    assert (
        ask.error(b'', '/tensorflow.serving.PredictionService/Nothing').code()
        == grpc.StatusCode.UNIMPLEMENTED
    )


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.binary(max_size=100), st.integers(0, 60).map(lambda n: embed().SerializeToString()[: -n or None])
    )
)
def test_any_bytes_are_answered_as_the_server_answers_them(
    server: ServerProcess, ask: Asking, data: bytes
) -> None:
    def outcome(asking: Asking) -> Any:
        try:
            asking.raw(data)
            return 'answered'
        except grpc.RpcError as error:
            return error.code()

    with Asking(server.grpc_address) as direct:
        assert outcome(ask) == outcome(direct)


@pytest.fixture(scope='module')
def no_split(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f'{MODEL}={tmp_path_factory.mktemp("none") / "split.json"}'


def test_a_profile_through_the_gateway_has_nothing_written(
    ask: Asking, server: ServerProcess, tmp_path: Path
) -> None:
    """The server sees the gateway's address, which is local; the caller may be anywhere."""
    described = messages.service('tensorflow.ProfilerService').methods_by_name['Profile']
    request = messages.message_class(described.input_type.full_name)(
        duration_ms=1, repository_root=str(tmp_path / 'new'), session_id='s'
    ).SerializeToString()
    method = '/tensorflow.ProfilerService/Profile'
    assert ask.error(request, method).code() is grpc.StatusCode.PERMISSION_DENIED
    assert not (tmp_path / 'new').exists()
    with Asking(server.grpc_address) as direct:
        direct.raw(request, method)
    assert (tmp_path / 'new' / 's').is_dir()


def test_metadata_and_the_rest_of_the_deadline_go_on(no_split: str) -> None:
    sent = [
        ('authorization', 'Bearer geheim'),
        ('traceparent', '00-ab-cd-01'),
        ('x-bin', b'\x00\xff'),
        ('vaiven-key', 'a'),
    ]

    def answer(request: bytes, context: Any) -> bytes:
        context.send_initial_metadata([('begun', 'yes')])
        context.set_trailing_metadata([('cost', '3'), ('cost-bin', b'\x01\xfe')])
        return request[::-1]

    with (
        Upstream(answer) as upstream,
        GatewayProcess('--server', upstream.address, '--split', no_split) as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        answered, call = ask.raw(b'any bytes', metadata=sent, timeout=25)
        assert answered == b'setyb yna'
        assert upstream.requests == [b'any bytes']
        assert upstream.metadata[0].items() >= dict(sent).items()
        left = upstream.left[0]
        assert left is not None
        assert 15 < left < 27
        assert ('begun', 'yes') in call.initial_metadata()
        assert {('cost', '3'), ('cost-bin', b'\x01\xfe')} <= set(call.trailing_metadata())
        ask.raw(b'', timeout=None)
        assert upstream.left[1] is None or upstream.left[1] > 1e6


def test_codes_details_and_trailing_metadata_of_failures_come_back(no_split: str) -> None:
    def answer(request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata([('why', 'rules')])
        context.abort(grpc.StatusCode.ABORTED, 'año 😀')
        return b''

    with (
        Upstream(answer) as upstream,
        GatewayProcess('--server', upstream.address, '--split', no_split) as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        error = ask.error(b'')
        assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, 'año 😀')
        assert ('why', 'rules') in error.trailing_metadata()


def test_who_gives_up_ends_the_call_upstream(no_split: str) -> None:
    def answer(request: bytes, context: Any) -> bytes:
        while context.is_active():
            time.sleep(0.02)
        return b''

    with (
        Upstream(answer) as upstream,
        GatewayProcess('--server', upstream.address, '--split', no_split) as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        call = ask.channel.unary_unary(PREDICT).future(b'', timeout=60)
        wait_until(lambda: upstream.requests)
        call.cancel()
        assert upstream.ended.wait(20)
        upstream.ended.clear()
        assert ask.error(b'', timeout=0.5).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert upstream.ended.wait(20)


def test_messages_of_many_megabytes_pass_and_those_beyond_the_limit_do_not(no_split: str) -> None:
    with (
        Upstream(lambda request, context: request) as upstream,
        GatewayProcess(
            '--server', upstream.address, '--split', no_split, '--max-request-bytes', str(20 << 20)
        ) as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        large = b'\x1a\x80\x80\x80\x08' + b'x' * (16 << 20)
        assert ask.raw(large)[0] == large
        assert ask.error(b'x' * (21 << 20)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_one_more_than_the_limit_is_refused(no_split: str) -> None:
    def answer(request: bytes, context: Any) -> bytes:
        while request == b'wait' and context.is_active():
            time.sleep(0.02)
        return b''

    with (
        Upstream(answer) as upstream,
        GatewayProcess(
            '--server', upstream.address, '--split', no_split, '--max-concurrent-requests', '2'
        ) as gateway,
        Asking(gateway.grpc_address) as ask,
    ):
        calls = [ask.channel.unary_unary(PREDICT).future(b'wait') for _ in range(2)]
        wait_until(lambda: len(upstream.requests) == 2)
        error = ask.error(b'')
        assert (error.code(), '2 requests' in error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
        for call in calls:
            call.cancel()
        wait_until(lambda: _answers(ask))


def _answers(ask: Asking) -> bool:
    try:
        return ask.raw(b'')[0] == b''
    except grpc.RpcError:
        return False


def test_labels_may_be_servers_of_their_own(split_file: Path) -> None:
    with Upstream() as stable, Upstream() as canary, GatewayProcess(
        *('--server', stable.address, '--route', f'canary={canary.address}', '--rest-port', '0'),
        *('--split', f'{MODEL}={split_file}'),
    ) as gateway, Asking(gateway.grpc_address) as ask:  # fmt: skip
        keys = [f'k{number}' for number in range(40)]
        for key in keys:
            ask.raw(embed().SerializeToString(), metadata=[('vaiven-key', key)])
        wanted = Counter(PLAN.label_of(key) for key in keys)
        assert {'stable': len(stable.requests), 'canary': len(canary.requests)} == wanted
        assert set(canary.requests) == {embed().SerializeToString()}
        labels = {
            messages.PredictRequest.FromString(each).model_spec.version_label for each in stable.requests
        }
        assert labels == {'stable'}
        ask.raw(embed(label='canary').SerializeToString())
        assert stable.requests[-1] == embed(label='canary').SerializeToString()
