"""Bits per character that are reached without a network."""

import lzma
import math
from collections import Counter
from collections.abc import Sequence

# Bytes of training text that the compressor sees: the dictionary size of xz at its default level 6.
_WINDOW = 8 * 2**20
_END = ''


def unigram_bits(train: Sequence[str], test: Sequence[str]) -> float:
    """Bits per character by character frequencies; the end of a text counts as a character.

    All characters that do not occur in the training texts share the probability of one that occurs once (add-one
    smoothing).

    Args:
        train: texts whose characters are counted.
        test: texts that are measured.
    """
    counts = Counter(character for text in train for character in [*text, _END])
    total = counts.total() + len(counts) + 1
    test_counts = Counter(character for text in test for character in [*text, _END])
    bits = sum(count * math.log2(total / (counts[character] + 1)) for character, count in test_counts.items())
    return bits / test_counts.total()


def compressor_bits(train: Sequence[str], test: Sequence[str]) -> float:
    """Bits per character that xz adds for the test texts after the training texts.

    Args:
        train: texts that the compressor reads first.
        test: texts that are measured.
    """
    prefix, measured = ('\n'.join(texts).encode() for texts in (train, test))
    prefix = prefix[-_WINDOW:]
    added_bytes = len(lzma.compress(prefix + measured)) - len(lzma.compress(prefix))
    return 8 * added_bytes / sum(len(text) + 1 for text in test)
