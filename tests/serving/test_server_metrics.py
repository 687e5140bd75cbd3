"""The page for Prometheus: the stock server's metrics, others by version, and no series that clients can add."""

import importlib.util
import threading
from typing import Any

import pytest

from vaiven.serving.common.prometheus_text import Histogram, exponential
from vaiven.serving.server.metrics import MAX_VERSIONS, Metrics

STOCK = ':tensorflow:serving:'


def loaded(**keywords: Any) -> Metrics:
    metrics = Metrics(**keywords)
    metrics.loaded('m', 1, ['serving_default', 'score'])
    return metrics


def value(metrics: Metrics, line: str) -> str:
    """The value of `line`, which must be on the page once."""
    (found,) = [text for text in metrics.render().splitlines() if text.startswith(line + ' ')]
    return found.removeprefix(line + ' ')


def test_a_request_counts_under_the_stock_names_and_under_vaiven_names() -> None:
    metrics = loaded()
    metrics.request('m', 1, 'score', 'Predict', 'GRPC', 'OK', 0.001)
    metrics.request('m', 1, 'score', 'Predict', 'GRPC', 'INVALID_ARGUMENT', 1.0)
    assert value(metrics, STOCK + 'request_count{model_name="m",status="OK"}') == '1'
    assert value(metrics, STOCK + 'request_count{model_name="m",status="INVALID_ARGUMENT"}') == '1'
    latency = STOCK + 'request_latency_{}{{model_name="m",API="Predict",entrypoint="GRPC"{}}}'
    assert value(metrics, latency.format('count', '')) == '1', 'only OK answers have a stock latency'
    assert value(metrics, latency.format('sum', '')) == '1000'
    assert value(metrics, latency.format('bucket', ',le="612.22"')) == '0'
    assert value(metrics, latency.format('bucket', ',le="1102"')) == '1'
    assert value(metrics, latency.format('bucket', ',le="1.47476e+09"')) == '1'
    assert value(metrics, latency.format('bucket', ',le="+Inf"')) == '1'
    ours = (
        'vaiven_request_{}{{model_name="m",version="1",signature="score",api="Predict",entrypoint="GRPC",'
        'status="{}"}}'
    )
    assert value(metrics, ours.format('count', 'OK')) == '1'
    assert value(metrics, ours.format('latency_microseconds_sum', 'INVALID_ARGUMENT')) == '1000000'


def test_stock_metrics_have_a_type_line_without_help_even_before_the_first_request() -> None:
    lines = Metrics().render().splitlines()
    for name, kind in {
        'request_count': 'counter',
        'request_latency': 'histogram',
        'runtime_latency': 'histogram',
        'request_example_counts': 'histogram',
        'request_example_count_total': 'counter',
        'model_warmup_latency': 'histogram',
        'batching_session:queuing_latency': 'histogram',
        'batching_session:padding_size': 'histogram',
        'batching_session:input_batch_size': 'histogram',
        'batching_session:processed_batch_size': 'histogram',
    }.items():
        assert f'# TYPE {STOCK}{name} {kind}' in lines
    assert not any(line.startswith('# HELP :') for line in lines)
    assert all(line.split()[2].startswith('vaiven_') for line in lines if line.startswith('# HELP'))


def test_latencies_have_33_limits_from_10_microseconds_each_1_8_times_the_one_before() -> None:
    limits = exponential(10, 1.8, 33)
    assert len(limits) == 33
    assert limits[:3] == pytest.approx((10, 18, 32.4))
    metrics = loaded()
    metrics.runtime('m', 'Predict', 0.5)
    buckets = [line for line in metrics.render().splitlines() if 'runtime_latency_bucket' in line]
    assert len(buckets) == 34
    assert buckets[0].endswith('runtime="TF1",le="10"} 0')


def test_a_stock_bucket_excludes_its_limit_and_a_vaiven_bucket_includes_it() -> None:
    stock, ours = Histogram((1.0, 2.0), inclusive=False), Histogram((1.0, 2.0))
    for value_ in (0, 1, 2, 3):
        stock.add(value_)
        ours.add(value_)
    assert stock.counts == [1, 1, 2]
    assert ours.counts == [2, 1, 1]


def test_examples_warm_ups_batches_and_logs() -> None:
    metrics = loaded()
    metrics.request('m', 1, 'score', 'Classify', 'GRPC', 'OK', 0.1, examples=5)
    metrics.warmed_up('/models/m/1', 'OK', 2.5)
    metrics.queued(0.0005, 'pool')
    metrics.batch_input(3)
    metrics.batch_run(4, 1)
    metrics.logged('m', 'OK', 2)
    metrics.logged('m', 'RESOURCE_EXHAUSTED')
    metrics.in_flight('REST', 1)
    assert value(metrics, STOCK + 'request_example_count_total{model="m"}') == '5'
    assert value(metrics, STOCK + 'request_example_counts_bucket{model="m",le="8"}') == '1'
    assert (
        value(metrics, STOCK + 'model_warmup_latency_sum{model_path="/models/m/1",status="OK"}') == '2500000'
    )
    batching = STOCK + 'batching_session:'
    assert value(metrics, batching + 'queuing_latency_sum{thread_pool_name="pool"}') == '500'
    assert value(metrics, batching + 'input_batch_size_sum{}') == '3'
    assert value(metrics, batching + 'processed_batch_size_bucket{le="8"}') == '1'
    assert value(metrics, batching + 'padding_size_count{execution_batch_size="4"}') == '1'
    assert value(metrics, STOCK + 'request_log_count{model_name="m",status_code="OK"}') == '2'
    assert value(metrics, 'vaiven_request_log_dropped_count{model_name="m"}') == '1'
    assert value(metrics, 'vaiven_requests_in_flight{entrypoint="REST"}') == '1'
    metrics.in_flight('REST', -1)
    assert value(metrics, 'vaiven_requests_in_flight{entrypoint="REST"}') == '0'


def test_names_that_clients_invent_add_no_series() -> None:
    metrics = loaded()
    for number in range(100):
        metrics.request('m', 1, f'signature{number}', 'Predict', 'GRPC', 'FAILED_PRECONDITION', 0.1)
        metrics.request('m', number + 2, 'score', 'Predict', 'GRPC', 'NOT_FOUND', 0.1)
        metrics.request(f'model{number}', None, 'score', 'predict', 'REST', 'NOT_FOUND', 0.1)
    counts = [line for line in metrics.render().splitlines() if line.startswith('vaiven_request_count{')]
    assert len(counts) == 3
    assert all(line.endswith(' 100') for line in counts)
    assert value(metrics, STOCK + 'request_count{model_name="unknown",status="NOT_FOUND"}') == '100'
    assert len(metrics._cells) == 3


def test_versions_that_come_for_ever_are_forgotten_in_the_end() -> None:
    metrics = Metrics()
    for number in range(1, 2 * MAX_VERSIONS + 1):
        metrics.loaded('m', number, ['s'])
        metrics.request('m', number, 's', 'Predict', 'GRPC', 'OK', 0.1)
    counts = [line for line in metrics.render().splitlines() if line.startswith('vaiven_request_count{')]
    assert len(counts) == len(metrics._cells) == MAX_VERSIONS
    assert f'version="{2 * MAX_VERSIONS}"' in ' '.join(counts)
    assert value(metrics, STOCK + 'request_count{model_name="m",status="OK"}') == str(2 * MAX_VERSIONS)


def test_states_and_build() -> None:
    metrics = Metrics('1.2', '2.21', states=lambda: [('m', 1, 'END'), ('m', 2, 'AVAILABLE')])
    assert value(metrics, 'vaiven_build_info{version="1.2",tensorflow="2.21"}') == '1'
    assert value(metrics, 'vaiven_model_version_state{model_name="m",version="2",state="AVAILABLE"}') == '1'
    assert value(metrics, 'vaiven_model_version_state{model_name="m",version="1",state="END"}') == '1'


def test_label_values_are_escaped() -> None:
    metrics = Metrics()
    metrics.loaded('a"b\\c\nd', 1, [])
    metrics.request('a"b\\c\nd', 1, '', 'predict', 'REST', 'OK', 0.1)
    assert value(metrics, STOCK + r'request_count{model_name="a\"b\\c\nd",status="OK"}') == '1'


def test_the_value_of_a_counter_by_its_name_upstream() -> None:
    metrics = loaded()
    assert metrics.value('/tensorflow/serving/request_count') == 0
    metrics.request('m', 1, 'score', 'Predict', 'GRPC', 'OK', 0.1)
    assert metrics.value('/tensorflow/serving/request_count') == 1
    assert metrics.value('/no/such') == 0


def test_threads_lose_no_count_while_pages_are_rendered() -> None:
    metrics = loaded()

    def send_requests() -> None:
        for _ in range(2000):
            metrics.request('m', 1, 'score', 'Predict', 'GRPC', 'OK', 0.001)

    threads = [threading.Thread(target=send_requests) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        page = metrics.render()
        assert page.endswith('\n')
    assert value(metrics, STOCK + 'request_count{model_name="m",status="OK"}') == '8000'


@pytest.mark.skipif(not importlib.util.find_spec('prometheus_client'), reason='no prometheus_client')
def test_prometheus_own_parser_reads_the_page() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    metrics = loaded(version='1', tensorflow='2', states=lambda: [('m', 1, 'AVAILABLE')])
    metrics.loaded('a"b\\c\nd', 1, [])
    metrics.request('a"b\\c\nd', 1, '', 'predict', 'REST', 'OK', 0.1)
    metrics.request('m', 1, 'score', 'Classify', 'GRPC', 'OK', 0.1, examples=5)
    metrics.batch_input(3)
    metrics.batch_run(4, 1)
    families = {family.name: family for family in text_string_to_metric_families(metrics.render())}
    assert families[STOCK + 'request_latency'].type == 'histogram'
    samples = families[STOCK + 'request_count'].samples
    assert {sample.labels['model_name'] for sample in samples} == {'m', 'a"b\\c\nd'}
    total = sum(s.value for s in families['vaiven_request_count'].samples)
    assert total == 2
