"""The gRPC services: PredictionService, ModelService, ProfilerService and health.

Each call has a thread, which parses the request, runs the model and writes the response. With 32 callers, an empty
service costs 0.19 ms of CPU time per call with gRPC's threads, and 0.24 ms with gRPC in asyncio.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from vaiven.serving.common import health, log
from vaiven.serving.common.call_threads import blocking
from vaiven.serving.common.peers import peer_of
from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server.api import Api, Call, complete
from vaiven.serving.server.profiler import Profiler
from vaiven.serving.wire import messages

MAX_ERROR_TEXT = 1024  # upstream's limit (model_servers/grpc_status_util.cc)
# Reloads and profiles in progress. Each keeps a thread, and may wait for minutes.
MAX_LONG_CALLS = 128
# Threads besides those of inference requests: for long calls, health watches, states, metadata and refusals.
OTHER_THREADS = MAX_LONG_CALLS + health.MAX_WATCHES + 64
# gRPC reports hundreds of years for a call without deadline.
_NO_DEADLINE_SECONDS = 1e9
_CODES = {code.value[0]: code for code in grpc.StatusCode}

Method = Callable[[Any, Call], Any]


def add_services(
    server: grpc.Server, api: Api, loop: asyncio.AbstractEventLoop, profiler: Profiler | None = None
) -> None:
    """Registers all services on a server.

    Args:
        server: the server, not started yet.
        api: answers the requests.
        loop: runs the methods that wait for long: reloads and profiles.
        profiler: answers ProfilerService; None for no such service.
    """
    long_calls = threading.BoundedSemaphore(MAX_LONG_CALLS)
    methods_by_name: dict[str, Method] = {
        'Predict': _inference(api.predict),
        'Classify': _inference(api.classify),
        'Regress': _inference(api.regress),
        'MultiInference': _inference(api.multi_inference),
        'GetModelMetadata': lambda request, call: api.metadata(request),
        'GetModelStatus': lambda request, call: api.status(request),
        'HandleReloadConfigRequest': _in_loop(api.reload, loop, long_calls),
    }
    services = ['tensorflow.serving.PredictionService', 'tensorflow.serving.ModelService']
    if profiler is not None:
        services.append('tensorflow.ProfilerService')
        methods_by_name |= {
            'Profile': _in_loop(profiler.profile, loop, long_calls),
            'Terminate': _in_loop(profiler.terminate, loop, long_calls),
            'Monitor': _in_loop(profiler.monitor, loop, long_calls),
        }
    for name in services:
        # Without generated code: request and response classes come from the descriptors of the private pool.
        methods = {}
        for method in messages.service(name).methods:
            request_class = messages.message_class(method.input_type.full_name)
            methods[method.name] = grpc.unary_unary_rpc_method_handler(
                _handler(request_class, methods_by_name[method.name])
            )
        server.add_registered_method_handlers(name, methods)
    server.add_generic_rpc_handlers((health.service(api.ready, lambda: api.draining),))


def _inference(method: Callable[[Any, Call], Coroutine[Any, Any, Any]]) -> Method:
    return lambda request, call: complete(method(request, call))


def _in_loop(
    method: Callable[[Any, Call], Coroutine[Any, Any, Any]],
    loop: asyncio.AbstractEventLoop,
    limit: threading.BoundedSemaphore,
) -> Method:
    """`method`, which runs in the event loop while the thread waits. The end of the call cancels it."""

    def wait(request: Any, call: Call) -> Any:
        if not limit.acquire(blocking=False):
            raise StatusError(
                Code.RESOURCE_EXHAUSTED, f'{MAX_LONG_CALLS} reloads and profiles are waiting: try again later'
            )
        try:
            future = asyncio.run_coroutine_threadsafe(method(request, call), loop)
            if call.on_end is not None and not call.on_end(future.cancel):
                future.cancel()
            with blocking:
                return future.result()
        except CancelledError:
            raise StatusError(Code.CANCELLED, 'the caller has hung up') from None
        finally:
            limit.release()

    return wait


def _handler(request_class: Any, method: Method) -> Callable[[bytes, Any], bytes]:
    """The gRPC handler of a method, from serialized request to serialized response."""
    parse = request_class.FromString

    def handle(data: bytes, context: Any) -> bytes:
        remaining = context.time_remaining()
        deadline = time.monotonic() + remaining if remaining < _NO_DEADLINE_SECONDS else None
        call = Call('GRPC', deadline, False, partial(peer_of, context), context.add_callback)
        try:
            response: bytes = method(parse(data), call).SerializeToString()
            return response
        except StatusError as error:
            code, text = error.code, error.message
        except DecodeError:
            # gRPC's own code for a request that cannot be deserialised.
            code, text = Code.INTERNAL, 'the request cannot be parsed'
        except Exception as error:
            log.problem('request failed', error=f'{type(error).__name__}: {error}')
            code, text = Code.INTERNAL, f'{type(error).__name__}: {error}'
        context.abort(_CODES[int(code)], _truncated(text))
        raise AssertionError('abort raises')  # for the type checker

    return handle


def _truncated(text: str) -> str:
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + '...TRUNCATED'
