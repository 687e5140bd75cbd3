"""The words that a forward and a backward language model predict for a gap in a sentence."""

import dataclasses

import numpy as np
import tensorflow as tf

from vaiven.models.lecture.corpus import Vocabulary, words
from vaiven.models.lecture.language_model import LanguageModel
from vaiven.models.text.tokenization import BOS_ID, EOS_ID, SPECIAL_TOKENS

GAP = '…'

# The sentences of the lectures, each with a gap, and three that are typical of film reviews.
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
class GapCandidates:
    """Candidates for a gap, each (word, probability), the most probable first.

    Attributes:
        sentence: the sentence, with `…` for the gap.
        unknown: words of the sentence that are not in the vocabulary.
        forward: candidates from the text before the gap.
        backward: candidates from the text after the gap; empty if there is none.
        both: p(word | before) · p(word | after) / p(word), normalised. This is exact if the two sides are independent
            given the word. Empty if there is no text after the gap.
    """

    sentence: str
    unknown: tuple[str, ...]
    forward: tuple[tuple[str, float], ...]
    backward: tuple[tuple[str, float], ...]
    both: tuple[tuple[str, float], ...]


def known_word_share(sentence: str, vocabulary: Vocabulary) -> float:
    """Computes the share of the words of a sentence that are in the vocabulary."""
    tokens = [token for side in words(sentence.split(GAP)) for token in side]
    return sum(token in vocabulary for token in tokens) / len(tokens)


def fill_gap(
    sentence: str,
    vocabulary: Vocabulary,
    forward: LanguageModel,
    backward: LanguageModel,
    frequencies: np.ndarray,
    count: int,
) -> GapCandidates:
    """Predicts the word in the gap of a sentence.

    Args:
        sentence: a sentence with one `…`.
        vocabulary: the vocabulary of both models.
        forward: language model that reads texts from the start.
        backward: language model that reads texts from the end.
        frequencies: float (vocabulary), p(word).
        count: number of candidates.
    """
    before, after = words(sentence.split(GAP))
    unknown = tuple(token for token in (*before, *after) if token not in vocabulary)
    given_before = _next_probabilities(forward, [BOS_ID, *vocabulary.ids(before)])  # (vocabulary)
    forward_candidates = _most_probable(given_before, vocabulary, count)
    if not after:
        return GapCandidates(sentence, unknown, forward_candidates, (), ())
    given_after = _next_probabilities(backward, [EOS_ID, *vocabulary.ids(reversed(after))])
    joint = given_before * given_after / np.maximum(frequencies, 1e-12)
    return GapCandidates(
        sentence,
        unknown,
        forward_candidates,
        _most_probable(given_after, vocabulary, count),
        _most_probable(joint / joint.sum(), vocabulary, count),
    )


def _next_probabilities(model: LanguageModel, ids: list[int]) -> np.ndarray:
    return np.asarray(tf.nn.softmax(model(np.array([ids], 'int32'))[0, -1]).numpy())


def _most_probable(
    probabilities: np.ndarray, vocabulary: Vocabulary, count: int
) -> tuple[tuple[str, float], ...]:
    """Returns the most probable words; special tokens, numbers and punctuation are skipped."""
    candidates = []
    for token_id in np.argsort(-probabilities, kind='stable'):
        token = vocabulary.tokens[token_id]
        if token not in SPECIAL_TOKENS and token[0].isalpha():
            candidates.append((token, float(probabilities[token_id])))
            if len(candidates) == count:
                break
    return tuple(candidates)
