"""The load generator of the serving benchmark: callers that send requests to one server continuously.

    python -m benchmarks.serving_load

Each line of standard input is a `Job` as JSON; each line of the output is its result. A job without `seconds`
runs until the next line. The process ends with its input. Messages are not parsed: it sends and receives bytes.
"""

import asyncio
import base64
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import grpc
import grpc.aio

from benchmarks.serving_figures import percentile

MAX_CONNECTIONS = 8
REQUEST_TIMEOUT = 60.0
PAUSE_AFTER_FAILURE = 0.01

Ask = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True)
class Job:
    """One point of a measurement.

    Attributes:
        address: `host:port` for gRPC, the whole URL to post to for REST.
        payloads: the requests, in base64; each caller starts at another one and cycles.
        method: path of the gRPC method; empty: REST.
        callers: number of concurrent requests.
        warm_up: seconds before anything counts.
        seconds: duration of the measurement; None: until the next line.
        keep: whether to return start, end and response of each request.
    """

    address: str
    payloads: list[str]
    method: str = ''
    callers: int = 1
    warm_up: float = 0.5
    seconds: float | None = 2.0
    keep: bool = False


@dataclass
class _Tally:
    begins: float
    ends: float
    sent: int = 0
    times: list[tuple[float, float, int]] = field(default_factory=list)
    bodies: dict[bytes, int] = field(default_factory=dict)
    failures: int = 0
    first_failure: str = ''


class _RefusedError(Exception):
    pass


async def run(job: Job, stop: asyncio.Event) -> dict[str, Any]:
    """Runs a job; returns requests per second, latencies in ms (p50, p99), failures, and own CPU seconds."""
    payloads = [base64.b64decode(each) for each in job.payloads]
    async with AsyncExitStack() as stack:
        asks = await (_grpc if job.method else _rest)(job, stack)
        began = time.monotonic() + job.warm_up
        tally = _Tally(began, began + (job.seconds if job.seconds is not None else 1e9))
        used = time.process_time()
        callers = [
            _call(asks[number % len(asks)], payloads, number * len(payloads) // job.callers, tally, stop)
            for number in range(job.callers)
        ]
        await asyncio.gather(*callers)
        used = time.process_time() - used
        wall = time.monotonic() - began + job.warm_up
    ended = min(tally.ends, began - job.warm_up + wall)
    counted = [(start, end, body) for start, end, body in tally.times if began <= end <= ended]
    latencies = [end - start for start, end, _ in counted]
    result: dict[str, Any] = {
        'requests': len(counted), 'sent': tally.sent, 'failures': tally.failures,
        'first_failure': tally.first_failure, 'requests_a_second': len(counted) / max(ended - began, 1e-9),
        'p50_ms': 1000 * percentile(latencies, 0.5), 'p99_ms': 1000 * percentile(latencies, 0.99),
        'load_cpu_share': used / wall,
    }  # fmt: skip
    if job.keep:
        result['times'] = tally.times
        result['bodies'] = [base64.b64encode(body).decode() for body in tally.bodies]
    return result


async def _call(ask: Ask, payloads: list[bytes], place: int, tally: _Tally, stop: asyncio.Event) -> None:
    clock = time.monotonic
    while not stop.is_set():
        began = clock()
        if began >= tally.ends:
            return
        tally.sent += 1
        try:
            body = await ask(payloads[place % len(payloads)])
        except (grpc.RpcError, aiohttp.ClientError, TimeoutError, _RefusedError) as error:
            tally.failures += 1
            details = (
                f': {error.code().name}: {error.details()}' if isinstance(error, grpc.aio.AioRpcError) else ''
            )
            tally.first_failure = tally.first_failure or f'{type(error).__name__}{details or f": {error}"}'
            await asyncio.sleep(PAUSE_AFTER_FAILURE)
            continue
        tally.times.append((began, clock(), tally.bodies.setdefault(body, len(tally.bodies))))
        place += 1


async def _grpc(job: Job, stack: AsyncExitStack) -> list[Ask]:
    # Loopback must not use a proxy of the environment, and channels share one connection by default.
    options = [('grpc.enable_http_proxy', 0), ('grpc.use_local_subchannel_pool', 1)]

    def asking(channel: grpc.aio.Channel) -> Ask:
        method = channel.unary_unary(job.method)

        async def ask(payload: bytes) -> bytes:
            return await method(payload, timeout=REQUEST_TIMEOUT)

        return ask

    asks = []
    for _ in range(min(job.callers, MAX_CONNECTIONS)):
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(job.address, options=options))
        asks.append(asking(channel))
    return asks


async def _rest(job: Job, stack: AsyncExitStack) -> list[Ask]:
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=job.callers),
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT),
            headers={'Content-Type': 'application/json'},
        )
    )

    async def ask(payload: bytes) -> bytes:
        async with session.post(job.address, data=payload) as response:
            body = await response.read()
            if response.status != 200:
                raise _RefusedError(f'HTTP {response.status}: {body[:200].decode(errors="replace")}')
            return body

    return [ask]


async def main() -> None:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, '')

    threading.Thread(target=read, daemon=True).start()
    print(json.dumps({'ready': True}), flush=True)
    line = await lines.get()
    while line:
        stop = asyncio.Event()
        job = Job(**json.loads(line))
        running = asyncio.create_task(run(job, stop))
        following = asyncio.create_task(lines.get())
        await asyncio.wait({running, following}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        print(json.dumps(await running), flush=True)
        line = await following
        if job.seconds is None and line:  # the line that ended the job says nothing else
            line = await lines.get()


if __name__ == '__main__':
    asyncio.run(main())
