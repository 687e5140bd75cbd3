"""Spans of requests with the attributes of RPC, and the traceparent that the server gets."""

import asyncio
import time
from typing import Any

import pytest

from tests.serving_client.listening import Listening
from tests.serving_client.test_connection import Answering, failing
from vaiven.serving.client import AsyncClient, Client, NotFoundError, UnavailableError
from vaiven.serving.client.results import Target
from vaiven.serving.client.tracing import OpenTelemetry

export = pytest.importorskip('opentelemetry.sdk.trace.export.in_memory_span_exporter')


@pytest.fixture
def spans() -> Any:
    """Takes what is traced with its `provider`."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = export.InMemorySpanExporter()
    exporter.provider = TracerProvider()
    exporter.provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def test_each_request_is_a_span_with_what_was_asked_of_whom(client: Client, spans: Any) -> None:
    with Client(client.address, trace=OpenTelemetry(spans.provider)) as traced:
        traced.predict('reviews', {'text': ['g']}, version=1, outputs=['label'])
        with pytest.raises(NotFoundError):
            traced.status('films')
    first, *_, last = spans.get_finished_spans()
    assert first.name == 'tensorflow.serving.PredictionService/Predict'
    assert first.kind.name == 'CLIENT'
    assert first.status.is_ok
    host, _, port = client.address.rpartition(':')
    assert dict(first.attributes) == {
        'rpc.system': 'http' if host.startswith('http') else 'grpc',
        'rpc.service': 'tensorflow.serving.PredictionService', 'rpc.method': 'Predict', 'rpc.grpc.status_code': 0,
        'server.address': host, 'server.port': int(port),
        'vaiven.model': 'reviews', 'vaiven.signature': 'serving_default', 'vaiven.version': 1,
    }  # fmt: skip
    assert last.name == 'tensorflow.serving.ModelService/GetModelStatus'
    assert last.attributes['rpc.grpc.status_code'] == 5
    assert (last.status.is_ok, last.status.description) == (False, 'NOT_FOUND')


def test_the_trace_goes_on_at_the_server_also_from_asyncio(spans: Any) -> None:
    tracer = spans.provider.get_tracer('test')
    with Answering(failing(0)) as server:
        address = f'127.0.0.1:{server.port}'

        async def work() -> None:
            async with AsyncClient(address, trace=OpenTelemetry(spans.provider)) as client:
                with tracer.start_as_current_span('outside'):
                    await asyncio.gather(client.status('m'), client.status('n'))

        asyncio.run(work())
        with Client(address) as client:
            client.status('m')
    one, other, outside = spans.get_finished_spans()
    assert one.parent.span_id == other.parent.span_id == outside.context.span_id
    sent = [headers.get('traceparent', '') for headers in server.headers]
    assert {header.rpartition('-')[0] for header in sent[:2]} == {
        f'00-{span.context.trace_id:032x}-{span.context.span_id:016x}' for span in (one, other)
    }
    assert sent[2] == ''


def test_a_request_without_a_server_is_an_unavailable_span(spans: Any) -> None:
    trace = OpenTelemetry(spans.provider)
    with Client('127.0.0.1:1', attempts=1, trace=trace) as client, pytest.raises(UnavailableError):
        client.health()
    (span,) = spans.get_finished_spans()
    assert span.name == 'grpc.health.v1.Health/Check'
    assert span.attributes['rpc.grpc.status_code'] == 14


def test_a_call_that_is_cancelled_or_breaks_is_no_good_span(spans: Any) -> None:
    trace = OpenTelemetry(spans.provider)

    async def cancelled() -> None:
        with Listening(lambda connection: time.sleep(5)) as server:
            async with AsyncClient(f'127.0.0.1:{server.port}', trace=trace) as client:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.status('m'), 0.3)

    asyncio.run(cancelled())
    with pytest.raises(ValueError, match='broken'), trace('GetModelStatus', Target('m'), 'localhost:1'):
        raise ValueError('broken')
    assert [(span.status.is_ok, span.status.description) for span in spans.get_finished_spans()] == [
        (False, 'CANCELLED'),
        (False, 'UNKNOWN'),
    ]
    assert [span.attributes['rpc.grpc.status_code'] for span in spans.get_finished_spans()] == [1, 2]
