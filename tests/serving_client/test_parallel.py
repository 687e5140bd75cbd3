"""Long lists: several requests under way, answers in order, nothing taken too early."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from vaiven.serving.client import (
    AsyncClient,
    AsyncVaiven,
    Client,
    InvalidRequestError,
    UnavailableError,
    Vaiven,
    classification,
)
from vaiven.serving.common.errors import ServingError


class Slow:
    """In the place of a client: later batches are answered first."""

    def __init__(self, fails_at: str = '') -> None:
        self.under_way = 0
        self.most = 0
        self.fails_at = fails_at
        self._lock = threading.Lock()
        self._both = threading.Barrier(2, timeout=10)

    def predict(self, model: str, inputs: dict[str, Any], **which: Any) -> dict[str, np.ndarray]:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        if inputs['text'][0] in (b'0', b'2'):
            self._both.wait()  # two requests must be there at once
        with self._lock:
            self.under_way -= 1
        if inputs['text'][0].decode() == self.fails_at:
            raise UnavailableError('no', 'UNAVAILABLE', '')
        values = np.array([float(text) for text in inputs['text']], np.float32)
        return {'probability': values, 'label': np.array([b'positive'] * len(values), object)}


def test_several_requests_are_under_way_and_answers_keep_their_order() -> None:
    slow = Slow()
    answers = Vaiven(slow, batch_rows=2, parallel=3).sentiment(str(n) for n in range(11))  # type: ignore[arg-type]
    assert [answer.probability for answer in answers] == list(range(11))
    assert 2 <= slow.most <= 3


def test_no_more_is_taken_than_is_under_way() -> None:
    taken = []

    def texts() -> Iterator[str]:
        for number in range(100):
            taken.append(number)
            yield str(number)

    vaiven = Vaiven(Slow(), batch_rows=2, parallel=2)  # type: ignore[arg-type]
    answers = vaiven._results(classification.sentiment('reviews'), texts(), None)
    next(answers)
    assert len(taken) <= 6
    answers.close()  # type: ignore[attr-defined]


def test_a_request_that_fails_ends_it() -> None:
    with pytest.raises(UnavailableError):
        Vaiven(Slow('4'), batch_rows=2, parallel=2).sentiment(map(str, range(20)))  # type: ignore[arg-type]


@pytest.mark.parametrize('settings', [{'batch_rows': 0}, {'parallel': 0}])
def test_numbers_below_one_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ServingError, match='must be at least 1'):
        Vaiven(Slow(), **settings)  # type: ignore[arg-type]


def test_parallel_and_one_by_one_agree_on_a_real_server(client: Client) -> None:
    texts = ['g' * (number % 7) + 'ñ' * (number % 3) for number in range(300)]
    many, one = (Vaiven(client, 'reviews', batch_rows=16, parallel=parallel) for parallel in (5, 1))
    assert many.sentiment(texts) == one.sentiment(texts)
    np.testing.assert_array_equal(many.embed(texts), one.embed(texts))


def test_the_twin_of_asyncio_answers_alike(client: Client) -> None:
    texts = ['g' * (number % 7) + 'ñ' * (number % 3) + ' 🙂' * (number % 2) for number in range(50)]
    settings = {'length': 5, 'seed': 3, 'top_k': 2}

    async def work() -> tuple[Any, ...]:
        async with AsyncClient(client.address) as asking:
            twin = AsyncVaiven(asking, 'reviews', batch_rows=8, parallel=3)
            assert await twin.sentiment([]) == []
            with pytest.raises(ServingError, match='Received: int as text 11'):
                await twin.sentiment(['g'] * 10 + [3])  # type: ignore[list-item]
            with pytest.raises(InvalidRequestError, match='top_p must be above 0'):
                await twin.generate(texts, top_p=0)
            return (
                await twin.sentiment(iter(texts)), await twin.course(texts), await twin.next_words('g', k=2),
                await twin.generate(texts, **settings), await twin.score(texts), (await twin.embed(texts)).tolist(),
            )  # fmt: skip

    one = Vaiven(client, 'reviews', batch_rows=8)
    assert asyncio.run(work()) == (
        one.sentiment(texts), one.course(texts), one.next_words('g', k=2),
        one.generate(texts, **settings), one.score(texts), one.embed(texts).tolist(),
    )  # fmt: skip
