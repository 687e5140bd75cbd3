import unicodedata

import pytest
import tensorflow as tf

from vaiven.models.configuration import ConfigError
from vaiven.models.text import TextConfig, normalize, tokenize, tokens_to_ids, vocabulary_table


def tokens_of(text: str | bytes, **options) -> list[str]:
    return [token.decode() for token in tokenize(tf.constant([text]), TextConfig(**options))[0].numpy()]


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ("It's  a *great* movie", ["it's", 'a', '*', 'great', '*', 'movie']),
        (
            '¿Qué tal, niño? ¡Año pingüino!',
            ['¿', 'qué', 'tal', ',', 'niño', '?', '¡', 'año', 'pingüino', '!'],
        ),
        ('l’amour 2001', ['l’amour', '2001']),
        ('❤️👍🏽', ['❤️', '👍', '🏽']),
        ('שלום עולם', ['שלום', 'עולם']),
        ('a\nb\u00a0c\u3000d\t', ['a', 'b', 'c', 'd']),
        ('', []),
        (' \n ', []),
    ],
)
def test_words_numbers_and_signs_are_tokens(text, expected):
    assert tokens_of(text) == expected


@pytest.mark.parametrize('text', ['niño', 'pingüino', 'acción', 'Ángel'])
def test_composed_and_decomposed_letters_give_the_same_tokens(text):
    assert tokens_of(unicodedata.normalize('NFD', text)) == tokens_of(unicodedata.normalize('NFC', text))


def test_bytes_that_are_not_utf8_become_replacement_signs():
    assert tokens_of(b'\xff\xfe abc') == ['\ufffd', '\ufffd', 'abc']


def test_capitals_stay_when_lowercase_is_off():
    assert tokens_of('Ávila ES', lowercase=False) == ['Ávila', 'ES']


def test_characters_are_code_points_of_the_normalised_text():
    assert tokens_of('a  n\u0303', unit='character') == ['a', ' ', 'ñ']


def test_a_long_text_is_cut_after_max_tokens():
    assert tokens_of('uno dos tres', max_tokens=2) == ['uno', 'dos']


def test_normalising_twice_changes_nothing():
    config = TextConfig()
    once = normalize(tf.constant(['  ¡HÓLA\u0301  x ']), config)
    assert once.numpy().tolist() == normalize(once, config).numpy().tolist()


def test_an_empty_text_gets_a_begin_and_an_end_token(tmp_path):
    (tmp_path / 'vocab.txt').write_text('[PAD]\n[UNK]\n[BOS]\n[EOS]\nsí\n', encoding='utf-8')
    table = vocabulary_table(str(tmp_path / 'vocab.txt'))
    ids = tokens_to_ids(tokenize(tf.constant(['', 'Sí nunca']), TextConfig()), table)
    assert ids.to_list() == [[2, 3], [2, 4, 1, 3]]


def test_a_text_cannot_write_a_special_token(tmp_path):
    assert '[BOS]' not in tokens_of('[BOS]')


@pytest.mark.parametrize('options', [{'unit': 'syllable'}, {'max_tokens': 0}])
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(ConfigError, match=r'text\..* Received'):
        TextConfig(**options)
