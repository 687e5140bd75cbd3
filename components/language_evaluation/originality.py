"""How varied written text is, and how much of it is copied."""

from collections.abc import Sequence

import numpy as np

# Of the rolling hash; any odd number does, modulo 2^64.
_BASE = 0x9E3779B97F4A7C15


def distinct(texts: Sequence[str], n: int) -> float:
    """distinct-n: different sequences of n words, as a share of all of them (Li et al. 2016); 0 where there is none."""
    sequences = [
        tuple(words[start : start + n])
        for words in map(str.split, texts)
        for start in range(len(words) - n + 1)
    ]
    return len(set(sequences)) / len(sequences) if sequences else 0.0


def longest_copied(written: Sequence[str], sources: Sequence[str]) -> str:
    """The longest stretch of what was written that stands word for word, character for character, in a source.

    A stretch of a length that both have is found by a rolling hash (Rabin & Karp 1987), and the length by halving:
    what is shared at one length is shared at every lower one.
    """
    longest = max(map(len, [*written, *sources]), default=0)
    powers = np.cumprod(np.full(longest + 1, _BASE, np.uint64))
    ours, theirs = ([_sums(text, powers) for text in texts] for texts in (written, sources))
    low, high, found = 0, max(map(len, written), default=0), ''
    while low < high:
        length = (low + high + 1) // 2
        place = _shared(ours, theirs, length, powers)
        if place is None:
            high = length - 1
        else:
            low, (row, start) = length, place
            found = written[row][start : start + length]
    return found


def _sums(text: str, powers: np.ndarray) -> np.ndarray:
    """Σ of code point · power over the characters before each place: uint64 (length + 1)."""
    codes = np.frombuffer(text.encode('utf-32-le'), '<u4').astype(np.uint64)
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes * powers[: len(codes)])])


def _hashes(sums: np.ndarray, length: int, powers: np.ndarray) -> np.ndarray:
    """Of every stretch of that length, the same wherever it stands: uint64 (stretches)."""
    starts = max(0, len(sums) - length)
    return np.asarray((sums[length:] - sums[:starts]) * powers[len(powers) - 1 - np.arange(starts)])


def _shared(
    ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], length: int, powers: np.ndarray
) -> tuple[int, int] | None:
    """A text of ours and a place in it where a stretch begins that stands in one of theirs."""
    hashes = [_hashes(sums, length, powers) for sums in ours]
    wanted = np.unique(np.concatenate(hashes))
    for sums in theirs:
        found = _hashes(sums, length, powers)
        places = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
        hits = found[wanted[places] == found] if len(wanted) else found[:0]
        if len(hits):
            for row, each in enumerate(hashes):
                if len(where := np.flatnonzero(each == hits[0])):
                    return row, int(where[0])
    return None
