"""The gRPC port: PredictionService, ModelService and health on an `Api`.

Everything but the runs of models (see `execution`) and what is large happens in the event loop: for a small message
a thread costs more than the parsing.
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

MAX_ERROR_TEXT = 1024
LARGE_BYTES = 1 << 16
_CODES = {code.value[0]: code for code in grpc.StatusCode}

Answer = Callable[[Any, Call], Awaitable[Any]]


def add_services(
    server: grpc.aio.Server, api: Api, workers: Executor, profiler: Profiler | None = None
) -> None:
    """Registers all services.

    Args:
        server: the server, not started yet.
        api: answers the requests.
        workers: parses and writes what is large.
        profiler: answers ProfilerService; None leaves it out.
    """
    answers: dict[str, Answer] = {
        'Predict': api.predict,
        'Classify': api.classify,
        'Regress': api.regress,
        'MultiInference': api.multi_inference,
        'GetModelMetadata': _at_once(api.metadata),
        'GetModelStatus': _at_once(api.status),
        'HandleReloadConfigRequest': api.reload,
    }
    services = ['tensorflow.serving.PredictionService', 'tensorflow.serving.ModelService']
    if profiler is not None:
        services.append('tensorflow.ProfilerService')
        answers |= {
            'Profile': profiler.profile,
            'Terminate': profiler.terminate,
            'Monitor': profiler.monitor,
        }
    for name in services:
        methods = {}
        for method in messages.service(name).methods:
            request_class = messages.message_class(method.input_type.full_name)
            methods[method.name] = grpc.unary_unary_rpc_method_handler(
                _handler(request_class, answers[method.name], workers)
            )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    server.add_generic_rpc_handlers((health.service(api.ready, lambda: api.draining),))


def _at_once(answer: Callable[[Any], Any]) -> Answer:
    async def work(request: Any, call: Call) -> Any:
        return answer(request)

    return work


def _handler(request_class: Any, answer: Answer, workers: Executor) -> Callable[[bytes, Any], Any]:
    """What is large is parsed and written in a worker thread, so that it holds up nobody else."""
    parse, write = request_class.FromString, _write

    async def handle(data: bytes, context: Any) -> bytes:
        left = context.time_remaining()
        deadline = None if left is None else time.monotonic() + left
        try:
            if len(data) < LARGE_BYTES:
                return write(
                    await answer(parse(data), Call('GRPC', deadline, False, partial(peer_of, context)))
                )
            loop = asyncio.get_running_loop()
            request = await loop.run_in_executor(workers, parse, data)
            return await loop.run_in_executor(
                workers, write, await answer(request, Call('GRPC', deadline, True, partial(peer_of, context)))
            )
        except StatusError as error:
            code, text = error.code, error.message
        except DecodeError:
            code, text = Code.INTERNAL, 'the request cannot be parsed'
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.problem('request failed', error=f'{type(error).__name__}: {error}')
            code, text = Code.INTERNAL, f'{type(error).__name__}: {error}'
        await context.abort(_CODES[int(code)], _cut(text))
        raise AssertionError('abort raises')

    return handle


def _write(response: Any) -> bytes:
    data: bytes = response.SerializeToString()
    return data


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ERROR_TEXT else text[:MAX_ERROR_TEXT] + '...TRUNCATED'
