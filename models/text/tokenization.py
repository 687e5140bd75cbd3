"""The tokeniser, inside the TensorFlow graph, so that training and serving cannot differ.

`text → well-formed UTF-8, normalised, lower case → tokens → ids`. The ids of a text always start with `[BOS]` and end
with `[EOS]`: an empty text has two ids, and no row of a batch is fully masked, which cuDNN's kernels do not support.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vaiven.models.text.config import TextConfig

if TYPE_CHECKING:
    import tensorflow as tf

SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[BOS]', '[EOS]')
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(len(SPECIAL_TOKENS))

# A word with its inner apostrophes, a number, or one other sign; each with its combining marks. RE2 syntax.
WORD = r"[\p{L}\p{M}]+(?:'[\p{L}\p{M}]+)*|\p{N}+|[^\s\p{Z}\p{L}\p{M}\p{N}]\p{M}*"
_SPACE = r'[\s\p{Z}\p{Cc}]+'

# Marks a wordpiece that continues a word, as in BERT (Devlin et al. 2019). No match of `WORD` starts with it.
CONTINUATION_PREFIX = '##'
# Longer wordpieces are neither learnt nor looked up, so that splitting a word takes time linear in its length.
MAX_WORDPIECE_CHARACTERS = 40


def normalize(text: 'tf.Tensor', config: TextConfig) -> 'tf.Tensor':
    """Gives texts that look the same the same spelling: string (n) → string (n).

    In this order: invalid bytes become U+FFFD, and U+0000 becomes a space; HTML is removed if `config.html`;
    default-ignorable characters are removed; styled letters become plain ones (NFKC of these alone); NFC; look-alike
    apostrophes become U+0027; URLs and user names are masked as configured; white space and control characters become
    single spaces; lower case if `config.lowercase`. Words and wordpieces also get ASCII quotation marks; characters
    keep those of the text.

    Args:
        text: string (n), raw bytes.
        config: the switches.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    from vaiven.models.text import normalization

    # First of all: the regular expressions below require well-formed UTF-8.
    text = tf.strings.unicode_transcode(text, 'UTF-8', 'UTF-8', errors='replace')
    # `tf_text.regex_split` ends a text there.
    text = tf.strings.regex_replace(text, r'\x00', ' ')
    if config.html:
        text = normalization.remove_html(text)
    text = normalization.plain_letters(normalization.remove_ignorable(text))
    text = normalization.plain_apostrophes(tf_text.normalize_utf8(text, 'NFC'))
    if config.mask_urls:
        text = normalization.mask_urls(text)
    if config.mask_user_names:
        text = normalization.mask_user_names(text)
    if config.unit != 'character':
        text = normalization.plain_quotes(text)
    # Last of all: removed tags and characters may leave spaces.
    text = tf.strings.strip(tf.strings.regex_replace(text, _SPACE, ' '))
    return tf.strings.lower(text, encoding='utf-8') if config.lowercase else text


def tokenize(
    text: 'tf.Tensor', config: TextConfig, table: 'tf.lookup.StaticHashTable | None' = None
) -> 'tf.RaggedTensor':
    """Splits each text into its first `config.max_tokens` tokens.

    Args:
        text: string (n), raw UTF-8.
        config: settings of the tokeniser.
        table: the vocabulary, needed to split words into wordpieces; without it words stay whole.

    Returns:
        string (n, None), without `[BOS]` and `[EOS]`.
    """
    return all_tokens(text, config, table)[:, : config.max_tokens]


def all_tokens(
    text: 'tf.Tensor', config: TextConfig, table: 'tf.lookup.StaticHashTable | None' = None
) -> 'tf.RaggedTensor':
    """Splits each text into all its tokens, without truncation.

    Args:
        text: string (n), raw UTF-8.
        config: settings of the tokeniser.
        table: the vocabulary, needed to split words into wordpieces; without it words stay whole.

    Returns:
        string (n, None), without `[BOS]` and `[EOS]`.
    """
    normalized = normalize(text, config)
    if config.unit == 'character':
        return characters(normalized)
    return word_tokens(words(normalized), config, table)


def characters(normalized: 'tf.Tensor') -> 'tf.RaggedTensor':
    """Splits texts that `normalize` returned into code points: string (n) → string (n, None)."""
    import tensorflow as tf

    return tf.strings.unicode_split(normalized, 'UTF-8')


def words(normalized: 'tf.Tensor') -> 'tf.RaggedTensor':
    """Splits texts that `normalize` returned into words, numbers and signs: string (n) → string (n, None)."""
    import tensorflow as tf

    # No word contains white space, and the only one in a normalised text is U+0020. This takes a tenth of the time of
    # `tf_text.regex_split`.
    return tf.strings.split(tf.strings.regex_replace(normalized, WORD, r'\0 '))


def word_tokens(
    words: 'tf.RaggedTensor', config: TextConfig, table: 'tf.lookup.StaticHashTable | None' = None
) -> 'tf.RaggedTensor':
    """Returns the tokens of words: themselves, or their wordpieces: string (n, None) → string (n, None).

    Args:
        words: the words of each text.
        config: settings of the tokeniser; the unit is `word` or `wordpiece`.
        table: the vocabulary, needed to split words into wordpieces; without it words stay whole.
    """
    if config.unit == 'wordpiece' and table is not None:
        return split_words(words, table).merge_dims(1, 2)
    return words


def split_words(
    words: 'tf.Tensor | tf.RaggedTensor', table: 'tf.lookup.StaticHashTable'
) -> 'tf.RaggedTensor':
    """Splits each word into the longest wordpieces of the vocabulary, from left to right (Schuster & Nakajima 2012).

    Args:
        words: string (…).
        table: the vocabulary.

    Returns:
        string (…, None). All wordpieces of a word but the first start with `CONTINUATION_PREFIX`. A character that is
        not in the vocabulary is `[UNK]`, with the prefix inside a word.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    tokenizer = tf_text.WordpieceTokenizer(
        table,
        suffix_indicator=CONTINUATION_PREFIX,
        # Without a limit on the word, a long one is split like any other instead of becoming `[UNK]` as a whole.
        max_bytes_per_word=2**31 - 1,
        max_chars_per_token=MAX_WORDPIECE_CHARACTERS,
        token_out_type=tf.string,
        unknown_token=SPECIAL_TOKENS[UNK_ID],
        split_unknown_characters=True,
    )
    return tokenizer.tokenize(words)


def detokenize(tokens: 'tf.Tensor', config: TextConfig) -> 'tf.Tensor':
    """Joins tokens to readable text: string (n, length) → string (n).

    Words are separated by spaces, but there is none before closing and after opening punctuation.
    """
    import tensorflow as tf

    if config.unit == 'character':
        return tf.strings.reduce_join(tokens, axis=-1)
    text = tf.strings.reduce_join(tokens, axis=-1, separator=' ')
    if config.unit == 'wordpiece':
        # A continuation at the start of the tokens has no word to join: only its prefix is removed.
        text = tf.strings.regex_replace(text, f'(^| ){CONTINUATION_PREFIX}', '')
    text = tf.strings.regex_replace(text, r' ([.,;:!?…)\]}»”%])', r'\1')
    return tf.strings.regex_replace(text, r'([¿¡(\[{«“]) ', r'\1')


def tokens_to_ids(tokens: 'tf.RaggedTensor', table: 'tf.lookup.StaticHashTable') -> 'tf.RaggedTensor':
    """Looks up ids and adds `[BOS]` in front and `[EOS]` at the end: string (n, None) → int64 (n, None)."""
    import tensorflow as tf

    # In a third of the operations of `tf.concat` along the tokens.
    count = tokens.nrows()
    splits = tokens.row_splits + 2 * tf.range(count + 1)
    rows = tokens.to_sparse().indices[:, 0]  # (tokens)
    places = tf.range(tf.size(rows, tf.int64)) + 2 * rows + 1
    ids = tf.dynamic_stitch(
        [tf.cast(index, tf.int32) for index in (places, splits[:-1], splits[1:] - 1)],
        [
            table.lookup(tokens.values),
            tf.fill([count], tf.constant(BOS_ID, tf.int64)),
            tf.fill([count], tf.constant(EOS_ID, tf.int64)),
        ],
    )
    return tf.RaggedTensor.from_row_splits(ids, splits, validate=False)


def token_table(tokens: Sequence[str]) -> 'tf.lookup.StaticHashTable':
    """Creates a lookup table from tokens to their positions; an unknown token gets the id of `[UNK]`."""
    import tensorflow as tf

    ids = tf.range(len(tokens), dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(list(tokens), ids), UNK_ID)


def vocabulary_table(path: str) -> 'tf.lookup.StaticHashTable':
    """Creates a lookup table from a `vocab.txt` with one token per line; the id is the line number, from 0.

    The file becomes an asset of a SavedModel that contains the table. An unknown token gets the id of `[UNK]`.
    """
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
