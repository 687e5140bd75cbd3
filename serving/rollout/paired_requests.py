"""Asks two versions the same requests, so that what differs between the answers is the versions' doing.

Both are asked right after each other by the same thread, in an order that is drawn each time: a busy machine, or a
cold cache, harms both alike.
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
from vaiven.serving.rollout.requests import Asked

POSITIVE, NEGATIVE = 'positive', 'negative'


@dataclass(frozen=True)
class Answer:
    """What one version said, with one value a row.

    Attributes:
        seconds: how long it took.
        error: the code and the words of a failure; empty where there was none.
        code: name of the gRPC status of a failure.
        decisions: what each row was taken for; empty where the signature decides nothing.
        scores: how sure, 0 to 1; empty where no output says.
    """

    seconds: float
    error: str = ''
    code: str = ''
    decisions: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pair:
    """The answers of the old and the new version to one request."""

    asked: Asked
    old: Answer
    new: Answer

    @property
    def failed(self) -> bool:
        return bool(self.old.error or self.new.error)


def pairs(
    client: Client,
    model: str,
    requests: Iterable[Asked | None],
    old: int,
    new: int,
    *,
    parallel: int = 1,
    timeout: float | None = None,
) -> Generator[Pair | None, None, None]:
    """The pairs in the order of the requests; None where a request is None.

    Args:
        client: asks the server.
        model: name of the model.
        requests: no more of them are taken than are under way; None says that there is none just now.
        old, new: the versions.
        parallel: how many pairs are under way at a time; they slow each other down, and unevenly.
        timeout: seconds for one answer; None for the client's.
    """

    def ask(asked: Asked) -> Pair:
        first, second = (old, new) if random.random() < 0.5 else (new, old)
        answers = {version: _answer(client, model, asked, version, timeout) for version in (first, second)}
        return Pair(asked, answers[old], answers[new])

    under_way: deque[Future[Pair]] = deque()
    with ThreadPoolExecutor(parallel, 'pair') as pool:
        try:
            for asked in requests:
                if asked is None:
                    while under_way:
                        yield under_way.popleft().result()
                    yield None
                    continue
                under_way.append(pool.submit(ask, asked))
                if len(under_way) > parallel:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


def _answer(client: Client, model: str, asked: Asked, version: int, timeout: float | None) -> Answer:
    began = time.perf_counter()
    try:
        outputs = client.predict(
            model, asked.inputs, signature=asked.signature, version=version, timeout=timeout
        )
    except RequestError as error:
        return Answer(time.perf_counter() - began, f'{error.code}: {error}', error.code)
    except ServingError as error:
        return Answer(time.perf_counter() - began, str(error), 'INVALID_ARGUMENT')
    seconds = time.perf_counter() - began
    decisions, scores = decisions_and_scores(outputs)
    return Answer(seconds, decisions=decisions, scores=scores)


def decisions_and_scores(outputs: dict[str, Any]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """What was decided, and how surely, by row.

    The decision is the output `label`, or else whether the score is above a half, or the greatest of several; the
    score is the output `probability`, or else the only output, where that is floats: its only column, or the greatest.
    """
    scores: tuple[float, ...] = ()
    decisions: tuple[str, ...] = ()
    value = outputs.get('probability', next(iter(outputs.values())) if len(outputs) == 1 else None)
    if value is not None and value.dtype.kind == 'f' and value.ndim and value.size:
        table = np.asarray(value, float).reshape(len(value), -1)
        if table.shape[1] == 1:
            scores = tuple(table[:, 0].tolist())
            decisions = tuple(POSITIVE if score > 0.5 else NEGATIVE for score in scores)
        else:
            scores = tuple(table.max(1).tolist())
            decisions = tuple(str(place) for place in table.argmax(1))
    if 'label' in outputs and outputs['label'].ndim == 1:
        decisions = tuple(
            each.decode(errors='replace') if isinstance(each, bytes) else str(each)
            for each in outputs['label'].tolist()
        )
    return decisions, scores
