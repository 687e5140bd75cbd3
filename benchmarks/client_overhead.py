"""Overhead of a call over a bare stub that sends the same message, built once, and does not parse the response."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np

from benchmarks import report, serving_figures
from benchmarks.client_plan import Plan
from benchmarks.serving_setup import Subject
from vaiven.serving.client import AsyncClient, Client
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.grpc_transport import channel, stubs
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

CALLERS = (1, 32)
# A turn consists of alternating slices of client and stub, so other load on the machine affects both equally.
SLICE_SECONDS = 0.2
TARGET = 1.15


def overhead(plan: Plan, trivial: Subject, sentiment: Subject | None, root: Path) -> dict[str, Any]:
    """Measures seconds and CPU time per call in this process; the ratios are client over stub, per turn."""
    ratios: dict[str, Any] = {}
    points: dict[str, Any] = {}
    for subject in [each for each in (trivial, sentiment) if each is not None]:
        inputs = {
            name: np.asarray(values, np.float32) if isinstance(values[0], float) else values
            for name, values in subject.inputs[0].items()
        }
        with ServerProcess(subject.name, subject.folder, timeout=300) as server:
            for kind, turns in (('waiting', _waiting), ('asyncio', _asyncio)):
                for callers in CALLERS:
                    found = turns(plan, server.grpc_address, subject.name, inputs, callers)
                    name = f'{subject.name}, {kind}, {callers}'
                    points[name] = {
                        who: {what: report.spread(each) for what, each in figures.items()}
                        for who, figures in found.items()
                    }
                    ours, bare = (found[who]['seconds_a_call'] for who in ('client', 'stub'))
                    judged = serving_figures.judged(serving_figures.ratio(ours, bare), 'at most', TARGET)
                    ratios[f'client / stub, {name} callers'] = judged
                    ours, bare = (found[who]['cpu_us_a_call'] for who in ('client', 'stub'))
                    ratios[f'client / stub, {name} callers, CPU'] = serving_figures.ratio(ours, bare)
    return {'points': points, 'ratios': ratios}


Turns = dict[str, dict[str, list[float]]]


def _request(name: str, inputs: dict[str, Any]) -> Any:
    request = messages.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = 'serving_default'
    for alias, value in inputs.items():
        tensors.write_proto(request.inputs[alias], value)
    return request


class _Turn:
    """The sums over the slices of one turn."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {'stub': 0, 'client': 0}
        self.seconds: dict[str, float] = {'stub': 0.0, 'client': 0.0}
        self.cpu: dict[str, float] = {'stub': 0.0, 'client': 0.0}

    def add(self, who: str, calls: int, seconds: float, cpu: float) -> None:
        self.calls[who] += calls
        self.seconds[who] += seconds
        self.cpu[who] += cpu


def _figures(turns: Sequence[_Turn], callers: int) -> Turns:
    """Values of each turn except the first, which is warm-up."""
    return {
        who: {
            'seconds_a_call': [callers * turn.seconds[who] / turn.calls[who] for turn in turns[1:]],
            'cpu_us_a_call': [1e6 * turn.cpu[who] / turn.calls[who] for turn in turns[1:]],
        }
        for who in ('stub', 'client')
    }


def _slices(plan: Plan) -> list[str]:
    """The order of callers in the slices of one turn."""
    pairs = max(1, round(plan.seconds / SLICE_SECONDS))
    return [who for pair in range(pairs) for who in (['stub', 'client'] if pair % 2 else ['client', 'stub'])]


def _waiting(plan: Plan, address: str, name: str, inputs: dict[str, Any], callers: int) -> Turns:
    request, turns = _request(name, inputs), []
    bare_channel = channel(grpc, address, Connection())
    stub = stubs(bare_channel)['Predict']
    with Client(address) as client:
        asks: dict[str, Callable[[], Any]] = {
            'stub': lambda: stub(request, timeout=30),
            'client': lambda: client.predict(name, inputs),
        }
        for _ in range(plan.repeats + 1):
            turns.append(turn := _Turn())
            for who in _slices(plan):
                turn.add(who, *_threads(asks[who], callers))
    bare_channel.close()
    return _figures(turns, callers)


def _threads(ask: Callable[[], Any], callers: int) -> tuple[int, float, float]:
    """Returns the number of calls of all threads, their seconds and their CPU seconds."""
    counts = [0] * callers
    began, used = time.perf_counter(), time.process_time()
    ends = began + SLICE_SECONDS

    def work(number: int) -> None:
        while time.perf_counter() < ends:
            ask()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts), time.perf_counter() - began, time.process_time() - used


def _asyncio(plan: Plan, address: str, name: str, inputs: dict[str, Any], callers: int) -> Turns:
    return asyncio.run(_async_turns(plan, address, name, inputs, callers))


async def _async_turns(plan: Plan, address: str, name: str, inputs: dict[str, Any], callers: int) -> Turns:
    request, turns = _request(name, inputs), []
    bare_channel = channel(grpc.aio, address, Connection())
    stub = stubs(bare_channel)['Predict']
    async with AsyncClient(address) as client:
        asks: dict[str, Callable[[], Awaitable[Any]]] = {
            'stub': lambda: stub(request, timeout=30),
            'client': lambda: client.predict(name, inputs),
        }
        for _ in range(plan.repeats + 1):
            turns.append(turn := _Turn())
            for who in _slices(plan):
                turn.add(who, *(await _tasks(asks[who], callers)))
    await bare_channel.close()
    return _figures(turns, callers)


async def _tasks(ask: Callable[[], Awaitable[Any]], callers: int) -> tuple[int, float, float]:
    began, used = time.perf_counter(), time.process_time()
    ends = began + SLICE_SECONDS

    async def work() -> int:
        count = 0
        while time.perf_counter() < ends:
            await ask()
            count += 1
        return count

    calls = sum(await asyncio.gather(*(work() for _ in range(callers))))
    return calls, time.perf_counter() - began, time.process_time() - used
