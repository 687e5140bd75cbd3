"""The method `explain` of `Vaiven` and `AsyncVaiven`, and its result."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.client.text_methods import TextRequest
from vaiven.serving.client.transport import Arrays


@dataclass(frozen=True)
class Contribution:
    """How much a word or an n-gram speaks for the label of a text.

    Attributes:
        text: the word, or the n-gram: a word, a pair of words, or a subword with `<` and `>` at the ends of a word.
        value: its part of the logit of the label; negative if it speaks against the label.
    """

    text: str
    value: float


@dataclass(frozen=True)
class Explanation:
    """Why a text got its label.

    For ordered classes, positive values speak for higher classes instead of for the label.

    Attributes:
        text: the text.
        label: the most probable class.
        score: its probability, 0 to 1.
        words: the words of the normalised text in their order. The recurrent path is read without each word; the
            n-grams of the wide path count for their words.
        ngrams: the n-grams that the wide path knows, the strongest first. Their values are exact.
    """

    text: str
    label: str
    score: float
    words: tuple[Contribution, ...]
    ngrams: tuple[Contribution, ...]


def explain() -> TextRequest[Explanation]:
    """The request behind `Vaiven.explain`."""

    def read(batch: list[str], outputs: Arrays) -> list[Explanation]:
        words = _split(outputs, 'words', 'word_values', 'word_row_lengths')
        ngrams = _split(outputs, 'ngrams', 'ngram_values', 'ngram_row_lengths')
        labels = [label.decode() for label in outputs['label'].tolist()]
        rows = zip(batch, labels, outputs['score'].tolist(), words, ngrams, strict=True)
        return [
            Explanation(text, label, score, row_words, _strongest_first(row_ngrams))
            for text, label, score, row_words, row_ngrams in rows
        ]

    return TextRequest('explain', read)


def _strongest_first(contributions: tuple[Contribution, ...]) -> tuple[Contribution, ...]:
    return tuple(sorted(contributions, key=lambda contribution: -abs(contribution.value)))


def _split(outputs: Arrays, texts: str, values: str, lengths: str) -> list[tuple[Contribution, ...]]:
    ends = np.cumsum(outputs[lengths])[:-1]
    columns: list[list[NDArray[Any]]] = [np.split(outputs[name], ends) for name in (texts, values)]
    return [
        tuple(
            Contribution(text.decode(errors='replace'), value)
            for text, value in zip(row_texts.tolist(), row_values.tolist(), strict=True)
        )
        for row_texts, row_values in zip(*columns, strict=True)
    ]
