"""Text to tokens, inside the TensorFlow graph, so that training and serving cannot differ.

`text → well-formed UTF-8, NFC, lower case → tokens → ids`. The ids of a text always begin with `[BOS]` and end
with `[EOS]`: an empty text has two tokens, and no row is ever wholly masked (cuDNN's kernels need that).
"""

import dataclasses
from typing import TYPE_CHECKING, Literal

from vaiven.models.configuration import require

if TYPE_CHECKING:
    import tensorflow as tf

SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[BOS]', '[EOS]')
PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(len(SPECIAL_TOKENS))

# A word with its inner apostrophes, a number, or one other sign; each with its combining marks. RE2 syntax.
_WORD = r"[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*|\p{N}+|[^\s\p{Z}\p{L}\p{M}\p{N}]\p{M}*"
_SPACE = r'[\s\p{Z}]+'


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """How a text becomes tokens.

    Attributes:
        unit: what a token is: a `word` (or number, or sign) or a `character` (a code point).
        lowercase: whether capital letters are made small first.
        max_tokens: a longer text is cut after this many tokens, begin and end not counted.
    """

    unit: Literal['word', 'character'] = 'word'
    lowercase: bool = True
    max_tokens: int = 256

    def __post_init__(self) -> None:
        require(self.unit in ('word', 'character'), 'text.unit must be word or character', self.unit)
        require(
            1 <= self.max_tokens <= 100_000, 'text.max_tokens must lie between 1 and 100000', self.max_tokens
        )


def normalize(text: 'tf.Tensor', config: TextConfig) -> 'tf.Tensor':
    """Well-formed UTF-8 (bad bytes become U+FFFD) in NFC, single spaces, lower case if asked. Shape (n) → (n)."""
    import tensorflow as tf
    import tensorflow_text as tf_text

    text = tf.strings.unicode_transcode(text, 'UTF-8', 'UTF-8', errors='replace')
    text = tf_text.normalize_utf8(text, 'NFC')
    text = tf.strings.strip(tf.strings.regex_replace(text, _SPACE, ' '))
    return tf.strings.lower(text, encoding='utf-8') if config.lowercase else text


def tokenize(text: 'tf.Tensor', config: TextConfig) -> 'tf.RaggedTensor':
    """Splits each text into its tokens.

    Args:
        text: string (n), raw UTF-8.
        config: the unit and the rest.

    Returns:
        string (n, None), without begin and end; at most `config.max_tokens` a row.
    """
    import tensorflow as tf
    import tensorflow_text as tf_text

    text = normalize(text, config)
    if config.unit == 'character':
        tokens = tf.strings.unicode_split(text, 'UTF-8')
    else:
        tokens = tf_text.regex_split(text, f'{_WORD}|{_SPACE}', keep_delim_regex_pattern=_WORD)
    return tokens[:, : config.max_tokens]


def join(tokens: 'tf.Tensor', config: TextConfig) -> 'tf.Tensor':
    """Readable text from tokens, string (n, length) → (n): words with spaces between, but none before a full stop."""
    import tensorflow as tf

    if config.unit == 'character':
        return tf.strings.reduce_join(tokens, axis=-1)
    text = tf.strings.reduce_join(tokens, axis=-1, separator=' ')
    text = tf.strings.regex_replace(text, r' ([.,;:!?…)\]}»”%])', r'\1')
    return tf.strings.regex_replace(text, r'([¿¡(\[{«“]) ', r'\1')


def tokens_to_ids(tokens: 'tf.RaggedTensor', table: 'tf.lookup.StaticHashTable') -> 'tf.RaggedTensor':
    """Ids with `[BOS]` before and `[EOS]` after: string (n, None) → int64 (n, None)."""
    import tensorflow as tf

    ids = tf.ragged.map_flat_values(table.lookup, tokens)
    ends = tf.ones([ids.nrows(), 1], tf.int64)
    return tf.concat([BOS_ID * ends, ids, EOS_ID * ends], axis=1)


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
