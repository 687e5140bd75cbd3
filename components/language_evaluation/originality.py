"""Diversity of generated text, and the longest passage copied from the training text."""

from collections.abc import Sequence

import numpy as np

# Base of the rolling hash modulo 2^64; any large odd number works (this one is 2^64 divided by the golden ratio).
_BASE = 0x9E3779B97F4A7C15


def distinct_n(texts: Sequence[str], n: int) -> float:
    """distinct-n (Li et al. 2016): the number of different word n-grams divided by the number of all word n-grams.

    Args:
        texts: generated texts, split into words at white space.
        n: words of an n-gram.

    Returns:
        A share from 0 to 1; 0 if there is no n-gram.
    """
    ngrams = [
        tuple(words[start : start + n])
        for words in map(str.split, texts)
        for start in range(len(words) - n + 1)
    ]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def longest_copied_passage(generated: Sequence[str], sources: Sequence[str]) -> str:
    """The longest passage of the generated texts that occurs, character by character, in a source.

    A rolling hash (Karp & Rabin 1987) finds a common passage of a given length. The maximum length is found by binary
    search: texts with a common passage of one length have one of every shorter length.

    Args:
        generated: generated texts.
        sources: training texts.
    """
    longest = max(map(len, [*generated, *sources]), default=0)
    powers = np.cumprod(np.full(longest + 1, _BASE, np.uint64))
    generated_sums, source_sums = (
        [_prefix_sums(text, powers) for text in texts] for texts in (generated, sources)
    )
    low, high, passage = 0, max(map(len, generated), default=0), ''
    while low < high:
        length = (low + high + 1) // 2
        position = _common_passage(generated_sums, source_sums, length, powers)
        if position is None:
            high = length - 1
        else:
            low, (index, start) = length, position
            passage = generated[index][start : start + length]
    return passage


def _prefix_sums(text: str, powers: np.ndarray) -> np.ndarray:
    """Sum of code point · power over the characters before each position: uint64 (length + 1)."""
    codes = np.frombuffer(text.encode('utf-32-le'), '<u4').astype(np.uint64)
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes * powers[: len(codes)])])


def _hashes(sums: np.ndarray, length: int, powers: np.ndarray) -> np.ndarray:
    """Hash of every passage of a length, independent of its position: uint64 (passages)."""
    count = max(0, len(sums) - length)
    return np.asarray((sums[length:] - sums[:count]) * powers[len(powers) - 1 - np.arange(count)])


def _common_passage(
    generated_sums: Sequence[np.ndarray], source_sums: Sequence[np.ndarray], length: int, powers: np.ndarray
) -> tuple[int, int] | None:
    """Index of a generated text, and the start in it of a passage that occurs in a source; None if there is none."""
    generated_hashes = [_hashes(sums, length, powers) for sums in generated_sums]
    wanted = np.unique(np.concatenate(generated_hashes))  # sorted
    for sums in source_sums:
        hashes = _hashes(sums, length, powers)
        positions = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        matches = hashes[wanted[positions] == hashes] if len(wanted) else hashes[:0]
        if len(matches):
            for index, candidates in enumerate(generated_hashes):
                if len(starts := np.flatnonzero(candidates == matches[0])):
                    return index, int(starts[0])
    return None
