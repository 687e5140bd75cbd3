"""Sends the same requests to two versions, so that differences between the answers are caused by the versions.

One thread sends a request to both versions, one directly after the other, in random order: a busy machine or a cold
cache then affects both equally.
"""

import random
import time
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaiven.serving.client import Client, RequestError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.requests import Request

POSITIVE, NEGATIVE = 'positive', 'negative'


@dataclass(frozen=True)
class Answer:
    """The answer of one version to a request.

    Attributes:
        seconds: latency of the request.
        error: code and message of a failure; empty without a failure.
        code: name of the gRPC status code of a failure.
        decisions: the decision for each row; empty if the signature does not decide.
        scores: the score of each row, from 0 to 1; empty if no output is a score.
    """

    seconds: float
    error: str = ''
    code: str = ''
    decisions: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pair:
    """The answers of the old and the new version to one request."""

    request: Request
    old: Answer
    new: Answer

    @property
    def failed(self) -> bool:
        """Whether either version failed."""
        return bool(self.old.error or self.new.error)


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
    decisions, scores = decisions_and_scores(outputs)
    return Answer(seconds, decisions=decisions, scores=scores)


def decisions_and_scores(outputs: dict[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Returns the decision and the score of each row.

    The score is the output `probability`, or else the only output if it has floats: its only column, or the largest
    of several. The decision is the output `label`, or else whether the score is above 0.5, or the index of the largest
    column.

    Args:
        outputs: the outputs of a signature by name; rows are the first dimension.

    Returns:
        Decisions and scores; each is empty if the outputs have none.
    """
    scores: tuple[float, ...] = ()
    decisions: tuple[str, ...] = ()
    value = outputs.get('probability', next(iter(outputs.values())) if len(outputs) == 1 else None)
    if value is not None and value.dtype.kind == 'f' and value.ndim and value.size:
        table = np.asarray(value, float).reshape(len(value), -1)  # (rows, classes)
        if table.shape[1] == 1:
            scores = tuple(table[:, 0].tolist())
            decisions = tuple(POSITIVE if score > 0.5 else NEGATIVE for score in scores)
        else:
            scores = tuple(table.max(1).tolist())
            decisions = tuple(str(index) for index in table.argmax(1))
    if 'label' in outputs and outputs['label'].ndim == 1:
        decisions = tuple(
            label.decode(errors='replace') if isinstance(label, bytes) else str(label)
            for label in outputs['label'].tolist()
        )
    return decisions, scores
