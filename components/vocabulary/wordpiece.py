"""Learns the vocabulary of `text.unit=wordpiece` from the distinct words and their counts.

The learner of TensorFlow Text (Schuster & Nakajima 2012, top-down) finds the wordpieces that occur at least as often as
a threshold. This module searches the threshold that gives the wanted number of wordpieces. The learner's own bisection
over all counts takes minutes on the words of a few novels; there the number of wordpieces is close to a power of the
threshold, so that about three tries are enough.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf
from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

from vaiven.models.text.tokenization import (
    CONTINUATION_PREFIX,
    MAX_WORDPIECE_CHARACTERS,
    SPECIAL_TOKENS,
    split_words,
    token_table,
)

# Only the most frequent words are learned from: rare words add few wordpieces and most of the time. The counts are over
# all words.
_MAX_LEARNED_WORDS = 50_000
_MAX_CHARACTERS = 1_000
# A surplus of 20 % is cut to the most frequent wordpieces, so that the threshold need not be exact.
_MAX_SURPLUS = 1.2
_MAX_TRIES = 8


def learn_wordpieces(words: Mapping[str, int], size: int, min_count: int) -> tuple[list[str], dict[str, int]]:
    """Learns wordpieces from words.

    Every frequent character is a wordpiece, both at the start of a word and inside it, so that few words contain an
    unknown character.

    Args:
        words: each distinct word and its count.
        size: number of wordpieces that get an id.
        min_count: wordpieces of two or more characters with a lower count get no id.

    Returns:
        The wordpieces, in no particular order; and the count of each one that occurs when the words are split with
        them. Unknown characters are counted as `[UNK]`.
    """
    if not words:
        return [], {}
    learned = _search_threshold(words, size, min_count)
    counts = count_wordpieces(words, learned)
    alphabet = [token for token in learned if _is_character(token) and (counts[token] or token[-1].isalnum())]
    longer = sorted(
        (token for token in learned if not _is_character(token)), key=lambda token: (-counts[token], token)
    )
    wordpieces = [*alphabet, *longer[: size - len(alphabet)]]
    return wordpieces, dict(count_wordpieces(words, wordpieces))


def count_wordpieces(words: Mapping[str, int], wordpieces: Iterable[str]) -> Counter[str]:
    """Counts each wordpiece in the words, split by the tokeniser that the model serves with.

    Args:
        words: each distinct word and its count.
        wordpieces: the vocabulary without the special tokens.
    """
    tokens = [*SPECIAL_TOKENS, *wordpieces]
    table = token_table(tokens)
    split = split_words(tf.constant(list(words)), table)
    counts = np.repeat(np.fromiter(words.values(), np.int64), split.row_lengths())
    ids = table[split.flat_values].numpy()
    totals = np.bincount(ids, weights=counts, minlength=len(tokens)).astype(np.int64)
    return Counter({tokens[index]: int(totals[index]) for index in np.flatnonzero(totals)})


def _search_threshold(words: Mapping[str, int], size: int, min_count: int) -> list[str]:
    """The wordpieces at the threshold that gives `size` of them, or up to 20 % more."""
    all_words = learner.get_input_words(words.items(), SPECIAL_TOKENS, MAX_WORDPIECE_CHARACTERS)
    characters = learner.get_allowed_chars(all_words, min(_MAX_CHARACTERS, size // 2))
    frequent_words = learner.filter_input_words(all_words, characters, _MAX_LEARNED_WORDS)
    parameters = learner.Params(
        upper_thresh=None,
        lower_thresh=None,
        num_iterations=4,
        max_input_tokens=_MAX_LEARNED_WORDS,
        max_token_length=MAX_WORDPIECE_CHARACTERS,
        max_unique_chars=_MAX_CHARACTERS,
        vocab_size=size,
        slack_ratio=0.0,
        include_joiner_token=True,
        joiner=CONTINUATION_PREFIX,
        reserved_tokens=[],
    )
    too_low, too_high = min_count - 1, sum(count for _, count in frequent_words) + 1
    threshold = min_count + sum(count for _, count in frequent_words) // (8 * size)
    best: list[str] = []
    for _ in range(_MAX_TRIES):
        candidates = learner.learn_with_thresh(frequent_words, threshold, parameters)
        if len(candidates) >= size:
            best = candidates if len(best) < size or len(candidates) < len(best) else best
            too_low = threshold
        else:
            best = candidates if len(best) < len(candidates) else best
            too_high = threshold
        if size <= len(candidates) <= _MAX_SURPLUS * size or too_high - too_low <= 1:
            break
        # The power law of the threshold, with the exponent 1.3 that fits novels; 10 % above the wanted size.
        estimate = int(threshold * (len(candidates) / (1.1 * size)) ** 1.3)
        threshold = min(max(estimate, too_low + 1), too_high - 1)
    return list(
        dict.fromkeys([*best, *characters, *(CONTINUATION_PREFIX + character for character in characters)])
    )


def _is_character(wordpiece: str) -> bool:
    return len(wordpiece.removeprefix(CONTINUATION_PREFIX)) == 1
