"""The gRPC port: forwards bytes without decoding them."""

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

from vaiven.serving.common.call_threads import blocking
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
# gRPC reports hundreds of years for a call without deadline.
_NO_DEADLINE_SECONDS = 1e9

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
        self._lock = threading.Lock()
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

    def _handler(self, service: str, method: str) -> Callable[[bytes, Any], bytes]:
        calls = self._servers.calls(f'/{service}/{method}')
        read, with_label = SPLIT.get(method, (_no_spec, model_spec.with_label))
        router, metrics, clock = self._router, self._metrics, time.perf_counter

        def handle(request: bytes, context: Any) -> bytes:
            start = clock()
            if not self._begin():
                metrics.request(UNSPLIT, FULL.name, 0.0)
                context.abort(FULL, f'{self._max_concurrent_requests} requests are under way: try again')
            route, code = UNSPLIT, CANCELLED
            try:
                key, metadata = self._metadata(context.invocation_metadata())
                if service == PROFILER:
                    # Otherwise a remote caller would look like one on the server's machine, which may write files
                    # there.
                    metadata = (*metadata, (FORWARDED, context.peer()))
                spec = read(request)
                route = UNSPLIT if spec is None else router.choose(spec.name, spec.names_version, key)
                call = calls.get(route.label)
                if call is None:
                    call, request = calls[''], with_label(request, route.label)
                code, answer = _forward(call, request, metadata, context)
            finally:
                self._end()
                metrics.request(route, code, clock() - start)
            if answer is None:
                # The code, text and metadata are set already; gRPC ignores those of a caller that has hung up.
                context.abort(context.code(), context.details().decode())
                raise AssertionError('abort raises')  # for the type checker
            return answer

        return handle

    def _begin(self) -> bool:
        with self._lock:
            if self._running.value >= self._max_concurrent_requests:
                return False
            self._running.value += 1
            return True

    def _end(self) -> None:
        with self._lock:
            self._running.value -= 1

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


def _forward(
    call: Callable[..., Any], request: bytes, metadata: Metadata, context: Any
) -> tuple[str, bytes | None]:
    """The name of the code of a forwarded call, and the response; None for a failure, which `context` then has."""
    remaining = context.time_remaining()
    under_way = call(
        request, timeout=remaining if remaining < _NO_DEADLINE_SECONDS else None, metadata=metadata
    )
    if not context.add_callback(under_way.cancel):
        under_way.cancel()
    try:
        with blocking:
            answer: bytes = under_way.result()
    except grpc.FutureCancelledError:
        context.set_code(grpc.StatusCode.CANCELLED)
        context.set_details('the caller has hung up')
        return CANCELLED, None
    except grpc.RpcError:
        context.set_trailing_metadata(tuple(under_way.trailing_metadata() or ()))
        context.set_code(under_way.code())
        context.set_details(under_way.details() or '')
        return str(under_way.code().name), None
    if initial := under_way.initial_metadata():
        context.send_initial_metadata(tuple(initial))
    if trailing := under_way.trailing_metadata():
        context.set_trailing_metadata(tuple(trailing))
    return 'OK', answer


def _no_spec(request: bytes) -> Spec | None:
    return None
