"""PPM, method D."""

import math
from fractions import Fraction

import pytest

from benchmarks.baselines.kneser_ney import UNICODE_CHARACTERS
from benchmarks.baselines.ppm import Ppm, choose_order

TEXT = 'la bicicleta es poco usada; las bicicletas son poco usadas. ' * 3


def test_escapes_and_exclusion_follow_method_d() -> None:
    model = Ppm(1).learn('abac')
    # After c nothing is known but the characters as such: a twice, b and c once, so (2·2 − 1) / 8.
    # The second a was counted after b too, where it was new.
    assert model.probability('a') == pytest.approx(3 / 8)
    model.learn('a')
    # After a came b and c, once each: 1/4 each, and 2/4 for the escape. Then b and c are excluded, and of the
    # three a that are left 5/6 is the share of a, 1/6 that of the next escape.
    assert model.probability('b') == pytest.approx(1 / 4)
    assert model.probability('a') == pytest.approx(Fraction(2, 4) * Fraction(5, 6))
    rest = UNICODE_CHARACTERS - 3
    assert model.probability('z') == pytest.approx(float(Fraction(2, 4) * Fraction(1, 6)) / rest)


@pytest.mark.parametrize('last', ['', 'l', 'las bici', 'zzz', 'la ñ', '. la bicicleta'])
def test_probabilities_over_all_of_unicode_sum_to_one(last: str) -> None:
    model = Ppm(4).learn(TEXT + last)
    known = set(TEXT + last)
    total = sum(model.probability(character) for character in known)
    total += (UNICODE_CHARACTERS - len(known)) * model.probability('Ω')
    assert total == pytest.approx(1, abs=1e-9)


def test_asking_changes_nothing() -> None:
    model = Ppm(3).learn(TEXT)
    assert model.probability('Ω') == model.probability('Ω')


def test_it_learns_from_the_text_that_it_is_measured_on() -> None:
    strange = 'ωψχφ' * 10
    assert Ppm(3).learn(TEXT).bits_per_character(strange) < 8
    assert -math.log2(Ppm(3).learn(TEXT).probability('ω')) > 20


def test_learning_in_pieces_is_learning_at_once() -> None:
    whole, pieces = Ppm(3).learn(TEXT), Ppm(3)
    for start in range(0, len(TEXT), 7):
        pieces.learn(TEXT[start : start + 7])
    assert [whole.probability(c) for c in 'lab.ñ'] == [pieces.probability(c) for c in 'lab.ñ']


def test_an_empty_history_is_a_uniform_distribution() -> None:
    assert Ppm(2).probability('a') == pytest.approx(1 / UNICODE_CHARACTERS)


def test_the_order_is_the_best_on_the_validation_text() -> None:
    order, bits = choose_order(TEXT, 'las bicicletas son usadas', [0, 1, 4])
    assert bits[order] == min(bits.values())
    with pytest.raises(ValueError, match='Received: -1'):
        Ppm(-1)
