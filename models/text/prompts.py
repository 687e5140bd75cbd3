"""Texts that go on: their last tokens, and what is written after them put where it belongs."""

import tensorflow as tf

from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import BOS_ID, all_tokens, join, tokens_to_ids

_SPACE = r'[\s\p{Z}]'
_ENDS_A_WORD = rf'(?s).*[^\s\p{{Z}}]{_SPACE}+'
_NEEDS_NO_SPACE = rf'(?s)(.*{_SPACE})?'


def begin_tokens(text: tf.Tensor, config: TextConfig, table: tf.lookup.StaticHashTable) -> tf.RaggedTensor:
    """The tokens of texts that go on, of a long one the last `max_tokens`: string (n) → (n, None)."""
    tokens = all_tokens(text, config, table)
    if config.unit == 'character':
        # Normalisation takes the last space, which says that a word is over.
        ends = tf.cast(tf.strings.regex_full_match(text, _ENDS_A_WORD), tf.int64)
        spaces = tf.RaggedTensor.from_row_lengths(tf.fill([tf.reduce_sum(ends)], ' '), ends)
        tokens = tf.concat([tokens, spaces], axis=1)
    return tokens[:, -config.max_tokens :]


def begin_ids(tokens: tf.RaggedTensor, table: tf.lookup.StaticHashTable) -> tf.Tensor:
    """`[BOS]` and the ids of such tokens, without an end: int32 (n, time), padded with 0 at the right."""
    ids = tokens_to_ids(tokens, table)[:, :-1]
    # One row more while padding: so there is one step at least, even when there is no text at all.
    shortest = tf.constant([[BOS_ID]], tf.int64)
    return tf.cast(tf.concat([ids, shortest], axis=0).to_tensor()[:-1], tf.int32)


def joined_after(
    text: tf.Tensor, begun: tf.RaggedTensor, written: tf.Tensor, config: TextConfig
) -> tf.Tensor:
    """What stands after each text, to be put there as it is: string (n).

    Args:
        text: string (n), raw.
        begun: its tokens, string (n, None).
        written: tokens that follow, string (n, length).
        config: of the tokens.
    """
    last = begun[:, -1:].to_tensor('', shape=[None, 1])
    joined = join(tf.concat([last, written], axis=1), config)
    start = tf.strings.length(join(last, config))
    after = tf.strings.substr(joined, start, tf.strings.length(joined) - start)
    if config.unit == 'character':
        return after
    return tf.where(tf.strings.regex_full_match(text, _NEEDS_NO_SPACE), tf.strings.strip(after), after)
