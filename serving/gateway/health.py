"""Whether the gateway takes traffic: grpc.health.v1, and the answers of /healthz and /readyz."""

import asyncio
import json
from typing import Any

import grpc

from vaiven.serving.gateway.servers import Servers
from vaiven.serving.wire import messages

SERVICES = ('', 'PredictionService', 'ModelService')
WATCH_SECONDS = 0.5


def liveness(servers: Servers) -> tuple[int, str]:
    """HTTP status and body: 200 as long as there is somebody to answer."""
    return 200, json.dumps({'status': 'draining' if servers.draining else 'serving'})


def readiness(servers: Servers) -> tuple[int, str]:
    """HTTP status and body: 200 if callers should come here, else 503; and which servers take traffic."""
    states = {label or 'all others': state for label, state in servers.ready.items()}
    body = {'ready': servers.takes_traffic, 'draining': servers.draining, 'servers': states}
    return 200 if servers.takes_traffic else 503, json.dumps(body, ensure_ascii=False)


def service(servers: Servers) -> grpc.GenericRpcHandler:
    """The service for load balancers and Kubernetes."""
    response = messages.HealthCheckResponse

    def now(name: str) -> Any:
        if name not in SERVICES:
            return response(status=response.SERVICE_UNKNOWN)
        return response(status=response.SERVING if servers.takes_traffic else response.NOT_SERVING)

    async def check(request: Any, context: Any) -> Any:
        answer = now(request.service)
        if answer.status == response.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f'unknown service {request.service}')
        return answer

    async def watch(request: Any, context: Any) -> Any:
        last = None
        while not (servers.draining and last is not None):
            if (answer := now(request.service)) != last:
                yield answer
                last = answer
            await asyncio.sleep(WATCH_SECONDS)
        yield now(request.service)

    reading, writing = messages.HealthCheckRequest.FromString, response.SerializeToString
    return grpc.method_handlers_generic_handler(
        'grpc.health.v1.Health',
        {
            'Check': grpc.unary_unary_rpc_method_handler(check, reading, writing),
            'Watch': grpc.unary_stream_rpc_method_handler(watch, reading, writing),
        },
    )
