"""The gRPC port: PredictionService, ModelService and health on an `Api`.

Requests reach a worker thread as bytes and leave it as bytes, so that the event loop does nothing but move
them, and neither parsing nor a model holds it up.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from vaiven.serving.server import log
from vaiven.serving.server.api import Api
from vaiven.serving.server.status import Code, StatusError
from vaiven.serving.wire import messages

MAX_ERROR_TEXT = 1024
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_HEALTH_SERVICES = ('', 'PredictionService', 'ModelService')

Work = Callable[[bytes], bytes]


def add_services(server: grpc.aio.Server, api: Api, workers: Executor, waiters: Executor) -> None:
    """Registers all services.

    Args:
        server: the server, not started yet.
        api: answers the requests.
        workers: runs requests to models.
        waiters: runs what may take long without using a processor: a reload waits for models to load.
    """
    handlers = {
        'Predict': (api.predict, workers),
        'Classify': (api.classify, workers),
        'Regress': (api.regress, workers),
        'MultiInference': (api.multi_inference, workers),
        'GetModelMetadata': (api.metadata, workers),
        'GetModelStatus': (api.status, workers),
        'HandleReloadConfigRequest': (api.reload, waiters),
    }
    for name in ('tensorflow.serving.PredictionService', 'tensorflow.serving.ModelService'):
        methods = {}
        for method in messages.service(name).methods:
            answer, executor = handlers[method.name]
            request_class = messages.message_class(method.input_type.full_name)
            methods[method.name] = grpc.unary_unary_rpc_method_handler(
                _handler(_work(request_class, answer), executor)
            )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    server.add_generic_rpc_handlers((_health(api),))


def _work(request_class: Any, answer: Callable[[Any], Any]) -> Work:
    def work(data: bytes) -> bytes:
        try:
            request = request_class.FromString(data)
        except DecodeError as error:
            raise StatusError(Code.INTERNAL, 'the request cannot be parsed') from error
        return answer(request).SerializeToString()

    return work


def _handler(work: Work, executor: Executor) -> Callable[[bytes, Any], Any]:
    async def handle(data: bytes, context: Any) -> bytes:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work, data)
        except StatusError as error:
            code, text = error.code, error.message
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.problem('request failed', error=f'{type(error).__name__}: {error}')
            code, text = Code.INTERNAL, f'{type(error).__name__}: {error}'
        await context.abort(_CODES[int(code)], _cut(text))
        raise AssertionError('abort raises')

    return handle


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + '...TRUNCATED'


def _health(api: Api) -> Any:
    """grpc.health.v1: SERVING while every configured model has an AVAILABLE version."""

    def now(service: str) -> Any:
        response = messages.HealthCheckResponse
        if service not in _HEALTH_SERVICES:
            return response(status=response.SERVICE_UNKNOWN)
        return response(status=response.SERVING if api.ready() else response.NOT_SERVING)

    async def check(request: Any, context: Any) -> Any:
        answer = now(request.service)
        if answer.status == messages.HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, f'unknown service {request.service}')
        return answer

    async def watch(request: Any, context: Any) -> Any:
        last = None
        while not (api.draining and last is not None and last.status != messages.HealthCheckResponse.SERVING):
            answer = now(request.service)
            if answer != last:
                yield answer
                last = answer
            await asyncio.sleep(0.5)

    reading = messages.HealthCheckRequest.FromString
    writing = messages.HealthCheckResponse.SerializeToString
    return grpc.method_handlers_generic_handler(
        'grpc.health.v1.Health',
        {
            'Check': grpc.unary_unary_rpc_method_handler(check, reading, writing),
            'Watch': grpc.unary_stream_rpc_method_handler(watch, reading, writing),
        },
    )
