import collections
import unicodedata

import pytest
import tensorflow as tf
import tensorflow_text as tf_text
from hypothesis import given, settings
from hypothesis import strategies as st

from vaiven.configuration import ConfigError
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import (
    SPECIAL_TOKENS,
    detokenize,
    normalize,
    token_table,
    tokenize,
    tokens_to_ids,
    vocabulary_table,
    words,
)

pytestmark = pytest.mark.slow

PIECES = [
    *SPECIAL_TOKENS,
    *('la', 'bicicleta', 'niñ', '##os', '##o', '##a', 'b', '##b', '##i', '#', '##ñ', 'n', 'c', '.', '¿'),
    *('##ו', '##ם', 'שלום', '❤', '##️', "l'", '##amour'),
]


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
        ('l’amour 2001', ["l'amour", '2001']),
        ('❤️👍🏽', ['❤', '👍', '🏽']),
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


def test_bytes_that_are_not_utf8_become_replacement_characters():
    assert tokens_of(b'\xff\xfe abc') == ['\ufffd', '\ufffd', 'abc']


def test_capitals_stay_when_lowercase_is_off():
    assert tokens_of('Ávila ES', lowercase=False) == ['Ávila', 'ES']


def test_characters_are_code_points_of_the_normalised_text():
    assert tokens_of('a  n\u0303', unit='character') == ['a', ' ', 'ñ']


def test_a_long_text_is_truncated_after_max_tokens():
    assert tokens_of('uno dos tres', max_tokens=2) == ['uno', 'dos']


def test_normalising_twice_changes_nothing():
    config = TextConfig()
    once = normalize(tf.constant(['  ¡HÓLA\u0301  x ']), config)
    assert once.numpy().tolist() == normalize(once, config).numpy().tolist()


def test_an_empty_text_gets_a_start_and_an_end_token(tmp_path):
    (tmp_path / 'vocab.txt').write_text('[PAD]\n[UNK]\n[BOS]\n[EOS]\nsí\n', encoding='utf-8')
    table = vocabulary_table(str(tmp_path / 'vocab.txt'))
    ids = tokens_to_ids(tokenize(tf.constant(['', 'Sí nunca']), TextConfig()), table)
    assert ids.to_list() == [[2, 3], [2, 4, 1, 3]]


def test_a_text_cannot_write_a_special_token(tmp_path):
    assert '[BOS]' not in tokens_of('[BOS]')


SAMPLES = (
    "¡Qué señal, pingüino! cafe\u0301 n\u0303 d’accord rock'n'roll 's 'a' a''b 12,5 ٣٤ Ⅷ x2y",
    '👍🏽 ❤️ 👨\u200d👩\u200d👧 🇪🇸 שָׁלוֹם عَرَبِيّ हिन्दी 日本語 ﬁne',
    '\u0301 a\x00b\x1cc\x85d\u00a0e\u2028f\u3000g\r\n\th \x7f\u200b\ufeff',
)
ANY_TEXT = st.one_of(
    st.text(max_size=30).map(str.encode),
    st.binary(max_size=30),  # nearly never valid UTF-8
    st.lists(st.sampled_from(' '.join(SAMPLES)), max_size=30).map(lambda letters: ''.join(letters).encode()),
)
# The definition of words, written a second time: what a word is, and what lies between words.
WORD = r"[\p{L}\p{M}]+(?:'[\p{L}\p{M}]+)*|\p{N}+|[^\s\p{Z}\p{L}\p{M}\p{N}]\p{M}*"
SPACE = r'[\s\p{Z}\p{Cc}]+'


@settings(deadline=None)
@given(texts=st.lists(ANY_TEXT, max_size=20), lowercase=st.booleans())
def test_words_are_the_matches_of_one_pattern_in_any_text(texts, lowercase):
    samples = [form.encode() for text in SAMPLES for form in (text, unicodedata.normalize('NFD', text))]
    config = TextConfig(lowercase=lowercase)
    normalized = normalize(tf.constant([*texts, *samples, b''], tf.string), config)
    expected = tf_text.regex_split(normalized, f'{WORD}|{SPACE}', keep_delim_regex_pattern=WORD)
    assert words(normalized).to_list() == expected.to_list()


def wordpieces_of(text: str, **options) -> list[str]:
    config = TextConfig(unit='wordpiece', **options)
    return [token.decode() for token in tokenize(tf.constant([text]), config, token_table(PIECES))[0].numpy()]


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('La bicicleta.', ['la', 'bicicleta', '.']),
        ('los NIN\u0303OS', ['[UNK]', '##os', 'niñ', '##os']),
        ('¿bibi?', ['¿', 'b', '##i', '##b', '##i', '[UNK]']),
        ('שלום ❤️', ['שלום', '❤']),
        ("l'amour", ["l'", '##amour']),
        ('## #b', ['#', '#', '#', 'b']),
        ('bøi', ['b', '##[UNK]', '##i']),
        ('', []),
        (' \n ', []),
    ],
)
def test_words_are_split_into_their_longest_known_wordpieces_and_unknown_characters(text, expected):
    assert wordpieces_of(text) == expected


def test_an_unknown_wordpiece_has_the_id_of_unk():
    table = token_table(PIECES)
    ids = tokens_to_ids(tokenize(tf.constant(['bøi ø']), TextConfig(unit='wordpiece'), table), table)
    assert ids.to_list() == [[2, PIECES.index('b'), 1, PIECES.index('##i'), 1, 3]]


def test_a_text_is_truncated_after_max_tokens_wordpieces():
    assert wordpieces_of('bibi bibi', max_tokens=3) == ['b', '##i', '##b']


def test_a_word_of_100000_letters_is_split_at_once():
    assert len(wordpieces_of('bi' * 50_000, max_tokens=100_000)) == 100_000


@pytest.mark.parametrize(
    ('tokens', 'text'),
    [
        (['la', 'niñ', '##a', ',', '¿', 'b', '##i', '##b', '##i', '?'], 'la niña, ¿bibi?'),
        (['##os', 'niñ', '##os'], 'os niños'),
        (['#', '#', 'la'], '# # la'),
        (['שלו', '##ם', '❤', '##️'], 'שלום ❤️'),
        ([], ''),
    ],
)
def test_wordpieces_are_joined_to_words(tokens, text):
    joined = detokenize(tf.constant([tokens], tf.string), TextConfig(unit='wordpiece'))
    assert joined.numpy()[0].decode() == text


@pytest.mark.parametrize('options', [{'unit': 'syllable'}, {'max_tokens': 0}])
def test_invalid_settings_are_refused(options):
    with pytest.raises(ConfigError, match=r'text\..* Received'):
        TextConfig(**options)


def test_transform_the_served_graph_and_the_benchmarks_split_words_in_the_same_way(tmp_path):
    from benchmarks.prepared import to_ids, tokens_of
    from tests.models.conftest import CONFIG, corpus, corpus_rows, transform_rows
    from vaiven.components.vocabulary.config import VocabularyConfig
    from vaiven.components.vocabulary.token_selection import select_tokens
    from vaiven.models.export.text_model import TextModel
    from vaiven.models.network.config import NetworkConfig
    from vaiven.models.network.network import Network
    from vaiven.pipeline.config import configure

    texts = [text for text, _ in corpus()]
    config = configure(settings=['text.unit=wordpiece', 'text.max_tokens=64'])
    words = collections.Counter(token for text in tokens_of(texts, config) for token in text)
    vocabulary = select_tokens(words.items(), VocabularyConfig(max_size=90, min_count=1), 'wordpiece').tokens
    (tmp_path / 'vocab.txt').write_text('\n'.join(vocabulary) + '\n', encoding='utf-8')
    wordpiece = {**CONFIG, 'text': {**CONFIG['text'], 'unit': 'wordpiece'}}
    transform_rows(tmp_path, wordpiece, corpus_rows())
    expected = to_ids(tokens_of(texts, config, vocabulary), vocabulary)
    assert any(vocabulary[i].startswith('##') for row in expected for i in row)

    network = Network(NetworkConfig(units=4, embedding_size=4), len(vocabulary))
    served = TextModel(network, config.text, str(tmp_path / 'vocab.txt')).ids(tf.constant(texts)).to_list()
    assert served == expected

    rows = tf.data.TFRecordDataset(str(tmp_path / 'rows-00000-of-00001.gz'), 'GZIP')
    transformed = [
        list(tf.train.Example.FromString(row.numpy()).features.feature['ids'].int64_list.value)
        for row in rows
    ]
    assert sorted(transformed) == sorted(expected)
