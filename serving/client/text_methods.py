"""What can be asked of a model made by vaiven: the signature, its inputs, and how answers are read.

Nothing is sent here, so that `Vaiven` and `AsyncVaiven` are one.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.client.results import Course, NextWord, Score, Sentiment, Written
from vaiven.serving.client.transport import Arrays
from vaiven.serving.common.errors import ServingError

T = TypeVar('T')
Inputs = dict[str, Any]


@dataclass(frozen=True)
class Question(Generic[T]):
    """One way to ask about texts.

    Attributes:
        signature: which to ask.
        read: makes one result for each text of a batch from the answer to it.
        inputs: what a batch is asked with beside its texts; it gets the number of the batch, from 0.
    """

    signature: str
    read: Callable[[list[str], Arrays], list[T]]
    inputs: Callable[[int], Inputs] = lambda number: {}

    def request(self, batch: list[str], number: int) -> Inputs:
        """The inputs for a batch of checked texts."""
        return {'text': [text.encode() for text in batch], **self.inputs(number)}


def batches(texts: str | Iterable[str], rows: int) -> Iterator[list[str]]:
    """Lists of at most `rows` texts. Raises ServingError for a text that is none."""
    batch: list[str] = []
    for number, text in enumerate([texts] if isinstance(texts, str) else texts, 1):
        batch.append(_checked(text, number))
        if len(batch) == rows:
            yield batch
            batch = []
    if batch:
        yield batch


def sentiment(model: str) -> Question[Sentiment]:
    def read(batch: list[str], answer: Arrays) -> list[Sentiment]:
        if 'label' not in answer:
            raise ServingError(f'model {model!r} gives no opinions: it has learnt language alone')
        labels = [label.decode() for label in answer['label'].tolist()]
        columns = batch, labels, answer['probability'].tolist()
        return [Sentiment(*each) for each in zip(*columns, strict=True)]

    return Question('serving_default', read)


def course() -> Question[Course]:
    def read(batch: list[str], answer: Arrays) -> list[Course]:
        ends = np.cumsum(answer['row_lengths'])[:-1]
        parts = [np.split(answer[name], ends) for name in ('tokens', 'probabilities')]
        return [
            Course(text, tuple(map(_decoded, tokens.tolist())), tuple(probabilities.tolist()))
            for text, tokens, probabilities in zip(batch, *parts, strict=True)
        ]

    return Question('sentiment_course', read)


def next_words(k: int) -> Question[list[NextWord]]:
    if k < 1:
        raise ServingError(f'k must be at least 1. Received: {k}')
    number_of_words = _int32('k', k)

    def read(batch: list[str], answer: Arrays) -> list[list[NextWord]]:
        return [
            [NextWord(_decoded(token), value) for token, value in zip(tokens, values, strict=True)]
            for tokens, values in zip(
                answer['tokens'].tolist(), answer['log_probabilities'].tolist(), strict=True
            )
        ]

    return Question('next_word', read, lambda number: {'k': number_of_words})


def generate(
    length: int, temperature: float, top_p: float, top_k: int, no_repeat: int, seed: int | None
) -> Question[Written]:
    chosen = random.randrange(2**31) if seed is None else int(_int32('seed', seed))
    numbers = {'length': length, 'top_k': top_k, 'no_repeat': no_repeat}
    inputs = {
        'temperature': np.float32(temperature),
        'top_p': np.float32(top_p),
        **{name: _int32(name, value) for name, value in numbers.items()},
    }

    def read(batch: list[str], answer: Arrays) -> list[Written]:
        written = map(bytes.decode, answer['generated'].tolist())
        return [Written(*each) for each in zip(batch, written, strict=True)]

    def inputs_of(number: int) -> Inputs:
        """Each batch has a seed of its own, or equal texts in two of them would be written on alike."""
        return {**inputs, 'seed': np.uint32((chosen + number) % 2**32).astype(np.int32)}

    return Question('generate', read, inputs_of)


def score() -> Question[Score]:
    def read(batch: list[str], answer: Arrays) -> list[Score]:
        values = np.split(answer['token_values'], np.cumsum(answer['token_row_lengths'])[:-1])
        columns = [answer[name].tolist() for name in ('log_probability', 'tokens', 'bits_per_character')]
        tokens = [tuple(each.tolist()) for each in values]
        return [Score(*each) for each in zip(batch, *columns, tokens, strict=True)]

    return Question('score', read)


def embed() -> Question[NDArray[Any]]:
    return Question('embed', lambda batch, answer: list(answer['embedding']))


def rows(vectors: list[NDArray[Any]]) -> NDArray[Any]:
    """One array of all; (0, 0) for none."""
    return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)


def _decoded(token: bytes) -> str:
    return token.decode(errors='replace')


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
