"""Modified Kneser-Ney, against its definition written out with dictionaries."""

import collections
import math

import numpy as np
import pytest

from benchmarks.baselines.kneser_ney import UNICODE_CHARACTERS, KneserNey, choose_order

TEXT = 'la bicicleta es poco usada; las bicicletas son poco usadas. ' * 3 + 'el cielo está lleno de nubes'


def grams(text: str, length: int) -> collections.Counter[str]:
    return collections.Counter(text[i : i + length] for i in range(len(text) - length + 1))


def discounts(counts: collections.Counter[str]) -> list[float]:
    n = [sum(count == times for count in counts.values()) for times in range(1, 5)]
    if 0 in n:
        return [0.0, 0.5, 1.0, 1.5]
    y = n[0] / (n[0] + 2 * n[1])
    found = [times - (times + 1) * y * n[times] / n[times - 1] for times in (1, 2, 3)]
    return [0.0, *(min(max(d, 0.01), times) for times, d in enumerate(found, start=1))]


def by_definition(text: str, order: int, history: str, character: str) -> float:
    """P(character | history), straight from the formula."""
    alphabet = set(text)
    uniform = 1 / (len(alphabet) + 1)
    probability = uniform if character in alphabet else uniform / (UNICODE_CHARACTERS - len(alphabet))
    for length in range(1, order + 1):
        if length - 1 > len(history):
            break
        counts = grams(text, length)
        if length < order:
            before = collections.defaultdict(set)
            for gram in grams('\0' + text, length + 1):
                before[gram[1:]].add(gram[0])
            counts = collections.Counter({gram: len(before[gram]) for gram in counts})
        d = discounts(counts)
        seen = history[len(history) - length + 1 :]
        followers = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == seen}
        total = sum(followers.values())
        if not total:
            break
        count = followers.get(character, 0)
        taken = sum(d[min(other, 3)] for other in followers.values())
        probability = max(count - d[min(count, 3)], 0) / total + taken / total * probability
    return probability


@pytest.mark.parametrize('order', [1, 2, 3, 5])
def test_probabilities_are_those_of_the_definition(order: int) -> None:
    held_out = 'las nubes están en el cielo, ¡Ñu!'
    found = KneserNey(order).fit(TEXT).probabilities(held_out)
    expected = [by_definition(TEXT, order, held_out[:i], held_out[i]) for i in range(len(held_out))]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize('history', ['', 'l', 'las bici', 'zzz', 'la ñ', 'bes'])
def test_probabilities_over_all_of_unicode_sum_to_one(history: str) -> None:
    model = KneserNey(4).fit(TEXT)
    known = sorted(set(TEXT))
    total = sum(model.probabilities(history + character)[-1] for character in known)
    total += (UNICODE_CHARACTERS - len(known)) * model.probabilities(history + 'Ω')[-1]
    assert total == pytest.approx(1, abs=1e-9)


def test_a_text_shorter_than_the_order_can_be_learnt_from() -> None:
    assert KneserNey(8).fit('ab').bits_per_character('ab') < math.log2(UNICODE_CHARACTERS)


def test_the_order_is_the_best_on_the_validation_text() -> None:
    order, bits = choose_order(TEXT, 'las bicicletas son usadas', [1, 2, 4])
    assert set(bits) == {1, 2, 4}
    assert bits[order] == min(bits.values())


@pytest.mark.parametrize(('order', 'text'), [(0, 'a'), (2, '')])
def test_nothing_to_count_is_refused(order: int, text: str) -> None:
    with pytest.raises(ValueError, match='Received'):
        KneserNey(order).fit(text)
