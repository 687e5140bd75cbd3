"""Which words a forward and a backward language model put into a gap."""

import dataclasses

import numpy as np
import tensorflow as tf

from vaiven.models.lecture.corpus import Vocabulary, words
from vaiven.models.lecture.language_model import LanguageModel
from vaiven.models.text.tokenization import BOS_ID, EOS_ID, SPECIAL_TOKENS

GAP = '…'

# The lectures' sentences, a gap in each, and three of the kind that film reviews are made of.
SENTENCES = (
    'las nubes están en el …',
    'las nubes están en el … azul .',
    'deberías ver roma , es una … muy hermosa .',
    'nací en francia y hablo muy bien el …',
    'the clouds are in the …',
    'i grew up in france . i speak fluent …',
    'you should see rome , it is a … city .',
    'this is one of the best … of the year .',
    'the … is too long and the jokes are not funny .',
)


@dataclasses.dataclass(frozen=True)
class Filled:
    """A gap's candidates, each (word, probability), the likeliest first.

    Attributes:
        sentence: with `…` for the gap.
        unknown: its words that the models do not know.
        forward: from what stands before the gap.
        backward: from what stands after it; empty where nothing does.
        both: p(word | before) · p(word | after) / p(word), which is right if the two sides are independent
            given the word; empty where nothing stands after the gap.
    """

    sentence: str
    unknown: tuple[str, ...]
    forward: tuple[tuple[str, float], ...]
    backward: tuple[tuple[str, float], ...]
    both: tuple[tuple[str, float], ...]


def known_share(sentence: str, vocabulary: Vocabulary) -> float:
    """Share of the sentence's words that the vocabulary holds."""
    tokens = [token for part in words(sentence.split(GAP)) for token in part]
    return sum(token in vocabulary for token in tokens) / len(tokens)


def fill(
    sentence: str,
    vocabulary: Vocabulary,
    forward: LanguageModel,
    backward: LanguageModel,
    frequencies: np.ndarray,
    count: int,
) -> Filled:
    """Fills the gap of a sentence.

    Args:
        sentence: with one `…`.
        vocabulary: of both models.
        forward, backward: language models; the second reads texts from their end.
        frequencies: p(word), float (vocabulary).
        count: how many candidates.
    """
    before, after = words(sentence.split(GAP))
    unknown = tuple(token for token in (*before, *after) if token not in vocabulary)
    from_before = _next(forward, [BOS_ID, *vocabulary.ids(before)])
    forwards = _best(from_before, vocabulary, count)
    if not after:
        return Filled(sentence, unknown, forwards, (), ())
    from_after = _next(backward, [EOS_ID, *vocabulary.ids(reversed(after))])
    joint = from_before * from_after / np.maximum(frequencies, 1e-12)
    return Filled(
        sentence,
        unknown,
        forwards,
        _best(from_after, vocabulary, count),
        _best(joint / joint.sum(), vocabulary, count),
    )


def _next(model: LanguageModel, ids: list[int]) -> np.ndarray:
    return np.asarray(tf.nn.softmax(model(np.array([ids], 'int32'))[0, -1]).numpy())


def _best(probabilities: np.ndarray, vocabulary: Vocabulary, count: int) -> tuple[tuple[str, float], ...]:
    """The likeliest words; special tokens and signs of punctuation are no words and are left out."""
    found = []
    for number in np.argsort(-probabilities, kind='stable'):
        token = vocabulary.tokens[number]
        if token not in SPECIAL_TOKENS and token[0].isalpha():
            found.append((token, float(probabilities[number])))
            if len(found) == count:
                break
    return tuple(found)
