"""Interpolated modified Kneser-Ney: the count-based language model to beat.

Chen & Goodman 1998, "An Empirical Study of Smoothing Techniques for Language Modeling", section 3. With w a
token (a word, or a character), h the k − 1 tokens before it, and h' the same without the first:

    P_k(w|h) = max(c(hw) − D(c(hw)), 0) / c(h·) + γ(h) P_{k−1}(w|h')
    γ(h)     = (D₁ N₁(h·) + D₂ N₂(h·) + D₃ N₃₊(h·)) / c(h·)

c counts occurrences for the longest k, and for the others how many different characters come before (the text's
begin is one of them); N_i(h·) is the number of tokens that follow h with count i. Below all is the uniform
distribution over the known tokens and one more that stands for every token never seen.

All counts of one k are an array, in the order of the n-grams' ranks; an n-gram is known by the rank of its first
k − 1 tokens and its last token, so that some million tokens take seconds.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np

_MISSING = -1
# Every code point but the surrogates; a character never seen shares its probability with all its like.
UNICODE_CHARACTERS = 0x110000 - 0x800


@dataclasses.dataclass(frozen=True)
class _Counts:
    """The n-grams of one length, and the histories (one shorter) that they continue.

    Attributes:
        codes: int64 (n), sorted: rank of the n-gram's first tokens × alphabet + its last token.
        counts: int64 (n).
        discounts: float (4): what is taken from a count of 0, 1, 2, and 3 or more.
        totals: float (histories): c(h·), by the history's rank.
        left_over: float (histories): γ(h); 1 where c(h·) is 0.
    """

    codes: np.ndarray
    counts: np.ndarray
    discounts: np.ndarray
    totals: np.ndarray
    left_over: np.ndarray


class TokenKneserNey:
    """A model of tokens, of a fixed order.

    Args:
        order: length of the longest n-gram: order − 1 tokens are looked back on.
    """

    def __init__(self, order: int) -> None:
        if order < 1:
            raise ValueError(f'order must be at least 1. Received: {order}')
        self.order = order

    def fit(self, tokens: np.ndarray) -> 'TokenKneserNey':
        """Counts the n-grams of at least one token, int (n)."""
        if not len(tokens):
            raise ValueError('a Kneser-Ney model is learnt from at least one token. Received: none')
        self.alphabet = np.unique(tokens)
        known = np.searchsorted(self.alphabet, tokens)
        # Ranks of the n-grams that end at each place; those of length 0 all have rank 0.
        ranks = [np.zeros(len(tokens), np.int64)]
        codes, occurrences = [], []
        for length in range(1, min(self.order, len(tokens)) + 1):
            # Those of this length end at length − 1 and later; the history ends one before.
            histories = ranks[-1][length - 2 : -1] if length > 1 else ranks[0]
            unique, inverse, counts = np.unique(
                histories * len(self.alphabet) + known[length - 1 :],
                return_inverse=True,
                return_counts=True,
            )
            ranks.append(np.concatenate([np.full(length - 1, _MISSING), inverse]))
            codes.append(unique)
            occurrences.append(counts)
        self._levels: list[_Counts] = []
        for length, (unique, counts) in enumerate(zip(codes, occurrences, strict=True), start=1):
            if length < len(codes):
                counts = _continuations(ranks[length], ranks[length + 1], len(unique))
            history_count = len(codes[length - 2]) if length > 1 else 1
            self._levels.append(_level(unique, counts, history_count, len(self.alphabet)))
        return self

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Probability of each of some tokens, int (n), after those before it: float (n).

        For one never seen it is that of all its like together.
        """
        size = len(self.alphabet)
        places = np.minimum(np.searchsorted(self.alphabet, tokens), size - 1)
        known = self.alphabet[places] == tokens
        probability = np.full(len(tokens), 1 / (size + 1))
        histories = np.zeros(len(tokens), np.int64)  # rank of the history before each place
        for level in self._levels:
            valid = histories != _MISSING
            code = np.where(valid & known, histories * size + places, _MISSING)
            rank = _find(level.codes, code)
            count = np.where(rank != _MISSING, level.counts[rank], 0)
            total = np.where(valid, level.totals[histories], 0)
            direct = (count - level.discounts[np.minimum(count, 3)]) / np.maximum(total, 1)
            left_over = np.where(valid, level.left_over[histories], 1.0)
            probability = direct + left_over * probability
            # What ended before a place is the longer history of that place.
            histories = np.concatenate([[_MISSING], rank[:-1]])
        return probability


class KneserNey:
    """A character model of a fixed order.

    Args:
        order: length of the longest n-gram: order − 1 characters are looked back on.

    Example:
        model = KneserNey(order=6).fit(text)
        model.bits_per_character(held_out)
    """

    def __init__(self, order: int) -> None:
        self._model = TokenKneserNey(order)

    def fit(self, text: str) -> 'KneserNey':
        """Counts the n-grams of a text of at least one character."""
        self._model.fit(_code_points(text))
        return self

    def probabilities(self, text: str) -> np.ndarray:
        """Probability of each character of a text after those before it: float (len(text)), over all of Unicode."""
        points = _code_points(text)
        alphabet = self._model.alphabet
        unseen = ~np.isin(points, alphabet)
        return self._model.probabilities(points) / np.where(unseen, UNICODE_CHARACTERS - len(alphabet), 1)

    def bits_per_character(self, text: str) -> float:
        return float(-np.log2(self.probabilities(text)).mean())


def choose_order(text: str, validation: str, orders: Iterable[int]) -> tuple[int, dict[int, float]]:
    """The order with the fewest bits a character on the validation text, and the bits of each order."""
    bits = {order: KneserNey(order).fit(text).bits_per_character(validation) for order in orders}
    return min(bits, key=lambda order: bits[order]), bits


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode('utf-32-le'), np.uint32).astype(np.int64)


def _find(codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Ranks of the wanted codes, or −1."""
    places = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[places] == wanted, places, _MISSING)


def _continuations(shorter: np.ndarray, longer: np.ndarray, size: int) -> np.ndarray:
    """How many different characters come before each n-gram: int (size).

    Args:
        shorter, longer: ranks of the n-grams of this length, and of one more, that end at each place.
        size: number of the shorter ones.
    """
    there = longer != _MISSING
    _, first = np.unique(longer[there], return_index=True)
    counts = np.bincount(shorter[there][first], minlength=size)
    # The text's begin comes before its first n-gram.
    counts[shorter[shorter != _MISSING][0]] += 1
    return counts


def _level(codes: np.ndarray, counts: np.ndarray, history_count: int, alphabet_size: int) -> _Counts:
    history = codes // alphabet_size
    discounts = _discounts(counts)
    totals = np.bincount(history, weights=counts, minlength=history_count)
    taken = np.bincount(history, weights=discounts[np.minimum(counts, 3)], minlength=history_count)
    left_over = np.where(totals > 0, taken / np.maximum(totals, 1), 1.0)
    return _Counts(codes, counts, discounts, totals, left_over)


def _discounts(counts: np.ndarray) -> np.ndarray:
    """D of counts 0, 1, 2, 3+ (Chen & Goodman's equation 26)."""
    n = [int((counts == times).sum()) for times in range(1, 5)]
    if min(n) == 0:
        # Short n-grams are all frequent, and there is nothing to estimate from.
        return np.array([0.0, 0.5, 1.0, 1.5])
    y = n[0] / (n[0] + 2 * n[1])
    found = [times - (times + 1) * y * n[times] / n[times - 1] for times in (1, 2, 3)]
    # In a small text the estimates can leave the range in which they are discounts.
    return np.array([0.0, *(float(np.clip(d, 0.01, times)) for times, d in enumerate(found, start=1))])
