"""The methods of `Vaiven` and `AsyncVaiven`: for each its signature, its inputs, and how its outputs are read.

Nothing is sent here, so both clients share all of it. Those that predict classes are in `classification`.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.client.results import Continuation, NextWord, Score, TokenSentiment
from vaiven.serving.client.transport import Arrays
from vaiven.serving.common.errors import ServingError

T = TypeVar('T')
Inputs = dict[str, Any]


@dataclass(frozen=True)
class TextRequest(Generic[T]):
    """One method that takes texts.

    Attributes:
        signature: name of the signature.
        read: converts the outputs for a batch to one result for each of its texts.
        parameters: the inputs beside the texts, by the number of the batch, from 0.
        outputs: names of the outputs to request; empty for all.
        missing_ok: whether the model may lack some of `outputs`.
    """

    signature: str
    read: Callable[[list[str], Arrays], list[T]]
    parameters: Callable[[int], Inputs] = lambda number: {}
    outputs: tuple[str, ...] = ()
    missing_ok: bool = False

    def inputs_of(self, batch: list[str], number: int) -> Inputs:
        """The inputs of the signature for a batch of checked texts."""
        return {'text': [text.encode() for text in batch], **self.parameters(number)}

    def options(self) -> dict[str, Any]:
        """The arguments of `Client.predict` that are the same for each batch."""
        filtered = {'outputs': self.outputs, 'missing_ok': self.missing_ok} if self.outputs else {}
        return {'signature': self.signature, **filtered}


def batches(texts: str | Iterable[str], rows: int) -> Iterator[list[str]]:
    """Divides texts into lists of at most `rows`. Raises ServingError for a value that is not a valid string."""
    batch: list[str] = []
    for number, text in enumerate([texts] if isinstance(texts, str) else texts, 1):
        batch.append(_checked(text, number))
        if len(batch) == rows:
            yield batch
            batch = []
    if batch:
        yield batch


def token_sentiment() -> TextRequest[TokenSentiment]:
    """The request behind `Vaiven.token_sentiment`."""

    def read(batch: list[str], outputs: Arrays) -> list[TokenSentiment]:
        ends = np.cumsum(outputs['row_lengths'])[:-1]
        columns = [np.split(outputs[name], ends) for name in ('tokens', 'probabilities')]
        return [
            TokenSentiment(text, tuple(map(_decoded, tokens.tolist())), tuple(probabilities.tolist()))
            for text, tokens, probabilities in zip(batch, *columns, strict=True)
        ]

    return TextRequest('sentiment_course', read)


def next_words(k: int) -> TextRequest[list[NextWord]]:
    """The request behind `Vaiven.next_words`. Raises ServingError if `k` is not a positive 32-bit integer."""
    if k < 1:
        raise ServingError(f'k must be at least 1. Received: {k}')
    number_of_words = _int32('k', k)

    def read(batch: list[str], outputs: Arrays) -> list[list[NextWord]]:
        return [
            [NextWord(_decoded(token), value) for token, value in zip(tokens, values, strict=True)]
            for tokens, values in zip(
                outputs['tokens'].tolist(), outputs['log_probabilities'].tolist(), strict=True
            )
        ]

    return TextRequest('next_word', read, lambda number: {'k': number_of_words})


def generate(
    length: int, temperature: float, top_p: float, top_k: int, no_repeat: int, seed: int | None
) -> TextRequest[Continuation]:
    """The request behind `Vaiven.generate`.

    Args:
        length: number of tokens to generate.
        temperature: divides the logits.
        top_p: share of the probability to sample from.
        top_k: number of tokens to sample from; 0 for all.
        no_repeat: length of the n-grams that are not repeated; 0 for none.
        seed: of the first batch; None for a random one.

    Raises:
        ServingError: a number is not a 32-bit integer.
    """
    base_seed = random.randrange(2**31) if seed is None else int(_int32('seed', seed))
    numbers = {'length': length, 'top_k': top_k, 'no_repeat': no_repeat}
    inputs = {
        'temperature': np.float32(temperature),
        'top_p': np.float32(top_p),
        **{name: _int32(name, value) for name, value in numbers.items()},
    }

    def read(batch: list[str], outputs: Arrays) -> list[Continuation]:
        generated = map(bytes.decode, outputs['generated'].tolist())
        return [Continuation(*row) for row in zip(batch, generated, strict=True)]

    def parameters(number: int) -> Inputs:
        """Each batch has a seed of its own, so that equal texts in two batches get different continuations."""
        return {**inputs, 'seed': np.uint32((base_seed + number) % 2**32).astype(np.int32)}

    return TextRequest('generate', read, parameters)


def score() -> TextRequest[Score]:
    """The request behind `Vaiven.score`."""

    def read(batch: list[str], outputs: Arrays) -> list[Score]:
        values = np.split(outputs['token_values'], np.cumsum(outputs['token_row_lengths'])[:-1])
        columns = [outputs[name].tolist() for name in ('log_probability', 'tokens', 'bits_per_character')]
        tokens = [tuple(row.tolist()) for row in values]
        return [Score(*row) for row in zip(batch, *columns, tokens, strict=True)]

    return TextRequest('score', read)


def embed() -> TextRequest[NDArray[Any]]:
    """The request behind `Vaiven.embed`."""
    return TextRequest('embed', lambda batch, outputs: list(outputs['embedding']))


def rows(vectors: list[NDArray[Any]]) -> NDArray[Any]:
    """Stacks vectors to an array (texts, dimensions); (0, 0) if there are none."""
    return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)


def _decoded(token: bytes) -> str:
    return token.decode(errors='replace')


def _int32(name: str, value: int) -> np.int32:
    if not -(2**31) <= value < 2**31:
        raise ServingError(f'{name} must be a 32-bit integer. Received: {value}')
    return np.int32(value)


def _checked(text: object, number: int) -> str:
    if not isinstance(text, str):
        raise ServingError(f'texts must be strings. Received: {type(text).__name__} as text {number}')
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ServingError(f'text {number} is not valid UTF-8, at character {error.start + 1}') from None
    return text
