"""`Vaiven` for asyncio.

async with AsyncClient('127.0.0.1:8500') as client:
    answers = await AsyncVaiven(client).sentiment(texts)
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray

from vaiven.serving.client import classification, explanation, text_methods
from vaiven.serving.client.async_client import AsyncClient
from vaiven.serving.client.errors import RequestError
from vaiven.serving.client.explanation import Explanation
from vaiven.serving.client.results import (
    Classification,
    Continuation,
    NextWord,
    Score,
    Sentiment,
    TokenSentiment,
)
from vaiven.serving.client.text_client import BATCH_ROWS, PARALLEL, Texts
from vaiven.serving.client.text_methods import TextRequest
from vaiven.serving.client.version_selector import VersionSelector
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
        """Creates a client of one model. Closing `client` remains the caller's task.

        Args:
            client: sends the requests.
            model: name of the model.
            version: version of the model; None for the one that `label` names, or for the newest.
            label: version label, such as 'stable'; not together with `version`.
            split: traffic split of a rollout: it gives each `key` a label, and a random one to a call without a key.
            batch_rows: number of texts in one request.
            parallel: number of requests in flight.

        Raises:
            ServingError: `batch_rows` or `parallel` is below 1, or a split is combined with a version or a label.
        """
        self.client = client
        self._selector = VersionSelector(model, version, label, split, batch_rows, parallel)

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._selector.model

    async def classify(
        self,
        texts: Texts,
        *,
        outputs: Sequence[str] | None = None,
        min_score: float = 0.0,
        key: str | None = None,
    ) -> list[Classification]:
        """Predicts the class of each text, of a model with any number of classes.

        Args:
            texts: one text, or an iterable of texts.
            outputs: names of the outputs to request, such as ('label', 'score'); None for all. With hundreds of
                classes, a request without `probabilities` and `classes` is faster.
            min_score: a text with a lower score gets the label 'undecided'. 0 gives every text the label of a class.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Classification` for each text, in the same order. What was not requested is empty or None in it.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, `min_score` is not between 0 and 1 or the model has a class
                'undecided' or several labels a text, or a key is given without a split.

        Example:
            [result] = await vaiven.classify('a wonderful film')
        """
        return await self._all(classification.classify(self.model, outputs, min_score), texts, key)

    async def sentiment(self, texts: Texts, *, key: str | None = None) -> list[Sentiment]:
        """Predicts whether each text is positive or negative, or of which other two classes the model has.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Sentiment` for each text, in the same order.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: the model has more than two classes, a text is not a valid string, or a key is given
                without a split.

        Example:
            [result] = await vaiven.sentiment('a wonderful film')
        """
        return await self._all(classification.sentiment(self.model), texts, key)

    async def explain(self, texts: Texts, *, key: str | None = None) -> list[Explanation]:
        """Explains the label of each text: which words and n-grams speak for it, and which against it.

        The model reads a text once for each of its words, so this takes many times as long as `classify`.

        Args:
            texts: one text, or an iterable of texts, each of at most 1,024 words.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Explanation` for each text, in the same order.

        Raises:
            RequestError: a request failed; its subclass and `code` say why. A model of an earlier version has no
                signature `explain`.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            [result] = await vaiven.explain('a wonderful film')
        """
        return await self._all(explanation.explain(), texts, key)

    async def token_sentiment(self, texts: Texts, *, key: str | None = None) -> list[TokenSentiment]:
        """Predicts the sentiment of each text up to each of its tokens: the signature `sentiment_course`.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `TokenSentiment` for each text: its tokens, and after each the probability of positive.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            [result] = await vaiven.token_sentiment('a wonderful film')
        """
        return await self._all(text_methods.token_sentiment(), texts, key)

    async def course(self, texts: Texts, *, key: str | None = None) -> list[TokenSentiment]:
        """The former name of `token_sentiment`."""
        return await self.token_sentiment(texts, key=key)

    async def next_words(
        self, prefixes: Texts, k: int = 5, *, key: str | None = None
    ) -> list[list[NextWord]]:
        """Predicts the most probable next words after each prefix.

        Args:
            prefixes: one text, or an iterable of texts.
            k: number of words for each prefix.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            For each prefix up to `k` words, the most probable first, with the natural logarithms of their
            probabilities.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            [words] = await vaiven.next_words('this film is', k=3)
        """
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
    ) -> list[Continuation]:
        """Generates a continuation of each text; an empty text starts from nothing.

        Args:
            texts: one text, or an iterable of texts. Equal texts get different continuations.
            length: number of tokens to generate: characters, or words and punctuation marks.
            temperature: divides the logits: below 1 safer, above 1 more varied. 0 always takes the most probable
                token (greedy decoding), which soon repeats itself.
            top_p: samples from the smallest set of tokens with this share of the probability (nucleus sampling,
                Holtzman et al. 2020).
            top_k: samples from the `top_k` most probable tokens at most (Fan et al. 2018); 0 for all.
            no_repeat: never repeats an n-gram of this many tokens; 0 allows repetitions.
            seed: makes the result reproducible; None for a different one each time.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Continuation` for each text.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            [result] = await vaiven.generate('this film', length=5, seed=1)
        """
        request = text_methods.generate(length, temperature, top_p, top_k, no_repeat, seed)
        return await self._all(request, texts, key)

    async def score(self, texts: Texts, *, key: str | None = None) -> list[Score]:
        """Computes the log-probability of each text under the language model.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            One `Score` for each text: its log-probability, its bits per character, and a value for each token.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            [result] = await vaiven.score('a wonderful film')
        """
        return await self._all(text_methods.score(), texts, key)

    async def embed(self, texts: Texts, *, key: str | None = None) -> NDArray[Any]:
        """Computes an embedding of each text.

        Args:
            texts: one text, or an iterable of texts.
            key: key of the caller, such as 'user-17', where traffic is split: the same key gets the same label.

        Returns:
            float32 array (texts, dimensions); (0, 0) if there are no texts.

        Raises:
            RequestError: a request failed; its subclass and `code` say why.
            ServingError: a text is not a valid string, or a key is given without a split.

        Example:
            len(await vaiven.embed(['a wonderful film', 'a dull film']))
        """
        return text_methods.rows(await self._all(text_methods.embed(), texts, key))

    async def _all(self, request: TextRequest[T], texts: Texts, key: str | None) -> list[T]:
        async with aclosing(self._results(request, texts, key)) as answers:
            return [result async for results in answers for result in results]

    async def _results(
        self, request: TextRequest[T], texts: Texts, key: str | None
    ) -> AsyncGenerator[list[T], None]:
        """The results of each batch, in order."""
        selected = self._selector.select(key)
        in_flight: deque[asyncio.Task[list[T]]] = deque()
        try:
            for number, batch in enumerate(text_methods.batches(texts, self._selector.batch_rows)):
                in_flight.append(asyncio.create_task(self._send(request, batch, number, selected, key)))
                if len(in_flight) == self._selector.parallel:
                    yield await in_flight.popleft()
            while in_flight:
                yield await in_flight.popleft()
        finally:
            for task in in_flight:
                task.cancel()
            await asyncio.gather(*in_flight, return_exceptions=True)

    async def _send(
        self,
        request: TextRequest[T],
        batch: list[str],
        number: int,
        selected: dict[str, Any],
        key: str | None,
    ) -> list[T]:
        predict = partial(
            self.client.predict, self.model, request.inputs_of(batch, number), **request.options()
        )
        try:
            answer = await predict(**selected)
        except RequestError as error:
            answer = await predict(**self._selector.reselect(error, selected, key))
        return request.read(batch, answer)
