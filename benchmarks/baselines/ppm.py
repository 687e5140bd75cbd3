"""Prediction by partial matching, method D: the adaptive count-based character model.

Howard 1993, "The Design and Analysis of Efficient Lossless Data Compression Systems" (method D), on Cleary & Witten
1984. The longest context that was seen before predicts; a character that is new to it costs an escape to the
next shorter one. With c(s) occurrences of s in a context, n their sum and q the number of different characters:

    P(s) = (2 c(s) − 1) / 2n          P(escape) = q / 2n

Characters that a longer context offered are left out of the shorter ones (exclusion), a character is counted
in the context that predicted it and the longer ones only (update exclusion), and the model keeps learning from
the text that it is measured on: that is how PPMd compresses, and the fair opponent of dynamic evaluation.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from benchmarks.baselines.kneser_ney import UNICODE_CHARACTERS

_Counts = dict[str, int]


class Ppm:
    """A character model that learns as it reads.

    Args:
        order: length of the longest context.

    Example:
        model = Ppm(order=5).learn(text)
        model.bits_per_character(held_out)
    """

    def __init__(self, order: int) -> None:
        if order < 0:
            raise ValueError(f'order must be at least 0. Received: {order}')
        self.order = order
        self._contexts: defaultdict[str, _Counts] = defaultdict(dict)
        self._read = ''

    def learn(self, text: str) -> 'Ppm':
        """Reads on, without asking for probabilities."""
        order = self.order
        text = self._read + text
        for place in range(len(self._read), len(text)):
            self._count(text[max(0, place - order) : place], text[place])
        self._read = text[len(text) - order :] if order else ''
        return self

    def probability(self, character: str) -> float:
        """Of the character that comes next, over all of Unicode. Learns nothing."""
        context = self._read
        probability = 1.0
        excluded: set[str] = set()
        for start in range(len(context) + 1):
            counts = self._contexts.get(context[start:])
            if not counts:
                continue
            if excluded:
                offered = [count for other, count in counts.items() if other not in excluded]
            else:
                offered = list(counts.values())
            if not offered:
                continue
            total = 2 * sum(offered)
            if character in counts:
                return probability * (2 * counts[character] - 1) / total
            probability *= len(offered) / total
            excluded |= counts.keys()
        return probability / (UNICODE_CHARACTERS - len(excluded))

    def bits_per_character(self, text: str) -> float:
        """Of a text that follows what was read, which is learnt from on the way."""
        bits = 0.0
        for character in text:
            bits -= math.log2(self.probability(character))
            self._count(self._read, character)
            self._read = (self._read + character)[-self.order :] if self.order else ''
        return bits / len(text)

    def _count(self, context: str, character: str) -> None:
        """Counts in each context from the longest down to the first that knows the character."""
        for start in range(len(context) + 1):
            counts = self._contexts[context[start:]]
            if character in counts:
                counts[character] += 1
                return
            counts[character] = 1


def choose_order(text: str, validation: str, orders: Iterable[int]) -> tuple[int, dict[int, float]]:
    """The order with the fewest bits a character on the validation text, and the bits of each order."""
    bits = {order: Ppm(order).learn(text).bits_per_character(validation) for order in orders}
    return min(bits, key=lambda order: bits[order]), bits
