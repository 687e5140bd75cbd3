"""Sends the same requests to two versions, so that differences between the answers are caused by the versions.

One thread sends a request to both versions, one directly after the other, in random order: a busy machine or a cold
cache then affects both equally.
"""

import random
import time
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from vaiven.serving.client import Client, RequestError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.answers import Answer, Pair
from vaiven.serving.rollout.requests import Request


def pairs(
    client: Client,
    model: str,
    requests: Iterable[Request | None],
    old: int,
    new: int,
    *,
    parallel: int = 1,
    timeout: float | None = None,
) -> Generator[Pair | None, None, None]:
    """Yields the pairs in the order of the requests; None for a request that is None.

    Args:
        client: a client of the server.
        model: name of the model.
        requests: consumed only as fast as they are sent; None means that none is available at the moment.
        old: the version to compare with.
        new: the version to test.
        parallel: number of concurrent pairs; concurrent pairs slow each other down, and unevenly.
        timeout: seconds for one answer; None for the client's default.
    """

    def ask(request: Request) -> Pair:
        # Random order: the second answer profits from what the first has warmed up (caches, connection), and in a fixed
        # order the latency gates would take that for a difference between the versions.
        first, second = (old, new) if random.random() < 0.5 else (new, old)
        answers = {version: _answer(client, model, request, version, timeout) for version in (first, second)}
        return Pair(request, answers[old], answers[new])

    pending: deque[Future[Pair]] = deque()
    with ThreadPoolExecutor(parallel, 'pair') as pool:
        try:
            for request in requests:
                if request is None:
                    while pending:
                        yield pending.popleft().result()
                    yield None
                    continue
                pending.append(pool.submit(ask, request))
                # One more than there are threads, so that no thread waits for the next request.
                if len(pending) > parallel:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _answer(client: Client, model: str, request: Request, version: int, timeout: float | None) -> Answer:
    start = time.perf_counter()
    try:
        outputs = client.predict(
            model, request.inputs, signature=request.signature, version=version, timeout=timeout
        )
    except RequestError as error:
        return Answer(time.perf_counter() - start, f'{error.code}: {error}', error.code)
    except ServingError as error:
        return Answer(time.perf_counter() - start, str(error), 'INVALID_ARGUMENT')
    seconds = time.perf_counter() - start
    return Answer.from_outputs(seconds, outputs)
