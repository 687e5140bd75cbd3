"""The product's own client for asyncio: the twin of `Vaiven`.

async with AsyncClient('127.0.0.1:8500') as client:
    answers = await AsyncVaiven(client).sentiment(texts)
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray

from vaiven.serving.client import text_methods
from vaiven.serving.client.async_client import AsyncClient
from vaiven.serving.client.errors import RequestError
from vaiven.serving.client.results import Course, NextWord, Score, Sentiment, Written
from vaiven.serving.client.text_client import BATCH_ROWS, PARALLEL, Texts, Which
from vaiven.serving.client.text_methods import Question
from vaiven.serving.common.defaults import TEMPERATURE, TOP_P
from vaiven.serving.common.split import SplitFile

T = TypeVar('T')


class AsyncVaiven:
    """A model made by vaiven, on a server. Methods, arguments and errors are those of `Vaiven`."""

    def __init__(
        self,
        client: AsyncClient,
        model: str = 'reviews',
        *,
        version: int | None = None,
        label: str | None = None,
        split: SplitFile | None = None,
        batch_rows: int = BATCH_ROWS,
        parallel: int = PARALLEL,
    ) -> None:
        """As `Vaiven`."""
        self.client = client
        self._which = Which(model, version, label, split, batch_rows, parallel)

    @property
    def model(self) -> str:
        return self._which.model

    async def sentiment(self, texts: Texts, *, key: str | None = None) -> list[Sentiment]:
        """See `Vaiven.sentiment`."""
        return await self._all(text_methods.sentiment(self.model), texts, key)

    async def course(self, texts: Texts, *, key: str | None = None) -> list[Course]:
        """See `Vaiven.course`."""
        return await self._all(text_methods.course(), texts, key)

    async def next_words(
        self, prefixes: Texts, k: int = 5, *, key: str | None = None
    ) -> list[list[NextWord]]:
        """See `Vaiven.next_words`."""
        return await self._all(text_methods.next_words(k), prefixes, key)

    async def generate(
        self,
        texts: Texts = '',
        *,
        length: int = 200,
        temperature: float = TEMPERATURE,
        top_p: float = TOP_P,
        top_k: int = 0,
        no_repeat: int = 0,
        seed: int | None = None,
        key: str | None = None,
    ) -> list[Written]:
        """See `Vaiven.generate`."""
        asked = text_methods.generate(length, temperature, top_p, top_k, no_repeat, seed)
        return await self._all(asked, texts, key)

    async def score(self, texts: Texts, *, key: str | None = None) -> list[Score]:
        """See `Vaiven.score`."""
        return await self._all(text_methods.score(), texts, key)

    async def embed(self, texts: Texts, *, key: str | None = None) -> NDArray[Any]:
        """See `Vaiven.embed`."""
        return text_methods.rows(await self._all(text_methods.embed(), texts, key))

    async def _all(self, question: Question[T], texts: Texts, key: str | None) -> list[T]:
        async with aclosing(self._answers(question, texts, key)) as answers:
            return [result async for results in answers for result in results]

    async def _answers(
        self, question: Question[T], texts: Texts, key: str | None
    ) -> AsyncGenerator[list[T], None]:
        """The results of each batch, in order."""
        which = self._which.of(key)
        under_way: deque[asyncio.Task[list[T]]] = deque()
        try:
            for number, batch in enumerate(text_methods.batches(texts, self._which.batch_rows)):
                under_way.append(asyncio.create_task(self._ask(question, batch, number, which, key)))
                if len(under_way) == self._which.parallel:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _ask(
        self, question: Question[T], batch: list[str], number: int, which: dict[str, Any], key: str | None
    ) -> list[T]:
        ask = partial(
            self.client.predict, self.model, question.request(batch, number), signature=question.signature
        )
        try:
            answer = await ask(**which)
        except RequestError as error:
            answer = await ask(**self._which.again(error, which, key))
        return question.read(batch, answer)
