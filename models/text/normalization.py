"""Normalisation of texts that look the same, inside the TensorFlow graph.

Phones, word processors and web pages write the apostrophe of `don't` as `’` or `&#39;`, insert soft hyphens and
zero-width characters into words, and style letters as `ｄｏｎ` or `𝐝𝐨𝐧`. A model that was trained on one spelling does
not know the others. Every function maps string (n), well-formed UTF-8, to string (n) and leaves plain text unchanged.
"""

from collections.abc import Callable
from html.entities import html5, name2codepoint

import tensorflow as tf
import tensorflow_text as tf_text

# Default_Ignorable_Code_Point of the Unicode Character Database (DerivedCoreProperties): soft hyphen, zero-width
# characters, bidirectional marks, variation selectors, tags. NFKC_Casefold removes the same characters.
_IGNORABLE = (
    r'[\x{AD}\x{34F}\x{61C}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{200B}-\x{200F}\x{202A}-\x{202E}'
    r'\x{2060}-\x{206F}\x{3164}\x{FE00}-\x{FE0F}\x{FEFF}\x{FFA0}\x{FFF0}-\x{FFF8}\x{1BCA0}-\x{1BCA3}'
    r'\x{1D173}-\x{1D17A}\x{E0000}-\x{E0FFF}]+'
)

# Styled letters and digits, which NFKC maps to the plain ones: ĳ, ŉ, ſ and the Croatian digraphs, letterlike
# mathematical signs, Roman numerals, circled letters, ligatures and presentation forms, full and half width,
# mathematical alphabets, squared letters. Characters that NFKC would turn into other words are not included:
# ² → 2, ½ → 1⁄2, ™ → TM, … → three full stops, º → o.
_STYLED = (
    r'\x{132}\x{133}\x{149}\x{17F}\x{1C4}-\x{1CC}\x{1F1}-\x{1F3}\x{2102}\x{210A}-\x{2115}\x{2119}-\x{211D}\x{2124}'
    r'\x{2128}\x{212C}\x{212D}\x{212F}-\x{2134}\x{2139}\x{2160}-\x{217F}\x{24B6}-\x{24E9}\x{FB00}-\x{FB06}'
    r'\x{FB13}-\x{FB17}\x{FB1D}-\x{FB4F}\x{FB50}-\x{FBB1}\x{FBD3}-\x{FD3D}\x{FD50}-\x{FDC7}\x{FDF0}-\x{FDFC}'
    r'\x{FE70}-\x{FEFC}\x{FF01}-\x{FF9F}\x{FFE0}-\x{FFEE}\x{1D400}-\x{1D7FF}\x{1F130}-\x{1F149}'
)
_STYLED_RUN = f'[{_STYLED}]+'

# U+0091 to U+0094 are quotation marks in text that was Windows-1252 but decoded as Latin-1. HTML parsers agree.
_APOSTROPHE = r'[`\x{91}\x{92}´ʹʻʼʽˈ՚‘’‛′‵ꞌ᾽᾿]'
_BETWEEN_LETTERS = rf'([\p{{L}}\p{{M}}\p{{N}}]){_APOSTROPHE}([\p{{L}}\p{{M}}])'
_SINGLE, _DOUBLE, _ELLIPSIS = r'[\x{91}\x{92}‘’‚‛]', r'[\x{93}\x{94}“”„‟]', r'[\x{85}…]'

_ENTITY = r'&(?:#0*[0-9]{1,7}|#[xX]0*[0-9A-Fa-f]{1,6}|[A-Za-z][0-9A-Za-z]{1,7});'
_MAX_DIGITS = 7  # digits of a numeric reference in `_ENTITY`: U+10FFFF is 1114111
_AMPERSANDS = r'&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+'
# The names of HTML 4 and `apos`, with the characters that HTML 5 assigns to them.
_NAMES = {name: ord(html5[f'{name};']) for name in (*name2codepoint, 'apos')}
_ATTRIBUTES = r"""(?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))*\s*/?>"""
_INLINE_TAG = (
    r'(?i)</?(?:a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|'
    rf'strong|sub|sup|time|tt|u|var|wbr){_ATTRIBUTES}'
)
_OTHER_TAG = (
    r'(?i)<!--[^<>]*-->|</?(?:address|article|aside|audio|blockquote|body|br|button|caption|center|col|dd|details|div|dl|dt|'
    r'fieldset|figcaption|figure|footer|form|h[1-6]|head|header|hr|html|iframe|img|input|label|legend|li|link|main|meta|nav|'
    r'noscript|object|ol|option|p|picture|pre|script|section|select|source|style|summary|svg|table|tbody|td|textarea|tfoot|th|'
    rf'thead|title|tr|ul|video){_ATTRIBUTES}'
)

_URL = r"""(?i)\b(?:https?://|www\.)[^\s<>"]*[^\s<>".,;:!?'()\[\]{}«»“”‘’…]"""
URL = 'httpurl'
_USER_NAME = r'(^|[^\p{L}\p{N}_.@/])@[0-9A-Za-z_]{1,30}'
USER_NAME = '@user'


def remove_ignorable(text: tf.Tensor) -> tf.Tensor:
    """Removes the characters that Unicode calls default-ignorable: they are invisible."""
    return tf.strings.regex_replace(text, _IGNORABLE, '')


def plain_letters(text: tf.Tensor) -> tf.Tensor:
    """Replaces full-width, ligature, circled and mathematical letters and digits by plain ones (NFKC of them)."""

    def fold() -> tf.Tensor:
        runs = tf_text.regex_split(text, _STYLED_RUN, keep_delim_regex_pattern=_STYLED_RUN)  # (n, runs)
        styled = tf.strings.regex_full_match(runs.flat_values, _STYLED_RUN)
        plain = tf_text.normalize_utf8(runs.flat_values, 'NFKC')
        return tf.strings.reduce_join(
            runs.with_flat_values(tf.where(styled, plain, runs.flat_values)), axis=1, separator=''
        )

    return _apply_if_any(text, f'(?s).*[{_STYLED}].*', fold)


def plain_apostrophes(text: tf.Tensor) -> tf.Tensor:
    """Replaces look-alike apostrophes between letters by U+0027, the one of a keyboard."""
    once = tf.strings.regex_replace(text, _BETWEEN_LETTERS, r"\1'\2")
    # Matches do not overlap, and in rock’n’roll a single letter stands between two of them.
    return tf.strings.regex_replace(once, _BETWEEN_LETTERS, r"\1'\2")


def plain_quotes(text: tf.Tensor) -> tf.Tensor:
    """Replaces typographic quotation marks by ' and ", and the ellipsis by three full stops."""
    text = tf.strings.regex_replace(text, _SINGLE, "'")
    text = tf.strings.regex_replace(text, _DOUBLE, '"')
    return tf.strings.regex_replace(text, _ELLIPSIS, '...')


def remove_html(text: tf.Tensor) -> tf.Tensor:
    """Replaces HTML character references by their characters, then removes tags.

    Named references are those of HTML 4 and `&apos;`; `&amp;` may be escaped several times. A tag has the name of an
    HTML element, and its attributes have values, so that `a <b and c> d` and `<3` remain text. Inline tags (`<b>`) are
    removed, other tags (`<br />`) become a space.
    """
    text = _apply_if_any(text, f'(?s).*{_ENTITY}.*', lambda: _replace_entities(text))
    return tf.strings.regex_replace(tf.strings.regex_replace(text, _INLINE_TAG, ''), _OTHER_TAG, ' ')


def mask_urls(text: tf.Tensor) -> tf.Tensor:
    """Replaces every web address by the word `URL`."""
    return tf.strings.regex_replace(text, _URL, URL)


def mask_user_names(text: tf.Tensor) -> tf.Tensor:
    """Replaces every `@name` by `USER_NAME`; e-mail addresses are not changed."""
    return tf.strings.regex_replace(text, _USER_NAME, rf'\1{USER_NAME}')


def _apply_if_any(text: tf.Tensor, pattern: str, change: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns `change()` if any text matches the pattern, else `text`: a rare case then costs one match per text."""
    return tf.cond(tf.reduce_any(tf.strings.regex_full_match(text, pattern)), change, lambda: text)


def _replace_entities(text: tf.Tensor) -> tf.Tensor:
    text = tf.strings.regex_replace(text, _AMPERSANDS, '&')
    parts = tf_text.regex_split(text, _ENTITY, keep_delim_regex_pattern=_ENTITY)  # (n, parts)
    positions = tf.where(tf.strings.regex_full_match(parts.flat_values, _ENTITY))  # (entities, 1)
    entities = tf.gather_nd(parts.flat_values, positions)  # (entities)
    code_points = tf.where(
        tf.strings.regex_full_match(entities, '&#.*'),
        _numeric_code_points(entities),
        _named_code_points(entities),
    )
    characters = tf.strings.unicode_encode(tf.maximum(code_points, 1)[:, None], 'UTF-8', errors='replace')
    # An unknown name stays as it was written, as in a browser.
    characters = tf.where(code_points < 0, entities, characters)
    flat = tf.tensor_scatter_nd_update(parts.flat_values, positions, characters)
    return tf.strings.reduce_join(parts.with_flat_values(flat), axis=1, separator='')


def _named_code_points(entities: tf.Tensor) -> tf.Tensor:
    """Returns the code points of references such as `&lt;`, −1 for an unknown name: string (n) → int32 (n)."""
    names = tf.constant([f'&{name};' for name in _NAMES])
    matches = entities[:, None] == names[None, :]  # (n, names)
    code_points = tf.constant(list(_NAMES.values()), tf.int32)
    return tf.reduce_max(tf.where(matches, code_points[None, :], -1), axis=1)


def _numeric_code_points(entities: tf.Tensor) -> tf.Tensor:
    """Returns the code points of references such as `&#39;` and `&#x27;`: string (n) → int32 (n).

    Invalid ones are U+FFFD, as HTML 5 requires.
    """
    base = tf.where(tf.strings.regex_full_match(entities, '&#[xX].*'), 16, 10)
    digits = tf.strings.unicode_decode(
        tf.strings.lower(tf.strings.regex_replace(entities, '&#[xX]?0*|;', '')), 'UTF-8'
    ).to_tensor(-1)  # (n, digits)
    values = tf.where(digits >= ord('a'), digits - ord('a') + 10, digits - ord('0'))
    values = tf.pad(values, [[0, 0], [0, _MAX_DIGITS]], constant_values=-1)
    total = tf.zeros_like(base)  # (n)
    for place in range(_MAX_DIGITS):
        digit = values[:, place]
        total = tf.where(digit < 0, total, total * base + digit)
    surrogate = (total >= 0xD800) & (total <= 0xDFFF)
    return tf.where((total == 0) | surrogate | (total > 0x10FFFF), 0xFFFD, total)
