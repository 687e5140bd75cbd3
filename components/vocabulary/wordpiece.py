"""Pieces of words: the vocabulary of `text.unit=wordpiece`, learnt from the distinct words and their counts.

TensorFlow Text's learner (Schuster & Nakajima 2012, top down) finds the pieces that occur at least so many times.
Which threshold gives as many pieces as wanted is searched here: its own bisection over all counts takes minutes for
the words of a few novels, where the number of pieces is close to a power of the threshold and three tries do.
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

# Rarer words teach little about pieces and cost the most time; the pieces are counted over all words all the same.
_LEARNT_WORDS = 50_000
_MAX_CHARACTERS = 1_000
# More than asked for is cut to the most frequent, so a threshold need not be exact.
_ENOUGH = 1.2
_TRIES = 8


def learn_pieces(words: Mapping[str, int], most: int, min_count: int) -> tuple[list[str], dict[str, int]]:
    """The pieces that get an id, and how often each occurs.

    Every frequent character is a piece, at the begin of a word and inside, so that few words hold an unknown one.

    Args:
        words: each distinct word with its count.
        most: number of pieces that get an id.
        min_count: a rarer piece of several characters gets none.

    Returns:
        The pieces, in no order; and for each that occurs when the words are split by them its count, with that of
        unknown characters as `[UNK]`.
    """
    if not words:
        return [], {}
    found = _search(words, most, min_count)
    counts = count_pieces(words, found)
    alphabet = [piece for piece in found if _is_character(piece) and (counts[piece] or piece[-1].isalnum())]
    longer = sorted(
        (piece for piece in found if not _is_character(piece)), key=lambda piece: (-counts[piece], piece)
    )
    pieces = [*alphabet, *longer[: most - len(alphabet)]]
    return pieces, dict(count_pieces(words, pieces))


def count_pieces(words: Mapping[str, int], pieces: Iterable[str]) -> Counter[str]:
    """How often each piece occurs when the words are split by them, in the very graph that serves."""
    known = [*SPECIAL_TOKENS, *pieces]
    table = token_table(known)
    split = split_words(tf.constant(list(words)), table)
    times = np.repeat(np.fromiter(words.values(), np.int64), split.row_lengths())
    ids = table[split.flat_values].numpy()
    totals = np.bincount(ids, weights=times, minlength=len(known)).astype(np.int64)
    return Counter({known[index]: int(totals[index]) for index in np.flatnonzero(totals)})


def _search(words: Mapping[str, int], most: int, min_count: int) -> list[str]:
    """The learner's pieces at the threshold that gives `most` of them, or somewhat more."""
    every = learner.get_input_words(words.items(), SPECIAL_TOKENS, MAX_WORDPIECE_CHARACTERS)
    characters = learner.get_allowed_chars(every, min(_MAX_CHARACTERS, most // 2))
    chosen = learner.filter_input_words(every, characters, _LEARNT_WORDS)
    parameters = learner.Params(
        upper_thresh=None,
        lower_thresh=None,
        num_iterations=4,
        max_input_tokens=_LEARNT_WORDS,
        max_token_length=MAX_WORDPIECE_CHARACTERS,
        max_unique_chars=_MAX_CHARACTERS,
        vocab_size=most,
        slack_ratio=0.0,
        include_joiner_token=True,
        joiner=CONTINUATION_PREFIX,
        reserved_tokens=[],
    )
    too_low, too_high = min_count - 1, sum(count for _, count in chosen) + 1
    threshold = min_count + sum(count for _, count in chosen) // (8 * most)
    best: list[str] = []
    for _ in range(_TRIES):
        found = learner.learn_with_thresh(chosen, threshold, parameters)
        if len(found) >= most:
            best = found if len(best) < most or len(found) < len(best) else best
            too_low = threshold
        else:
            best = found if len(best) < len(found) else best
            too_high = threshold
        if most <= len(found) <= _ENOUGH * most or too_high - too_low <= 1:
            break
        aim = int(threshold * (len(found) / (1.1 * most)) ** 1.3)
        threshold = min(max(aim, too_low + 1), too_high - 1)
    return list(
        dict.fromkeys([*best, *characters, *(CONTINUATION_PREFIX + character for character in characters)])
    )


def _is_character(piece: str) -> bool:
    return len(piece.removeprefix(CONTINUATION_PREFIX)) == 1
