"""One spelling for what reads the same, inside the TensorFlow graph.

Phones, word processors and web pages write the apostrophe of `don't` as `’` or `&#39;`, put soft hyphens and
zero-width characters into words, and style letters as `ｄｏｎ` or `𝐝𝐨𝐧`. A model that was trained on one spelling does
not know the others. Each function takes and gives string (n), well-formed UTF-8; plain text stays as it is.
"""

from collections.abc import Callable
from html.entities import html5, name2codepoint

import tensorflow as tf
import tensorflow_text as tf_text

# Default_Ignorable_Code_Point of the Unicode Character Database (DerivedCoreProperties): soft hyphen, zero-width
# characters, bidirectional marks, variation selectors, tags. NFKC_Casefold removes the same ones.
_IGNORABLE = (
    r'[\x{AD}\x{34F}\x{61C}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{200B}-\x{200F}\x{202A}-\x{202E}'
    r'\x{2060}-\x{206F}\x{3164}\x{FE00}-\x{FE0F}\x{FEFF}\x{FFA0}\x{FFF0}-\x{FFF8}\x{1BCA0}-\x{1BCA3}'
    r'\x{1D173}-\x{1D17A}\x{E0000}-\x{E0FFF}]+'
)

# Letters and digits in another form, for which NFKC gives the plain ones: ĳ, ŉ, ſ and the Croatian digraphs,
# letterlike mathematical signs, Roman numerals, circled letters, ligatures and presentation forms, full and half width,
# mathematical alphabets, squared letters. Left out is what NFKC would make into other words: ² → 2, ½ → 1⁄2, ™ → TM,
# … → three stops, º → o.
_STYLED = (
    r'\x{132}\x{133}\x{149}\x{17F}\x{1C4}-\x{1CC}\x{1F1}-\x{1F3}\x{2102}\x{210A}-\x{2115}\x{2119}-\x{211D}\x{2124}'
    r'\x{2128}\x{212C}\x{212D}\x{212F}-\x{2134}\x{2139}\x{2160}-\x{217F}\x{24B6}-\x{24E9}\x{FB00}-\x{FB06}'
    r'\x{FB13}-\x{FB17}\x{FB1D}-\x{FB4F}\x{FB50}-\x{FBB1}\x{FBD3}-\x{FD3D}\x{FD50}-\x{FDC7}\x{FDF0}-\x{FDFC}'
    r'\x{FE70}-\x{FEFC}\x{FF01}-\x{FF9F}\x{FFE0}-\x{FFEE}\x{1D400}-\x{1D7FF}\x{1F130}-\x{1F149}'
)
_STYLED_RUN = f'[{_STYLED}]+'

# U+0091 to U+0094 are quotation marks where Windows-1252 was read as Latin-1; HTML reads them so, too.
_APOSTROPHE = r'[`\x{91}\x{92}´ʹʻʼʽˈ՚‘’‛′‵ꞌ᾽᾿]'
_BETWEEN_LETTERS = rf'([\p{{L}}\p{{M}}\p{{N}}]){_APOSTROPHE}([\p{{L}}\p{{M}}])'
_SINGLE, _DOUBLE, _ELLIPSIS = r'[\x{91}\x{92}‘’‚‛]', r'[\x{93}\x{94}“”„‟]', r'[\x{85}…]'

_ENTITY = r'&(?:#0*[0-9]{1,7}|#[xX]0*[0-9A-Fa-f]{1,6}|[A-Za-z][0-9A-Za-z]{1,7});'
_MAX_DIGITS = 7  # of a number in `_ENTITY`
_AMPERSANDS = r'&(?:(?:amp|AMP|#0*38|#[xX]0*26);)+'
# Those of HTML 4, with the characters that HTML 5 gives them.
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


def without_ignorable(text: tf.Tensor) -> tf.Tensor:
    """Without the characters that Unicode calls default-ignorable: they are never seen."""
    return tf.strings.regex_replace(text, _IGNORABLE, '')


def plain_letters(text: tf.Tensor) -> tf.Tensor:
    """Full-width, ligature, circled and mathematical letters and digits as plain ones (NFKC of these alone)."""

    def folded() -> tf.Tensor:
        runs = tf_text.regex_split(text, _STYLED_RUN, keep_delim_regex_pattern=_STYLED_RUN)
        styled = tf.strings.regex_full_match(runs.flat_values, _STYLED_RUN)
        plain = tf_text.normalize_utf8(runs.flat_values, 'NFKC')
        return tf.strings.reduce_join(
            runs.with_flat_values(tf.where(styled, plain, runs.flat_values)), axis=1, separator=''
        )

    return _where_any(text, f'(?s).*[{_STYLED}].*', folded)


def plain_apostrophes(text: tf.Tensor) -> tf.Tensor:
    """What looks like an apostrophe between letters is one: U+0027, as on a keyboard."""
    once = tf.strings.regex_replace(text, _BETWEEN_LETTERS, r"\1'\2")
    # Matches do not overlap, and rock’n’roll has one letter between two of them.
    return tf.strings.regex_replace(once, _BETWEEN_LETTERS, r"\1'\2")


def plain_quotes(text: tf.Tensor) -> tf.Tensor:
    """Quotation marks and the ellipsis as on a keyboard: ', " and three full stops."""
    text = tf.strings.regex_replace(text, _SINGLE, "'")
    text = tf.strings.regex_replace(text, _DOUBLE, '"')
    return tf.strings.regex_replace(text, _ELLIPSIS, '...')


def without_html(text: tf.Tensor) -> tf.Tensor:
    """Character references as their characters, then tags as a browser shows them.

    Named references are those of HTML 4 and `&apos;`; `&amp;` may have been written several times over. A tag is
    one of HTML's with attributes that have values, so that `a <b and c> d` and `<3` are text. Tags inside a line
    (`<b>`) leave nothing, others (`<br />`) a space.
    """
    text = _where_any(text, f'(?s).*{_ENTITY}.*', lambda: _without_entities(text))
    return tf.strings.regex_replace(tf.strings.regex_replace(text, _INLINE_TAG, ''), _OTHER_TAG, ' ')


def mask_urls(text: tf.Tensor) -> tf.Tensor:
    """Each web address as the word `URL`."""
    return tf.strings.regex_replace(text, _URL, URL)


def mask_user_names(text: tf.Tensor) -> tf.Tensor:
    """Each `@name` as `USER_NAME`; addresses of mail stay."""
    return tf.strings.regex_replace(text, _USER_NAME, rf'\1{USER_NAME}')


def _where_any(text: tf.Tensor, pattern: str, change: Callable[[], tf.Tensor]) -> tf.Tensor:
    """`change()` where a text matches as a whole, else `text`: what is rare costs one look."""
    return tf.cond(tf.reduce_any(tf.strings.regex_full_match(text, pattern)), change, lambda: text)


def _without_entities(text: tf.Tensor) -> tf.Tensor:
    text = tf.strings.regex_replace(text, _AMPERSANDS, '&')
    parts = tf_text.regex_split(text, _ENTITY, keep_delim_regex_pattern=_ENTITY)
    places = tf.where(tf.strings.regex_full_match(parts.flat_values, _ENTITY))  # (entities, 1)
    entities = tf.gather_nd(parts.flat_values, places)
    code_points = tf.where(
        tf.strings.regex_full_match(entities, '&#.*'), _of_number(entities), _of_name(entities)
    )
    characters = tf.strings.unicode_encode(tf.maximum(code_points, 1)[:, None], 'UTF-8', errors='replace')
    characters = tf.where(code_points < 0, entities, characters)
    flat = tf.tensor_scatter_nd_update(parts.flat_values, places, characters)
    return tf.strings.reduce_join(parts.with_flat_values(flat), axis=1, separator='')


def _of_name(entities: tf.Tensor) -> tf.Tensor:
    """The code points of `&name;`, −1 for an unknown name: string (n) → int32 (n)."""
    names = tf.constant([f'&{name};' for name in _NAMES])
    same = entities[:, None] == names[None, :]  # (n, names)
    points = tf.constant(list(_NAMES.values()), tf.int32)
    return tf.reduce_max(tf.where(same, points[None, :], -1), axis=1)


def _of_number(entities: tf.Tensor) -> tf.Tensor:
    """The code points of `&#39;` and `&#x27;`; U+FFFD for what is none: string (n) → int32 (n)."""
    base = tf.where(tf.strings.regex_full_match(entities, '&#[xX].*'), 16, 10)
    digits = tf.strings.unicode_decode(
        tf.strings.lower(tf.strings.regex_replace(entities, '&#[xX]?0*|;', '')), 'UTF-8'
    ).to_tensor(-1)  # (n, longest)
    values = tf.where(digits >= ord('a'), digits - ord('a') + 10, digits - ord('0'))
    values = tf.pad(values, [[0, 0], [0, _MAX_DIGITS]], constant_values=-1)
    total = tf.zeros_like(base)
    for place in range(_MAX_DIGITS):
        digit = values[:, place]
        total = tf.where(digit < 0, total, total * base + digit)
    surrogate = (total >= 0xD800) & (total <= 0xDFFF)
    return tf.where((total == 0) | surrogate | (total > 0x10FFFF), 0xFFFD, total)
