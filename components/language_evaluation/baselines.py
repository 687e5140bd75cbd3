"""What it takes to do better than: bits a character without any network."""

import lzma
import math
from collections import Counter
from collections.abc import Sequence

# As far back as the compressor looks.
_WINDOW = 8 * 2**20
_END = ''


def unigram_bits(train: Sequence[str], test: Sequence[str]) -> float:
    """Bits a character by how often each occurs in the training texts; a text's end counts as one.

    What was never seen shares the place of one more character that occurred once.
    """
    counts = Counter(character for text in train for character in [*text, _END])
    total = counts.total() + len(counts) + 1
    occurring = Counter(character for text in test for character in [*text, _END])
    bits = sum(times * math.log2(total / (counts[each] + 1)) for each, times in occurring.items())
    return bits / occurring.total()


def compressor_bits(train: Sequence[str], test: Sequence[str]) -> float:
    """Bits a character that xz needs for the test texts more, once it has read the training texts."""
    read, new = ('\n'.join(texts).encode() for texts in (train, test))
    read = read[-_WINDOW:]
    more = len(lzma.compress(read + new)) - len(lzma.compress(read))
    return 8 * more / sum(len(text) + 1 for text in test)
