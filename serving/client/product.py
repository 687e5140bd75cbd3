"""The product's own client: texts in, small typed results out."""

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.client.client import Client
from vaiven.serving.client.results import Course, NextWord, Score, Sentiment, Written
from vaiven.serving.client.transport import Arrays
from vaiven.serving.defaults import TEMPERATURE, TOP_P
from vaiven.serving.errors import ServingError

BATCH_ROWS = 128
PARALLEL = 4

Inputs = dict[str, Any]


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
        batch_rows: int = BATCH_ROWS,
        parallel: int = PARALLEL,
    ) -> None:
        """Asks through `client`, which stays the caller's to close.

        Args:
            client: where to ask.
            model: name of the model.
            version: a version, or None for what `label` names, or for the newest.
            label: a label, as 'stable'.
            batch_rows: texts in one request.
            parallel: requests under way at a time.

        Raises:
            ServingError: one of these numbers is below 1.
        """
        for name, value in (('batch_rows', batch_rows), ('parallel', parallel)):
            if value < 1:
                raise ServingError(f'{name} must be at least 1. Received: {value}')
        self.client = client
        self.model = model
        self._which: dict[str, Any] = {'version': version, 'label': label}
        self._batch_rows = batch_rows
        self._parallel = parallel

    def sentiment(self, texts: str | Iterable[str]) -> list[Sentiment]:
        """Whether each text speaks well or ill. Raises RequestError, or ServingError for a text that is none."""
        found = []
        for batch, answer in self._answers(texts, 'serving_default'):
            if 'label' not in answer:
                raise ServingError(f'model {self.model!r} gives no opinions: it has learnt language alone')
            for text, label, probability in zip(batch, answer['label'], answer['probability'], strict=True):
                found.append(Sentiment(text, label.decode(), float(probability)))
        return found

    def course(self, texts: str | Iterable[str]) -> list[Course]:
        """What is thought of each text after each of its tokens. Raises as `sentiment`."""
        found = []
        for batch, answer in self._answers(texts, 'sentiment_course'):
            ends = np.cumsum(answer['row_lengths'])[:-1]
            parts = [np.split(answer[name], ends) for name in ('tokens', 'probabilities')]
            for text, tokens, probabilities in zip(batch, *parts, strict=True):
                decoded = tuple(token.decode(errors='replace') for token in tokens.tolist())
                found.append(Course(text, decoded, tuple(probabilities.tolist())))
        return found

    def next_words(self, prefixes: str | Iterable[str], k: int = 5) -> list[list[NextWord]]:
        """The `k` likeliest words after each prefix, likeliest first. Raises as `sentiment`."""
        if k < 1:
            raise ServingError(f'k must be at least 1. Received: {k}')
        found = []
        for _, answer in self._answers(prefixes, 'next_word', lambda number: {'k': np.int32(k)}):
            for tokens, values in zip(answer['tokens'], answer['log_probabilities'], strict=True):
                found.append(
                    [
                        NextWord(token.decode(errors='replace'), float(value))
                        for token, value in zip(tokens, values, strict=True)
                    ]
                )
        return found

    def generate(
        self,
        texts: str | Iterable[str] = '',
        *,
        length: int = 200,
        temperature: float = TEMPERATURE,
        top_p: float = TOP_P,
        top_k: int = 0,
        no_repeat: int = 0,
        seed: int | None = None,
    ) -> list[Written]:
        """Writes on after each text; after an empty one, from nothing. Raises as `sentiment`.

        Args:
            texts: one, or several, each written on in its own way, also where they are equal.
            length: how many tokens to write: characters, or words and signs.
            temperature: how bold; 0 takes the likeliest token always, which soon goes round in circles.
            top_p: draws from the fewest tokens that have this share of the probability.
            top_k: and from so many of the likeliest at most; 0 for all.
            no_repeat: does not write so many tokens in a row that were there before; 0 for no such rule.
            seed: the same one, with the rest, gives the same texts again; None for another each time.
        """
        chosen = random.randrange(2**31) if seed is None else int(_int32('seed', seed))
        numbers = {'length': length, 'top_k': top_k, 'no_repeat': no_repeat}
        inputs = {
            'temperature': np.float32(temperature),
            'top_p': np.float32(top_p),
            **{name: _int32(name, value) for name, value in numbers.items()},
        }

        def seed_of(number: int) -> Any:
            """Of each batch its own, or equal texts in two of them would be written on alike."""
            return np.uint32((chosen + number) % 2**32).astype(np.int32)

        found = []
        for batch, answer in self._answers(
            texts, 'generate', lambda number: {**inputs, 'seed': seed_of(number)}
        ):
            written = map(bytes.decode, answer['generated'])
            found += [Written(*each) for each in zip(batch, written, strict=True)]
        return found

    def score(self, texts: str | Iterable[str]) -> list[Score]:
        """How likely the language model finds each text. Raises as `sentiment`."""
        found = []
        for batch, answer in self._answers(texts, 'score'):
            ends = np.cumsum(answer['token_row_lengths']).tolist()
            for row, (text, end) in enumerate(zip(batch, ends, strict=True)):
                values = answer['token_values'][end - int(answer['token_row_lengths'][row]) : end]
                found.append(
                    Score(
                        text,
                        float(answer['log_probability'][row]),
                        int(answer['tokens'][row]),
                        float(answer['bits_per_character'][row]),
                        tuple(values.tolist()),
                    )
                )
        return found

    def embed(self, texts: str | Iterable[str]) -> NDArray[Any]:
        """A vector for each text. Raises as `sentiment`.

        Returns:
            float32 array (texts, dimensions); (0, 0) for no texts.
        """
        rows = [answer['embedding'] for _, answer in self._answers(texts, 'embed')]
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _answers(
        self,
        texts: str | Iterable[str],
        signature: str,
        inputs_of: Callable[[int], Inputs] = lambda number: {},
    ) -> Iterator[tuple[list[str], Arrays]]:
        """Each batch with its answer, in order. `inputs_of` gives what a batch of that number is asked with besides."""
        batches = enumerate(self._batches(texts))
        begin = list(itertools.islice(batches, 2))
        if len(begin) < 2 or self._parallel == 1:  # threads would be for nothing
            for number, batch in itertools.chain(begin, batches):
                yield batch, self._ask(batch, signature, inputs_of(number))
            return
        under_way: deque[tuple[list[str], Future[Arrays]]] = deque()
        with ThreadPoolExecutor(self._parallel, 'ask') as threads:
            try:
                for number, batch in itertools.chain(begin, batches):
                    asked = threads.submit(self._ask, batch, signature, inputs_of(number))
                    under_way.append((batch, asked))
                    if len(under_way) == self._parallel:
                        batch, asked = under_way.popleft()
                        yield batch, asked.result()
                while under_way:
                    batch, asked = under_way.popleft()
                    yield batch, asked.result()
            finally:
                for _, asked in under_way:
                    asked.cancel()

    def _ask(self, batch: list[str], signature: str, inputs: Inputs) -> Arrays:
        encoded = [text.encode() for text in batch]
        return self.client.predict(
            self.model, {'text': encoded, **inputs}, signature=signature, **self._which
        )

    def _batches(self, texts: str | Iterable[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        for number, text in enumerate([texts] if isinstance(texts, str) else texts, 1):
            batch.append(_checked(text, number))
            if len(batch) == self._batch_rows:
                yield batch
                batch = []
        if batch:
            yield batch


def _int32(name: str, value: int) -> np.int32:
    if not -(2**31) <= value < 2**31:
        raise ServingError(f'{name} must be a number of 32 bits. Received: {value}')
    return np.int32(value)


def _checked(text: object, number: int) -> str:
    if not isinstance(text, str):
        raise ServingError(f'texts must be strings. Received: {type(text).__name__} as text {number}')
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ServingError(f'text {number} is not valid UTF-8, at character {error.start + 1}') from None
    return text
