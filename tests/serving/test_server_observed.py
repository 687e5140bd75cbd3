"""What a real server reports of its requests: the page for Prometheus, and request logs that warm up a version."""

import importlib.metadata
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_clients import Grpc, Rest, predict, values, wait_until

from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

PATH = '/observed/metrics'
STOCK = ':tensorflow:serving:'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('observed')


@pytest.fixture(scope='module')
def flags(base_path: Path, folder: Path) -> dict[str, object]:
    (folder / 'logs').mkdir()
    (folder / 'models').write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{base_path}" model_platform: "tensorflow" '
        'model_version_policy { all { } } logging_config { '
        f'log_collector_config {{ type: "tfrecord" filename_prefix: "{folder}/logs/half" }} '
        'sampling_config { sampling_rate: 1 } } } }'
    )
    (folder / 'monitoring').write_text(f'prometheus_config {{ enable: true path: "{PATH}" }}')
    return {
        'model_config_file': folder / 'models',
        'monitoring_config_file': folder / 'monitoring',
        'file_system_poll_wait_seconds': 1,
    }


@pytest.fixture(scope='module')
def server(base_path: Path, flags: dict[str, object]) -> Iterator[ServerProcess]:
    process = ServerProcess('half', base_path, flags=flags)
    process.start()
    yield process
    process.stop()


def page(rest: Rest) -> dict[str, float]:
    status, text = rest(PATH)
    assert status == 200
    lines = [line.rpartition(' ') for line in text.splitlines() if not line.startswith('#')]
    return {name: float(value) for name, _, value in lines}


def test_the_page_names_the_versions_that_answer(rest: Rest) -> None:
    ours, library = map(importlib.metadata.version, ('vaiven', 'tensorflow'))
    assert page(rest)[f'vaiven_build_info{{version="{ours}",tensorflow="{library}"}}'] == 1


def examples(kind: type, signature: str) -> object:
    request = kind(model_spec=messages.ModelSpec(name='half', signature_name=signature))
    for _ in range(3):
        request.input.example_list.examples.add().features.feature['x'].float_list.value.append(0.5)
    return request


def test_requests_of_every_kind_are_on_the_page(grpc_client: Grpc, rest: Rest) -> None:
    assert rest('/monitoring/prometheus/metrics')[0] == 404
    for _ in range(2):
        grpc_client('Predict', predict('half', x=[2.0, 3.0]))
    grpc_client('Classify', examples(messages.ClassificationRequest, 'classify'))
    grpc_client('Regress', examples(messages.RegressionRequest, 'regress'))
    multi = messages.MultiInferenceRequest()
    for signature in ('classify', 'regress'):
        task = multi.tasks.add(method_name=f'tensorflow/serving/{signature}')
        task.model_spec.name, task.model_spec.signature_name = 'half', signature
    multi.input.CopyFrom(examples(messages.RegressionRequest, 'regress').input)  # type: ignore[attr-defined]
    answer = grpc_client('MultiInference', multi)
    assert [result.WhichOneof('result') for result in answer.results] == [
        'classification_result', 'regression_result'
    ]  # fmt: skip
    rest('/v1/models/half:predict', {'instances': [2]})
    rest('/v1/models/half:regress', {'signature_name': 'regress', 'examples': [{'x': 1.0}]})
    assert grpc_client.error('Predict', predict('half', z=[2.0]))[0] == 'INVALID_ARGUMENT'
    assert grpc_client.error('Predict', predict('nobody', x=[2.0]))[0] == 'NOT_FOUND'
    assert rest('/v1/models/half:predict', b'no JSON')[0] == 400

    found = page(rest)
    count = STOCK + 'request_count{{model_name="{}",status="{}"}}'
    assert found[count.format('half', 'OK')] == 7
    assert found[count.format('half', 'INVALID_ARGUMENT')] == 2
    assert found[count.format('unknown', 'NOT_FOUND')] == 1
    latency = STOCK + 'request_latency_count{{model_name="half",API="{}",entrypoint="{}"}}'
    kinds = {
        ('Predict', 'GRPC'): 2, ('Classify', 'GRPC'): 1, ('Regress', 'GRPC'): 1, ('MultiInference', 'GRPC'): 1,
        ('predict', 'REST'): 1, ('regress', 'REST'): 1,
    }  # fmt: skip
    assert {kind: found[latency.format(*kind)] for kind in kinds} == kinds
    runtime = STOCK + 'runtime_latency_count{{model_name="half",API="{}",runtime="TF1"}}'
    assert found[runtime.format('Predict')] == 3
    assert found[runtime.format('MultiInference')] == 2
    assert found[STOCK + 'request_example_count_total{model="half"}'] == 3 + 3 + 3 + 1
    assert found['vaiven_requests_in_flight{entrypoint="GRPC"}'] == 0
    assert found['vaiven_requests_in_flight{entrypoint="REST"}'] == 0
    assert found['vaiven_model_version_state{model_name="half",version="1",state="AVAILABLE"}'] == 1
    wait_until(lambda: page(rest).get(STOCK + 'request_log_count{model_name="half",status_code="OK"}') == 7)


def test_a_reload_reports_counters(grpc_client: Grpc, base_path: Path, flags: dict[str, object]) -> None:
    from google.protobuf import text_format

    request = messages.ReloadConfigRequest(metric_names=['/tensorflow/serving/request_count'])
    text = Path(str(flags['model_config_file'])).read_text()
    text_format.Parse(text, request.config, descriptor_pool=messages.pool)
    (metric,) = grpc_client('HandleReloadConfigRequest', request).metric
    assert metric.name == '/tensorflow/serving/request_count'
    assert metric.int64_value_increase >= 1


def test_logged_requests_warm_the_next_version_up(
    server: ServerProcess,
    grpc_client: Grpc,
    rest: Rest,
    folder: Path,
    base_path: Path,
    flags: dict[str, object],
) -> None:
    grpc_client('Predict', predict('half', 'upper', text=['x']))
    assert server.stop() == 0
    (log,) = (folder / 'logs').glob('*.tfrecord')
    base = folder / 'next'
    shutil.copytree(base_path / '1', base / '1')
    (base / '1' / 'assets.extra').mkdir(exist_ok=True)
    shutil.copy(log, base / '1' / 'assets.extra' / 'tf_serving_warmup_requests')
    more = {'monitoring_config_file': flags['monitoring_config_file'], 'num_request_iterations_for_warmup': 2}
    with ServerProcess('half', base, flags=more) as second:
        assert 'warmed up model=half version=1 records=8' in second.log_tail()
        found = page(Rest(second.rest_url))
        key = f'{STOCK}model_warmup_latency_count{{model_path="{base}/1",status="OK"}}'
        assert found[key] == 1
        assert not [name for name in found if name.startswith(STOCK + 'request_count')], 'it is no traffic'
        answering = Grpc(second.grpc_address)
        assert values(answering('Predict', predict('half', x=[2.0]))) == [3]
        answering.channel.close()
