"""Labels: the form in which they are compared, and the usual spellings."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaiven.serving.common import labels
from vaiven.serving.common.labels import different_meanings, is_missing, label_key, usual_class


@pytest.mark.parametrize(
    ('key', 'spellings'),
    [
        ('1', ['1', '1.0', '+1', '1.00', '1e0', ' 1. ', '10e-1', '0.1E1', '\t1\u00a0']),
        ('-1', ['-1', '-1.0', '-1e0', '\N{MINUS SIGN}1', '\N{MINUS SIGN}1.0']),
        ('0', ['0', '0.0', '-0', '+0', '-0.0', '.0', '0e5']),
        ('4.5', ['4.5', '4.50', '+4.5', '45e-1']),
        ('100', ['100', '1e2', '100.000']),
        ('5000000000000000000000000000000001', ['5000000000000000000000000000000001.0']),
        ('positivo', ['Positivo', ' POSITIVO ', 'positivo']),
        ('sí', ['SÍ', unicodedata.normalize('NFD', 'Sí')]),
    ],
)
def test_spellings_of_one_label_have_one_key(key, spellings):
    assert {label_key(spelling) for spelling in spellings} == {key}


@pytest.mark.parametrize(
    'text',
    ['01', '1_0', '1,0', '1.0.0', '0x1', '1e999', 'e5', '.', '-', '+', 'nan', 'inf', '5 stars', '²', '½'],
)
def test_what_is_not_a_plain_number_stays_as_it_is(text):
    assert label_key(text) == text


@given(st.text())
def test_a_key_is_its_own_key(text):
    assert label_key(label_key(text)) == label_key(text)


@given(st.text(st.characters(categories=['L', 'P', 'Zs'])))
def test_labels_of_letters_differ_unless_case_or_form_alone_does(text):
    assert label_key(text) == unicodedata.normalize(
        'NFC', unicodedata.normalize('NFC', text).strip().casefold()
    )


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e20, max_value=1e20))
def test_two_numbers_have_one_key_only_if_they_are_equal(number):
    assert float(label_key(repr(number))) == number


def test_the_usual_spellings_are_known_in_both_languages():
    for name, spellings in {
        'negative': ['0', '0.0', '-1', 'NEG', 'Negative', 'false', 'negativo', 'Negativa', 'FALSO'],
        'positive': ['1', '1.0', '+1', 'Pos', 'positive', 'TRUE', 'Positivo', 'positiva', 'verdadero'],
        'unlabelled': ['', ' \t', 'NaN', 'NULL', 'None', '<NA>', '#N/A', 'Unlabelled', 'sin etiqueta'],
        None: ['neutral', '2', 'good', '-2', '01'],
    }.items():
        assert {spelling: usual_class(spelling) for spelling in spellings} == dict.fromkeys(spellings, name)


def test_every_usual_spelling_is_written_as_it_is_compared():
    spellings = [*labels.NEGATIVE, *labels.POSITIVE, *labels.UNLABELLED]
    assert list(map(label_key, spellings)) == spellings
    assert len(set(spellings)) == len(spellings)


@pytest.mark.parametrize('label', [None, '', '  ', '\u00a0', 'nan', 'NULL', '#N/A'])
def test_no_value_is_no_label(label):
    assert is_missing(label)
    assert not is_missing('0')


@pytest.mark.parametrize(
    ('together', 'differ'),
    [
        (['-1', '0'], True),
        (['-1.0', '0.0'], True),
        (['neg', '0'], True),
        (['false', '-1'], True),
        (['positive', '1'], True),
        (['neg', 'Negative', 'negativo', 'NEGATIVA'], False),
        (['0', '0.0', 'false', 'FALSO'], False),
        (['1', '+1', 'true'], False),
        (['-1', '-1.0'], False),
        (['0', 'neutral'], False),
        ([], False),
    ],
)
def test_labels_of_one_class_may_mean_different_things(together, differ):
    assert different_meanings(together) is differ
