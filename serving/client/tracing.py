"""Hooks around each request, and OpenTelemetry as one of them (`pip install 'vaiven[otel]'`).

with Client('127.0.0.1:8500', trace=OpenTelemetry()) as client:
    client.predict('reviews', {'text': ['What a film!']})  # a span, and a traceparent for the server
"""

from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from vaiven.serving.client import grpc_flows
from vaiven.serving.client.errors import CODES, RequestError
from vaiven.serving.client.results import Target
from vaiven.serving.common.errors import ServingError

Headers = Sequence[tuple[str, str]]


class Trace(Protocol):
    """Called for each request; the request is sent inside the context that it returns.

    What the request raises passes through. What the context manager gives is sent as headers.
    """

    def __call__(self, method: str, target: Target, address: str) -> AbstractContextManager[Headers]: ...


class OpenTelemetry:
    """Creates a client span for each request by the semantic conventions for RPC, and propagates it."""

    def __init__(self, tracer_provider: Any = None) -> None:
        """Uses the global tracer provider if `tracer_provider` is None. Raises ServingError without OpenTelemetry."""
        try:
            from opentelemetry import propagate, trace
        except ModuleNotFoundError as error:
            raise ServingError(f"tracing needs {error.name}: pip install 'vaiven[otel]'") from error
        self._tracer = trace.get_tracer('vaiven.serving.client', tracer_provider=tracer_provider)
        self._kind = trace.SpanKind.CLIENT
        self._error = trace.StatusCode.ERROR
        self._inject = propagate.inject

    @contextmanager
    def __call__(self, method: str, target: Target, address: str) -> Iterator[Headers]:
        service = grpc_flows.METHODS[method][0].removeprefix('/')
        with self._tracer.start_as_current_span(
            f'{service}/{method}',
            kind=self._kind,
            attributes=_attributes(service, method, target, address),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            headers: dict[str, str] = {}
            self._inject(headers)
            code = 'UNKNOWN'
            try:
                yield list(headers.items())
                code = 'OK'
            except RequestError as error:
                code = error.code
                raise
            except CancelledError:
                code = 'CANCELLED'
                raise
            finally:
                if code != 'OK':
                    span.set_status(self._error, code)
                span.set_attribute('rpc.grpc.status_code', CODES.index(code) if code in CODES else 2)


def _attributes(service: str, method: str, target: Target, address: str) -> dict[str, str | int]:
    host, _, port = address.rpartition(':')
    found: dict[str, str | int] = {
        'rpc.system': 'grpc',
        'rpc.service': service,
        'rpc.method': method,
        'server.address': host if port.isdecimal() else address,
    }
    if port.isdecimal():
        found['server.port'] = int(port)
    if address.startswith('http'):
        found['rpc.system'] = 'http'
    for name in ('model', 'signature', 'version', 'label'):
        if (value := getattr(target, name)) not in (None, ''):
            found[f'vaiven.{name}'] = value
    return found
