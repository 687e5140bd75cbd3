import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from vaiven.models.text import ngrams
from vaiven.models.text.config import TextConfig
from vaiven.models.text.ngrams import ngram_ids


def numbers(*texts: str, **options) -> list[list[int]]:
    return ngram_ids(tf.constant(texts, tf.string), TextConfig(**options)).to_list()


def whole_and_subwords(text: str) -> tuple[int, int]:
    (row,) = numbers(text)
    return sum(number % 2 == 1 for number in row), sum(number % 2 == 0 for number in row)


def test_words_pairs_and_subwords_of_three_to_five_characters_count_once():
    assert whole_and_subwords('sol') == (1, 3 + 2 + 1)  # <sol>
    assert whole_and_subwords('sol sol sol') == (1 + 1, 6)
    assert whole_and_subwords('sol y luna') == (3 + 2, 6 + 1 + 4 + 3 + 2)
    assert whole_and_subwords('a !') == (3, 2)


def test_a_pair_differs_from_the_reversed_pair_and_from_the_joined_word():
    a_b, b_a, ab = ({*row} for row in numbers('mal buena', 'buena mal', 'malbuena'))
    assert len(a_b - b_a) == len(b_a - a_b) == 1
    assert not {number for number in a_b & ab if number % 2}
    assert {number for number in a_b & ab if not number % 2}  # as «buena» and «malbuena» share subwords


def test_every_number_fits_32_bits_and_none_is_padding():
    row = np.array(numbers(' '.join(f'palabra{number}' for number in range(2000)))[0])
    assert row.min() > 0
    assert row.max() < 2**31 - 1
    assert len(set(row.tolist())) == len(row)


@pytest.mark.parametrize('text', ['¿Qué señal, pingüino?', 'niño 👍🏽', 'שלום עולם', 'É'])
def test_the_form_of_the_characters_makes_no_difference(text):
    forms = numbers(*(unicodedata.normalize(form, text) for form in ('NFC', 'NFD')))
    assert forms[0] == forms[1]
    assert forms[0] == numbers(f'  {text.upper()}\n')[0]


def test_empty_texts_have_none():
    assert numbers('', ' \n', 'a')[:2] == [[], []]
    assert numbers() == []


@pytest.mark.parametrize('unit', ['character', 'wordpiece'])
def test_unit_and_max_tokens_make_no_difference(unit):
    assert numbers('una película corta', unit=unit, max_tokens=1) == numbers('una película corta')


def test_a_very_long_text_is_read_up_to_a_word(monkeypatch):
    monkeypatch.setattr(ngrams, 'MAX_WORDS', 2)
    assert numbers('uno dos tres') == numbers('uno dos')
