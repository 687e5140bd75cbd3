import html
import unicodedata
from html.entities import name2codepoint

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vaiven.models.text import normalization
from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import normalize, tokenize

pytestmark = pytest.mark.slow

DONT = "i don't like it , it isn't funny"


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def words_normalized(text):
    return normalize(text, TextConfig())


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def characters_normalized(text):
    return normalize(text, TextConfig(unit='character', html=False))


def normalized(text: str, **options) -> str:
    if not options:
        return words_normalized(tf.constant([text])).numpy()[0].decode()
    return normalize(tf.constant([text]), TextConfig(**options)).numpy()[0].decode()


@pytest.mark.parametrize('apostrophe', "'’‘ʼ`´′‛＇ʹ\u0091\u0092")
def test_a_look_alike_between_letters_becomes_an_ascii_apostrophe(apostrophe):
    text = f'I don{apostrophe}t like it , it isn{apostrophe}t funny'
    assert normalized(text) == DONT
    assert normalized(text, unit='character') == DONT
    assert normalized(text.upper()) == DONT


@pytest.mark.parametrize(
    'reference',
    ['&#39;', '&#039;', '&#x27;', '&apos;', '&rsquo;', '&#8217;', '&#X2019;', '&amp;#39;', '&#146;'],
)
def test_a_character_reference_is_its_character(reference):
    assert normalized(f'I don{reference}t like it , it isn{reference}t funny') == DONT


@pytest.mark.parametrize(
    'hidden', ['\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '\u200e', '\ufe0f']
)
def test_ignorable_characters_are_removed(hidden):
    assert normalized(f"I d{hidden}on{hidden}'{hidden}t like it , it is{hidden}n't funny{hidden}") == DONT


@pytest.mark.parametrize(
    ('styled', 'plain'),
    [
        ('Ｉ ｄｏｎ＇ｔ ｌｉｋｅ ｉｔ ， ｉｔ ｉｓｎ＇ｔ ｆｕｎｎｙ', DONT),
        ('𝐢 𝑑𝒐𝓷’𝖙 𝘭𝗶𝚔𝕖 ⓘⓣ , ℹt isn’t ﬁne', "i don't like it , it isn't fine"),
        ('eﬃcient ſtars of Ⅷ', 'efficient stars of viii'),
        ('ﾃﾞｰﾀ', 'データ'),
        ('ﻓﯿﻠﻢ', 'فیلم'),
    ],
)
def test_styled_letters_become_plain(styled, plain):
    assert normalized(styled) == plain


@pytest.mark.parametrize(
    'text', ['m² ½ 1º 2ª brand™ №5', 'niño ¿qué? ¡año! pingüino', 'שלום עולם', 'فيلم رائع', '👍🏽 10/10', '']
)
def test_characters_that_would_become_another_word_stay(text):
    assert normalized(text) == text


def test_composed_and_decomposed_styled_letters_become_the_same():
    assert normalized('ｎ\u0303') == normalized('ñ') == normalized(unicodedata.normalize('NFD', 'Ñ')) == 'ñ'


def test_apostrophes_on_both_sides_of_one_letter_are_replaced():
    assert normalized('rock’n’roll d’y’all l’a’b’c') == "rock'n'roll d'y'all l'a'b'c"


def test_words_have_ascii_quotation_marks_and_characters_those_of_the_text():
    text = '“una ‘obra’ maestra…”, dijo'
    assert normalized(text) == '"una \'obra\' maestra...", dijo'
    assert normalized(text, unit='character') == text


@pytest.mark.parametrize(
    ('page', 'text'),
    [
        ('Great.<br /><br />Not!', 'great. not!'),
        ('<p class="x">un<b>be</b>lievable</p>', 'unbelievable'),
        ("&lt;br&gt;ñ <a href='http://a.b/c?d=1'>y</a><!-- z -->", 'ñ y'),
        ('I &lt;3 it', 'i <3 it'),
        ('a <b and c> d, x < y > z, <lol>', 'a <b and c> d, x < y > z, <lol>'),
        ('AT&T & co; &unknown; &;', 'at&t & co; &unknown; &;'),
        ('&amp;amp;lt;3', '<3'),
        ('&#0; &#xD800; &#1114112;', '\ufffd \ufffd \ufffd'),
    ],
)
def test_html_is_read_as_a_browser_shows_it(page, text):
    assert normalized(page) == text


def test_html_stays_if_the_setting_is_off():
    assert normalized('a<br />b &#39;', html=False) == 'a<br />b &#39;'


def test_every_named_reference_is_the_character_of_the_standard_library():
    names = [name for name in name2codepoint if name not in ('amp', 'shy', 'zwj', 'zwnj', 'lrm', 'rlm')]
    found = normalization.remove_html(tf.constant([f'x&{name};y' for name in names])).numpy()
    assert [value.decode() for value in found] == [html.unescape(f'x&{name};y') for name in names]


def test_numbered_references_are_the_characters_that_they_number():
    points = [*range(160, 0x3000, 37), 0xFFFD, 0x10000, 0x1F44D, 0x10FFFF]
    for form in ('&#{};', '&#000{};', '&#x{:x};', '&#X00{:X};'):
        found = normalization.remove_html(tf.constant([form.format(point) for point in points])).numpy()
        assert [value.decode() for value in found] == [chr(point) for point in points]


def test_addresses_and_user_names_are_masked_only_when_asked_for():
    text = 'see https://t.co/x?a=1&amp;b=2. (www.Example.es/ñ) @juan_p, me@x.com @a @b'
    masked = normalized(text, mask_urls=True, mask_user_names=True)
    assert masked == 'see httpurl. (httpurl) @user, me@x.com @user @user'
    assert '@juan_p' in normalized(text)
    assert 'https://t.co/x?a=1&b=2' in normalized(text)


def test_texts_of_a_batch_do_not_affect_each_other():
    texts = ['don’t', 'plain', 'ｆｕｌｌ', '&#39;', '', 'ñ<br>ñ']
    together = [text.decode() for text in words_normalized(tf.constant(texts)).numpy()]
    assert together == [normalized(text) for text in texts] == ["don't", 'plain', 'full', "'", '', 'ñ ñ']
    assert words_normalized(tf.constant([], tf.string)).numpy().tolist() == []


def test_control_characters_divide_words():
    assert [
        token.decode() for token in tokenize(tf.constant(['a\x07b\x80c\x85d']), TextConfig())[0].numpy()
    ] == [*('a', 'b', 'c', '.', '.', '.', 'd')]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text):
    once = characters_normalized(tf.constant([text]))
    assert characters_normalized(once).numpy()[0].decode() == once.numpy()[0].decode()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abñé'’‘ʼ“…&#39;<br />ｆ𝐝ﬁ\u00ad\u200b \u0092", max_size=30))
def test_no_look_alike_and_no_ignorable_character_is_left_in_words(text):
    found = words_normalized(tf.constant([text])).numpy()[0].decode()
    assert not set(found) & set('’‘“…ｆ𝐝ﬁ\u00ad\u200b\u0092')


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from('aé \x00\x01\n&#39;<br>ﬁ１’@') | st.characters(codec='utf-8'), max_size=12)
    )
)
def test_a_text_does_not_depend_on_the_others_of_its_batch(texts):
    texts = ['\x00 a\x01b\x00c', '&lt;', 'ﬁ', *texts]
    together = words_normalized(tf.constant(texts)).numpy().tolist()
    assert together == [normalized(text).encode() for text in texts]
    assert together[0] == b'a b c'
