"""The product's own client: texts in, small typed results out."""

import itertools
import random
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray

from vaiven.serving.client import text_methods
from vaiven.serving.client.client import Client
from vaiven.serving.client.errors import NotFoundError, RequestError
from vaiven.serving.client.results import Course, NextWord, Score, Sentiment, Written
from vaiven.serving.client.text_methods import Question
from vaiven.serving.common.defaults import TEMPERATURE, TOP_P
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import SplitFile

BATCH_ROWS = 128
PARALLEL = 4

T = TypeVar('T')
Texts = str | Iterable[str]


class Which:
    """Which version of which model is asked, and how much at a time; the same for both clients."""

    def __init__(
        self,
        model: str,
        version: int | None,
        label: str | None,
        split: SplitFile | None,
        batch_rows: int,
        parallel: int,
    ) -> None:
        """Raises ServingError where this makes no sense."""
        for name, value in (('batch_rows', batch_rows), ('parallel', parallel)):
            if value < 1:
                raise ServingError(f'{name} must be at least 1. Received: {value}')
        if split is not None and (version is not None or label is not None):
            raise ServingError('a split chooses the label: give no version and no label beside it')
        self.model = model
        self.batch_rows = batch_rows
        self.parallel = parallel
        self._fixed = {'version': version, 'label': label}
        self._split = split

    def of(self, key: str | None) -> dict[str, Any]:
        """Version and label for one call. Raises ServingError for a key without a split."""
        if self._split is None:
            if key is not None:
                raise ServingError(f'a key is for a split of traffic: give split=. Received: {key!r}')
            return self._fixed
        now = self._split.now()
        return {'label': now.label_at(100 * random.random()) if key is None else now.label_of(key)}

    def again(self, error: RequestError, chosen: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Version and label in place of `chosen`, whose label has left the split and the server during a long call.

        Raises:
            RequestError: `error`, where that is not why a request failed.
        """
        gone = isinstance(error, NotFoundError) or 'version label' in error.details
        if not gone or self._split is None or self._split.now().weights.get(chosen['label']):
            raise error
        return self.of(key)


class Vaiven:
    """A model made by vaiven, on a server.

    Long lists are sent in batches, some at a time, and come back in order; of an iterator no more is taken than is
    under way.
    """

    def __init__(
        self,
        client: Client,
        model: str = 'reviews',
        *,
        version: int | None = None,
        label: str | None = None,
        split: SplitFile | None = None,
        batch_rows: int = BATCH_ROWS,
        parallel: int = PARALLEL,
    ) -> None:
        """Asks through `client`, which stays the caller's to close.

        Args:
            client: where to ask.
            model: name of the model.
            version: a version, or None for what `label` names, or for the newest.
            label: a label, as 'stable'.
            split: the file of a rollout; it says which label each `key` gets, and each call without one by chance.
            batch_rows: texts in one request.
            parallel: requests under way at a time.

        Raises:
            ServingError: one of these numbers is below 1, or a split and a version or label are given.
        """
        self.client = client
        self._which = Which(model, version, label, split, batch_rows, parallel)

    @property
    def model(self) -> str:
        return self._which.model

    def sentiment(self, texts: Texts, *, key: str | None = None) -> list[Sentiment]:
        """Whether each text speaks well or ill.

        Args:
            texts: one, or several.
            key: who asks, as 'user-17', where there is a split of traffic.

        Raises:
            RequestError: the request failed.
            ServingError: a text is none, or there is a key without a split.
        """
        return self._all(text_methods.sentiment(self.model), texts, key)

    def course(self, texts: Texts, *, key: str | None = None) -> list[Course]:
        """What is thought of each text after each of its tokens. See `sentiment`."""
        return self._all(text_methods.course(), texts, key)

    def next_words(self, prefixes: Texts, k: int = 5, *, key: str | None = None) -> list[list[NextWord]]:
        """The `k` likeliest words after each prefix, likeliest first. See `sentiment`."""
        return self._all(text_methods.next_words(k), prefixes, key)

    def generate(
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
        """Writes on after each text; after an empty one, from nothing. See `sentiment`.

        Args:
            texts: one, or several, each written on in its own way, also where they are equal.
            length: how many tokens to write: characters, or words and signs.
            temperature: how bold; 0 takes the likeliest token always, which soon goes round in circles.
            top_p: draws from the fewest tokens that have this share of the probability.
            top_k: and from so many of the likeliest at most; 0 for all.
            no_repeat: does not write so many tokens in a row that were there before; 0 for no such rule.
            seed: the same one, with the rest, gives the same texts again; None for another each time.
            key: who asks, where there is a split of traffic.
        """
        asked = text_methods.generate(length, temperature, top_p, top_k, no_repeat, seed)
        return self._all(asked, texts, key)

    def score(self, texts: Texts, *, key: str | None = None) -> list[Score]:
        """How likely the language model finds each text. See `sentiment`."""
        return self._all(text_methods.score(), texts, key)

    def embed(self, texts: Texts, *, key: str | None = None) -> NDArray[Any]:
        """A vector for each text. See `sentiment`.

        Returns:
            float32 array (texts, dimensions); (0, 0) for no texts.
        """
        return text_methods.rows(self._all(text_methods.embed(), texts, key))

    def _all(self, question: Question[T], texts: Texts, key: str | None) -> list[T]:
        return [result for results in self._answers(question, texts, key) for result in results]

    def _answers(self, question: Question[T], texts: Texts, key: str | None) -> Iterator[list[T]]:
        """The results of each batch, in order."""
        which = self._which.of(key)
        batches = enumerate(text_methods.batches(texts, self._which.batch_rows))
        begin = list(itertools.islice(batches, 2))
        if len(begin) < 2 or self._which.parallel == 1:  # threads would be for nothing
            for number, batch in itertools.chain(begin, batches):
                yield self._ask(question, batch, number, which, key)
            return
        under_way: deque[Future[list[T]]] = deque()
        with ThreadPoolExecutor(self._which.parallel, 'ask') as threads:
            try:
                for number, batch in itertools.chain(begin, batches):
                    under_way.append(threads.submit(self._ask, question, batch, number, which, key))
                    if len(under_way) == self._which.parallel:
                        yield under_way.popleft().result()
                while under_way:
                    yield under_way.popleft().result()
            finally:
                for asked in under_way:
                    asked.cancel()

    def _ask(
        self, question: Question[T], batch: list[str], number: int, which: dict[str, Any], key: str | None
    ) -> list[T]:
        ask = partial(
            self.client.predict, self.model, question.request(batch, number), signature=question.signature
        )
        try:
            answer = ask(**which)
        except RequestError as error:
            answer = ask(**self._which.again(error, which, key))
        return question.read(batch, answer)
