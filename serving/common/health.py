"""The gRPC health service, grpc.health.v1, of the model server and the gateway.

Specification: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from vaiven.serving.common.call_threads import blocking
from vaiven.serving.wire import messages

# The empty name is the whole server. TensorFlow Serving registers the other two by their short names.
SERVICES = ('', 'PredictionService', 'ModelService')
# Kubernetes probes every 10 seconds by default, so a watcher learns of a change well before the next probe.
WATCH_SECONDS = 0.5
# Each keeps a thread.
MAX_WATCHES = 128


def service(is_ready: Callable[[], bool], is_draining: Callable[[], bool]) -> grpc.GenericRpcHandler:
    """The health service for load balancers and Kubernetes.

    Args:
        is_ready: whether requests should be sent here.
        is_draining: whether the server is shutting down. A `Watch` then ends after it has reported NOT_SERVING.

    Returns:
        The handler for `grpc.Server.add_generic_rpc_handlers`.
    """
    response = messages.HealthCheckResponse
    watches = threading.BoundedSemaphore(MAX_WATCHES)

    def current(name: str) -> Any:
        if name not in SERVICES:
            return response(status=response.SERVICE_UNKNOWN)
        return response(status=response.SERVING if is_ready() else response.NOT_SERVING)

    def check(request: Any, context: Any) -> Any:
        health = current(request.service)
        if health.status == response.SERVICE_UNKNOWN:
            # The specification: Check ends with NOT_FOUND, Watch sends SERVICE_UNKNOWN and stays open.
            context.abort(grpc.StatusCode.NOT_FOUND, f'unknown service {request.service}')
        return health

    def watch(request: Any, context: Any) -> Iterator[Any]:
        if not watches.acquire(blocking=False):
            context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f'{MAX_WATCHES} clients watch: use Check, or try later'
            )
        try:
            ended = threading.Event()
            last = None
            if not context.add_callback(ended.set):  # it has ended
                return
            while not ended.is_set():
                health = current(request.service)
                if health != last:
                    yield health
                    last = health
                # An open stream would hold the shutdown up until the drain time is over.
                if is_draining() and health.status != response.SERVING:
                    return
                with blocking:
                    ended.wait(WATCH_SECONDS)
        finally:
            watches.release()

    deserialize, serialize = messages.HealthCheckRequest.FromString, response.SerializeToString
    return grpc.method_handlers_generic_handler(
        'grpc.health.v1.Health',
        {
            'Check': grpc.unary_unary_rpc_method_handler(check, deserialize, serialize),
            'Watch': grpc.unary_stream_rpc_method_handler(watch, deserialize, serialize),
        },
    )
