"""Text to tokens, inside the TensorFlow graph, so that training and serving cannot differ.

`text → well-formed UTF-8, one spelling, lower case → tokens → ids`. The ids of a text always start with `[BOS]` and
end with `[EOS]`: an empty text has two tokens, and no row is ever wholly masked (cuDNN's kernels need that).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vaiven.models.text.config import TextConfig

if TYPE_CHECKING:
    import tensorflow as tf

SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[BOS]', '[EOS]')
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(len(SPECIAL_TOKENS))

# A word with its inner apostrophes, a number, or one other sign; each with its combining marks. RE2 syntax.
_WORD = r"[\p{L}\p{M}]+(?:'[\p{L}\p{M}]+)*|\p{N}+|[^\s\p{Z}\p{L}\p{M}\p{N}]\p{M}*"
_SPACE = r'[\s\p{Z}\p{Cc}]+'

# What marks a piece that goes on with a word (Schuster & Nakajima 2012); no word of `_WORD` begins with it.
CONTINUED = '##'
# Longer pieces are not learnt, and so not looked for: a word of any length is split in time linear in it.
LONGEST_PIECE = 40


def normalize(text: 'tf.Tensor', config: TextConfig) -> 'tf.Tensor':
    """One spelling for what reads the same: string (n) → (n).

    Bad bytes become U+FFFD. HTML goes, as `config` says, and so do default-ignorable characters; styled letters and
    look-alike apostrophes become plain ones (`vaiven.models.text.normalization`); then NFC, single spaces for
    white space and control characters, and lower case if asked. Words and wordpieces have the quotation marks
    of a keyboard, too; characters keep those of the book.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    from vaiven.models.text import normalization

    text = tf.strings.unicode_transcode(text, 'UTF-8', 'UTF-8', errors='replace')
    if config.html:
        text = normalization.without_html(text)
    text = normalization.plain_letters(normalization.without_ignorable(text))
    text = normalization.plain_apostrophes(tf_text.normalize_utf8(text, 'NFC'))
    if config.mask_urls:
        text = normalization.mask_urls(text)
    if config.mask_user_names:
        text = normalization.mask_user_names(text)
    if config.unit != 'character':
        text = normalization.plain_quotes(text)
    text = tf.strings.strip(tf.strings.regex_replace(text, _SPACE, ' '))
    return tf.strings.lower(text, encoding='utf-8') if config.lowercase else text


def tokenize(
    text: 'tf.Tensor', config: TextConfig, table: 'tf.lookup.StaticHashTable | None' = None
) -> 'tf.RaggedTensor':
    """The first `config.max_tokens` tokens of each text, as `all_tokens` gives them."""
    return all_tokens(text, config, table)[:, : config.max_tokens]


def all_tokens(
    text: 'tf.Tensor', config: TextConfig, table: 'tf.lookup.StaticHashTable | None' = None
) -> 'tf.RaggedTensor':
    """Splits each text into its tokens, as many as there are.

    Args:
        text: string (n), raw UTF-8.
        config: the unit and the rest.
        table: the vocabulary, which decides how words fall into pieces; without it they stay whole.

    Returns:
        string (n, None), without begin and end.
    """
    import tensorflow as tf

    if config.unit == 'character':
        return tf.strings.unicode_split(normalize(text, config), 'UTF-8')
    words = whole_words(text, config)
    if config.unit == 'wordpiece' and table is not None:
        return split_words(words, table).merge_dims(1, 2)
    return words


def whole_words(text: 'tf.Tensor', config: TextConfig) -> 'tf.RaggedTensor':
    """All words, numbers and signs of each text, whatever the unit: string (n) → (n, None)."""
    import tensorflow_text as tf_text

    return tf_text.regex_split(normalize(text, config), f'{_WORD}|{_SPACE}', keep_delim_regex_pattern=_WORD)


def split_words(
    words: 'tf.Tensor | tf.RaggedTensor', table: 'tf.lookup.StaticHashTable'
) -> 'tf.RaggedTensor':
    """Each word as its longest known pieces, from the left: one dimension more.

    All pieces but a word's first begin with `CONTINUED`. A character that the vocabulary lacks is `[UNK]`, after
    `CONTINUED` inside a word.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    tokenizer = tf_text.WordpieceTokenizer(
        table,
        suffix_indicator=CONTINUED,
        max_bytes_per_word=2**31 - 1,
        max_chars_per_token=LONGEST_PIECE,
        token_out_type=tf.string,
        unknown_token=SPECIAL_TOKENS[UNK_ID],
        split_unknown_characters=True,
    )
    return tokenizer.tokenize(words)


def join(tokens: 'tf.Tensor', config: TextConfig) -> 'tf.Tensor':
    """Readable text from tokens, string (n, length) → (n): words with spaces between, but none before a full stop."""
    import tensorflow as tf

    if config.unit == 'character':
        return tf.strings.reduce_join(tokens, axis=-1)
    text = tf.strings.reduce_join(tokens, axis=-1, separator=' ')
    if config.unit == 'wordpiece':
        text = tf.strings.regex_replace(text, f'(^| ){CONTINUED}', '')
    text = tf.strings.regex_replace(text, r' ([.,;:!?…)\]}»”%])', r'\1')
    return tf.strings.regex_replace(text, r'([¿¡(\[{«“]) ', r'\1')


def tokens_to_ids(tokens: 'tf.RaggedTensor', table: 'tf.lookup.StaticHashTable') -> 'tf.RaggedTensor':
    """Ids with `[BOS]` before and `[EOS]` after: string (n, None) → int64 (n, None)."""
    import tensorflow as tf

    ids = tf.ragged.map_flat_values(table.lookup, tokens)
    ends = tf.ones([ids.nrows(), 1], tf.int64)
    return tf.concat([BOS_ID * ends, ids, EOS_ID * ends], axis=1)


def table_of(tokens: Sequence[str]) -> 'tf.lookup.StaticHashTable':
    """Looks tokens up in a list of them, the place being the id; unknown → `[UNK]`."""
    import tensorflow as tf

    ids = tf.range(len(tokens), dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(list(tokens), ids), UNK_ID)


def vocabulary_table(path: str) -> 'tf.lookup.StaticHashTable':
    """Looks tokens up in a `vocab.txt`, one token a line, the line's number being the id; unknown → `[UNK]`."""
    import tensorflow as tf

    return tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            path,
            key_dtype=tf.string,
            key_index=tf.lookup.TextFileIndex.WHOLE_LINE,
            value_dtype=tf.int64,
            value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        default_value=UNK_ID,
    )
