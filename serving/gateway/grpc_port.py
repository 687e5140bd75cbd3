"""The gRPC port: forwards bytes without decoding them."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from vaiven.serving.common.peers import FORWARDED
from vaiven.serving.gateway import model_spec
from vaiven.serving.gateway.metrics import Metrics
from vaiven.serving.gateway.model_spec import Spec
from vaiven.serving.gateway.routing import UNSPLIT, Router
from vaiven.serving.gateway.servers import Servers
from vaiven.serving.wire import messages

PROFILER = 'tensorflow.ProfilerService'
SERVICES = ('tensorflow.serving.PredictionService', 'tensorflow.serving.ModelService', PROFILER)
# For methods that are split: how to read the model of a request, and how to add a label. Others are unchanged.
_SPEC = (model_spec.read, model_spec.with_label)
SPLIT = {
    'Predict': _SPEC,
    'Classify': _SPEC,
    'Regress': _SPEC,
    'GetModelMetadata': _SPEC,
    'MultiInference': (model_spec.read_first_task, model_spec.with_label_in_first_task),
}
CANCELLED = grpc.StatusCode.CANCELLED.name
FULL = grpc.StatusCode.RESOURCE_EXHAUSTED

Metadata = tuple[tuple[str, str | bytes], ...]


class GrpcPort:
    """Forwards the calls of TensorFlow Serving's services."""

    def __init__(
        self,
        router: Router,
        servers: Servers,
        metrics: Metrics,
        *,
        key_header: str,
        max_concurrent_requests: int,
    ) -> None:
        """The port.

        Args:
            router: selects the label of a request.
            servers: the destinations.
            metrics: counts the requests.
            key_header: the metadata with the key of a caller; with the suffix `-bin` for non-ASCII keys.
            max_concurrent_requests: maximum number of concurrent requests; further requests are RESOURCE_EXHAUSTED.
        """
        self._router = router
        self._servers = servers
        self._metrics = metrics
        self._running = metrics.in_flight('grpc')
        self._keys = (key_header, f'{key_header}-bin')
        self._max_concurrent_requests = max_concurrent_requests

    def services(self) -> list[grpc.GenericRpcHandler]:
        """What a server is given, beside health."""
        return [
            grpc.method_handlers_generic_handler(
                service,
                {
                    method.name: grpc.unary_unary_rpc_method_handler(self._handler(service, method.name))
                    for method in messages.service(service).methods
                },
            )
            for service in SERVICES
        ]

    def _handler(self, service: str, method: str) -> Callable[[bytes, Any], Awaitable[bytes]]:
        calls = self._servers.calls(f'/{service}/{method}')
        read, with_label = SPLIT.get(method, (_no_spec, model_spec.with_label))
        router, metrics, running, clock = self._router, self._metrics, self._running, time.perf_counter

        async def handle(request: bytes, context: Any) -> bytes:
            start = clock()
            if running.value >= self._max_concurrent_requests:
                metrics.request(UNSPLIT, FULL.name, 0.0)
                await context.abort(
                    FULL, f'{self._max_concurrent_requests} requests are under way: try again'
                )
            key, metadata = self._metadata(context.invocation_metadata())
            if service == PROFILER:
                # Otherwise a remote caller would look like one on the server's machine, which may write files there.
                metadata = (*metadata, (FORWARDED, context.peer()))
            spec = read(request)
            route = UNSPLIT if spec is None else router.choose(spec.name, spec.names_version, key)
            call = calls.get(route.label)
            if call is None:
                call, request = calls[''], with_label(request, route.label)
            running.value += 1
            code = CANCELLED
            try:
                under_way = call(request, timeout=context.time_remaining(), metadata=metadata)
                answer = await under_way
                if initial := await under_way.initial_metadata():
                    await context.send_initial_metadata(tuple(initial))
                if trailing := await under_way.trailing_metadata():
                    context.set_trailing_metadata(tuple(trailing))
                code = 'OK'
                return bytes(answer)
            except grpc.aio.AioRpcError as error:
                code = error.code().name
                trailing = tuple(error.trailing_metadata() or ())
                await context.abort(error.code(), error.details() or '', trailing)
                raise AssertionError('abort raises') from error
            finally:
                running.value -= 1
                metrics.request(route, code, clock() - start)

        return handle

    def _metadata(self, given: Metadata | None) -> tuple[str | bytes | None, Metadata]:
        """Returns the key of the caller, or None, and the metadata to forward."""
        key = None
        passed = []
        for entry in given or ():
            name = entry[0]
            if name == 'user-agent' or name.startswith('grpc-'):
                continue  # gRPC's own, for one connection
            if name in self._keys and key is None:
                key = entry[1]
            passed.append(entry)
        return key, tuple(passed)


def _no_spec(request: bytes) -> Spec | None:
    return None
