"""Batching on a real server: each request gets its own response, in every dtype, and invalid ones fail alone."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from raw_clients import Grpc, Rest, predict, values, wait_until

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

CALLERS = 16


@pytest.fixture(scope='module')
def server(base_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp('batching')
    (folder / 'batching').write_text(
        'max_batch_size { value: 64 } batch_timeout_micros { value: 20000 } num_batch_threads { value: 2 }\n'
        'max_enqueued_batches { value: 100 } allowed_batch_sizes: [8, 64]'
    )
    (folder / 'monitoring').write_text('prometheus_config { enable: true path: "/metrics" }')
    flags = {
        'enable_batching': True,
        'batching_parameters_file': folder / 'batching',
        'monitoring_config_file': folder / 'monitoring',
    }
    with ServerProcess('half', base_path, flags=flags) as running:
        yield running


def at_once(count: int, call: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(call, range(count)))


def metric(rest: Rest, name: str) -> float:
    line = next(
        line for line in rest('/metrics')[1].splitlines() if line.startswith((name + ' ', name + '{}'))
    )
    return float(line.rpartition(' ')[2])


def examples(kind: Any, signature: str, *numbers: float) -> Any:
    request = kind(model_spec=messages.ModelSpec(name='half', signature_name=signature))
    for number in numbers:
        request.input.example_list.examples.add().features.feature['x'].float_list.value.append(number)
    return request


def test_each_request_gets_its_own_response_from_a_shared_run(grpc_client: Grpc, rest: Rest) -> None:
    # The run lasts as long as the first row of a batch says; so these are never run in the event loop.
    def call(number: int) -> Any:
        rows = [0.01 + number / 1000 + row / 10000 for row in range(1 + number % 3)]
        if number % 2:
            return values(grpc_client('Predict', predict('half', 'slow', seconds=rows)), 'done'), rows
        answer = rest('/v1/models/half:predict', {'signature_name': 'slow', 'instances': rows})
        return answer[1]['predictions'], rows

    for answer, rows in at_once(48, call):
        assert answer == pytest.approx(rows)
    tasks = metric(rest, ':tensorflow:serving:batching_session:input_batch_size_count')
    runs = metric(rest, ':tensorflow:serving:batching_session:wrapped_run_count')
    assert (tasks, runs < tasks) == (48, True)


def test_every_dtype_has_the_same_response_as_alone(grpc_client: Grpc, rest: Rest) -> None:
    def call(number: int) -> None:
        rows = 1 + number % 3
        numbers = np.arange(number, number + rows)
        words = np.array([b'%d\0\xff\0' % n for n in numbers], object)
        answer = grpc_client('Predict', predict('half', 'upper', text=words))
        assert values(answer, 'upper') == words.tolist()
        assert values(answer, 'raw_bytes') == words.tolist()
        halves, flags = numbers.astype(np.float16), numbers % 2 == 0
        answer = grpc_client('Predict', predict('half', 'types', half=halves, flag=flags))
        assert tensors.to_array(answer.outputs['half']).dtype == np.float16
        assert (values(answer, 'half'), values(answer, 'flag')) == (halves.tolist(), (~flags).tolist())
        assert (
            values(grpc_client('Predict', predict('half', x=numbers.astype(np.float32))))
            == (numbers / 2 + 2).tolist()
        )
        body = {'signature_name': 'upper', 'instances': [f'ä{n}' for n in numbers]}
        found = rest('/v1/models/half:predict', body)[1]['predictions']
        assert [row['upper'] for row in found] == body['instances']
        # A scalar cannot be joined with others: this one is run alone.
        matrix = np.tile(numbers.astype(np.int32), (2, 1))
        answer = grpc_client('Predict', predict('half', 'add', matrix=matrix, number=np.int64(number)))
        assert values(answer, 'sum') == (matrix + number).tolist()
        assert values(answer, 'total') == matrix.sum()

    at_once(CALLERS * 2, call)


def test_classify_and_regress_are_batched(grpc_client: Grpc, rest: Rest) -> None:
    def call(number: int) -> None:
        numbers = [(number + row) / 64 for row in range(1 + number % 3)]
        answer = grpc_client('Regress', examples(messages.RegressionRequest, 'regress', *numbers))
        assert [entry.value for entry in answer.result.regressions] == [2 * x for x in numbers]
        answer = grpc_client('Classify', examples(messages.ClassificationRequest, 'classify', *numbers))
        scores = [[entry.score for entry in row.classes] for row in answer.result.classifications]
        assert scores == [[1 - x, x] for x in numbers]
        body = {'signature_name': 'regress', 'examples': [{'x': x} for x in numbers]}
        assert rest('/v1/models/half:regress', body) == (200, {'results': [2 * x for x in numbers]})

    at_once(CALLERS, call)


def test_a_bad_one_among_good_ones_fails_alone(grpc_client: Grpc, rest: Rest) -> None:
    def call(number: int) -> None:
        if number % 8 == 3:
            assert (
                grpc_client.error('Predict', predict('half', 'slow', seconds=[['x']]))[0]
                == 'INVALID_ARGUMENT'
            )
            request = examples(messages.RegressionRequest, 'regress', 1.0)
            example = request.input.example_list.examples[0]
            example.features.feature['x'].bytes_list.value.append(b'no number')
            assert grpc_client.error('Regress', request)[0] == 'INVALID_ARGUMENT'
        elif number % 8 == 5:
            text = 'Task size 65 is larger than maximum input batch size 64'
            assert grpc_client.error('Predict', predict('half', 'slow', seconds=[0.0] * 65)) == (
                'INVALID_ARGUMENT',
                text,
            )
            assert rest('/v1/models/half:predict', {'signature_name': 'slow', 'instances': [0.0] * 65}) == (
                400, {'error': text}
            )  # fmt: skip
        else:
            assert values(
                grpc_client('Predict', predict('half', 'slow', seconds=[0.01])), 'done'
            ) == pytest.approx([0.01])
            answer = grpc_client('Regress', examples(messages.RegressionRequest, 'regress', number))
            assert [entry.value for entry in answer.result.regressions] == [2 * number]

    at_once(CALLERS * 2, call)


@pytest.mark.parametrize('rows', [65, 40_000])
def test_too_many_rows_are_refused_whatever_ran_before(grpc_client: Grpc, rest: Rest, rows: int) -> None:
    for _ in range(20):  # until such a run is cheap enough for the event loop
        grpc_client('Predict', predict('half', x=np.ones(8, np.float32)))
    text = f'Task size {rows} is larger than maximum input batch size 64'
    assert grpc_client.error('Predict', predict('half', x=np.ones(rows, np.float32))) == (
        'INVALID_ARGUMENT',
        text,
    )
    assert rest('/v1/models/half:predict', {'instances': [1.0] * rows}) == (400, {'error': text})
    request = examples(messages.RegressionRequest, 'regress', *[1.0] * rows)
    assert grpc_client.error('Regress', request) == ('INVALID_ARGUMENT', text)


def test_cheap_runs_are_filled_up_to_an_allowed_size_too(grpc_client: Grpc, rest: Rest) -> None:
    name = ':tensorflow:serving:batching_session:processed_batch_size_count'
    for _ in range(20):
        grpc_client('Predict', predict('half', x=[1.0, 2.0]))
    before = metric(rest, name)
    assert values(grpc_client('Predict', predict('half', x=[1.0, 2.0]))) == [2.5, 3]
    assert metric(rest, name) == before + 1


def test_a_batch_that_takes_too_long_ends_for_its_clients_at_their_time(grpc_client: Grpc) -> None:
    def call(number: int) -> Any:
        try:
            return values(
                grpc_client('Predict', predict('half', 'slow', seconds=[1.0]), 0.3 if number % 2 else 60),
                'done',
            )
        except grpc.RpcError as error:
            return error.code().name

    assert at_once(4, call) == [[1], 'DEADLINE_EXCEEDED'] * 2


@pytest.fixture(scope='module')
def own(made_models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """`narrow` has its own parameters, `plain` has none, and those of `broken` are invalid."""
    folder = tmp_path_factory.mktemp('own')
    for name, text in {
        'narrow': 'max_batch_size { value: 1 } max_enqueued_batches { value: 1 } num_batch_threads { value: 1 }',
        'plain': '',
        'broken': 'max_batch_size { value: 8 } allowed_batch_sizes: [2, 4]',
    }.items():
        shutil.copytree(made_models[0], folder / name / '1')
        if text:
            (folder / name / '1' / 'batching_params.pbtxt').write_text(text)
    shutil.copytree(folder / 'broken' / '1', folder / 'plain' / '2')
    models = ''.join(
        f'config {{ name: {json.dumps(name)} base_path: "{folder / name}" model_platform: "tensorflow" }}'
        for name in ('narrow', 'plain')
    )
    (folder / 'models').write_text(f'model_config_list {{ {models} }}')
    (folder / 'batching').write_text('num_batch_threads { value: 1 }')
    flags = {
        'model_config_file': folder / 'models',
        'enable_batching': True,
        'enable_per_model_batching_parameters': True,
        'batching_parameters_file': folder / 'batching',
    }
    with ServerProcess('narrow', folder, flags=flags) as running:
        yield running


def test_a_version_is_batched_by_its_own_file_and_not_at_all_without_one(own: ServerProcess) -> None:
    grpc_client, rest = Grpc(own.grpc_address), Rest(own.rest_url)
    assert grpc_client.error('Predict', predict('narrow', 'slow', seconds=[0.0] * 2)) == (
        'INVALID_ARGUMENT', 'Task size 2 is larger than maximum input batch size 1',
    )  # fmt: skip
    assert (
        values(grpc_client('Predict', predict('plain', 'slow', seconds=[0.0] * 1001)), 'done') == [0] * 1001
    )
    assert values(
        grpc_client('Predict', predict('narrow', 'add', matrix=[[1]], number=np.int64(2))), 'sum'
    ) == [[3]]
    versions = {entry['version']: entry for entry in rest('/v1/models/plain')[1]['model_version_status']}
    assert versions['2']['state'] == 'END'
    assert 'allowed_batch_sizes' in versions['2']['status']['error_message']


def test_a_full_queue_is_unavailable_and_has_room_again(own: ServerProcess) -> None:
    grpc_client, rest = Grpc(own.grpc_address), Rest(own.rest_url)
    found: list[Any] = []
    ended = threading.Event()

    def call() -> None:
        while not ended.is_set():
            try:
                found.append(values(grpc_client('Predict', predict('narrow', 'slow', seconds=[1.0])), 'done'))
            except grpc.RpcError as error:
                found.append((error.code().name, error.details()))

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    text = 'The batch scheduling queue to which this task was submitted is full; max_enqueued_batches is 1'
    try:
        wait_until(lambda: ('UNAVAILABLE', text) in found)
        body = {'signature_name': 'slow', 'instances': [0.0]}
        wait_until(lambda: rest('/v1/models/narrow:predict', body)[0] == 503)
    finally:
        ended.set()
    for thread in threads:
        thread.join()
    assert [1] in found
    assert {str(item) for item in found} <= {'[1.0]', str(('UNAVAILABLE', text))}
    assert rest('/v1/models/narrow:predict', body) == (200, {'predictions': [0.0]})


def test_automatic_batching_shares_runs_and_refuses_nothing(base_path: Path, tmp_path: Path) -> None:
    (tmp_path / 'monitoring').write_text('prometheus_config { enable: true path: "/metrics" }')
    flags = {'automatic_batching': True, 'monitoring_config_file': tmp_path / 'monitoring'}
    with ServerProcess('half', base_path, flags=flags) as running:
        grpc_client, rest = Grpc(running.grpc_address), Rest(running.rest_url)

        def call(number: int) -> Any:
            request = predict('half', 'slow', seconds=[0.01 + number / 1e6])
            return values(grpc_client('Predict', request), 'done')

        answers = at_once(64, call)
        assert answers == [[pytest.approx(0.01 + number / 1e6)] for number in range(64)]
        assert metric(rest, ':tensorflow:serving:batching_session:wrapped_run_count') < 64
        many = predict('half', 'slow', seconds=[0.0] * 1001)
        assert values(grpc_client('Predict', many), 'done') == [0] * 1001
        different = predict('half', 'add', matrix=[[1], [2]], number=np.int64(2))
        assert values(grpc_client('Predict', different), 'sum') == [[3], [4]]
