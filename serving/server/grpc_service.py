"""The gRPC services: PredictionService, ModelService, ProfilerService and health.

Small messages are parsed in the event loop: a change of threads costs more than the parsing. Large messages go to a
worker thread, so that they do not delay other requests.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from vaiven.serving.common import health, log
from vaiven.serving.common.peers import peer_of
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.api import Api, Call
from vaiven.serving.server.profiler import Profiler
from vaiven.serving.wire import messages

MAX_ERROR_TEXT = 1024  # upstream's limit (model_servers/grpc_status_util.cc)
LARGE_BYTES = 1 << 16
_CODES = {code.value[0]: code for code in grpc.StatusCode}

Method = Callable[[Any, Call], Awaitable[Any]]


def add_services(
    server: grpc.aio.Server, api: Api, workers: Executor, profiler: Profiler | None = None
) -> None:
    """Registers all services on a server.

    Args:
        server: the server, not started yet.
        api: answers the requests.
        workers: threads that parse and write large messages.
        profiler: answers ProfilerService; None for no such service.
    """
    methods_by_name: dict[str, Method] = {
        'Predict': api.predict,
        'Classify': api.classify,
        'Regress': api.regress,
        'MultiInference': api.multi_inference,
        'GetModelMetadata': _as_coroutine(api.metadata),
        'GetModelStatus': _as_coroutine(api.status),
        'HandleReloadConfigRequest': api.reload,
    }
    services = ['tensorflow.serving.PredictionService', 'tensorflow.serving.ModelService']
    if profiler is not None:
        services.append('tensorflow.ProfilerService')
        methods_by_name |= {
            'Profile': profiler.profile,
            'Terminate': profiler.terminate,
            'Monitor': profiler.monitor,
        }
    for name in services:
        # Without generated code: request and response classes come from the descriptors of the private pool.
        methods = {}
        for method in messages.service(name).methods:
            request_class = messages.message_class(method.input_type.full_name)
            methods[method.name] = grpc.unary_unary_rpc_method_handler(
                _handler(request_class, methods_by_name[method.name], workers)
            )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    server.add_generic_rpc_handlers((health.service(api.ready, lambda: api.draining),))


def _as_coroutine(method: Callable[[Any], Any]) -> Method:
    async def call_method(request: Any, call: Call) -> Any:
        return method(request)

    return call_method


def _handler(request_class: Any, method: Method, workers: Executor) -> Callable[[bytes, Any], Any]:
    """The gRPC handler of a method, from serialized request to serialized response."""
    parse, write = request_class.FromString, _write

    async def handle(data: bytes, context: Any) -> bytes:
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        try:
            if len(data) < LARGE_BYTES:
                return write(
                    await method(parse(data), Call('GRPC', deadline, False, partial(peer_of, context)))
                )
            loop = asyncio.get_running_loop()
            request = await loop.run_in_executor(workers, parse, data)
            return await loop.run_in_executor(
                workers, write, await method(request, Call('GRPC', deadline, True, partial(peer_of, context)))
            )
        except StatusError as error:
            code, text = error.code, error.message
        except DecodeError:
            # gRPC's own code for a request that cannot be deserialised.
            code, text = Code.INTERNAL, 'the request cannot be parsed'
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.problem('request failed', error=f'{type(error).__name__}: {error}')
            code, text = Code.INTERNAL, f'{type(error).__name__}: {error}'
        await context.abort(_CODES[int(code)], _truncated(text))
        raise AssertionError('abort raises')  # for the type checker

    return handle


def _write(response: Any) -> bytes:
    data: bytes = response.SerializeToString()
    return data


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + '...TRUNCATED'
