"""Prompts of the language model: their tokens, and how a continuation is joined to them."""

import tensorflow as tf

from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import BOS_ID, detokenize, tokens_to_ids

_SPACE = r'[\s\p{Z}]'
_ENDS_WITH_SPACE = rf'(?s).*[^\s\p{{Z}}]{_SPACE}+'
_EMPTY_OR_ENDS_WITH_SPACE = rf'(?s)(.*{_SPACE})?'


def prompt_tokens(text: tf.Tensor, tokens: tf.RaggedTensor, config: TextConfig) -> tf.RaggedTensor:
    """Keeps the last `config.max_tokens` tokens of each prompt.

    Args:
        text: string (n), raw UTF-8.
        tokens: string (n, None), all tokens of each text.
        config: settings of the tokeniser.

    Returns:
        string (n, None).
    """
    if config.unit == 'character':
        # Normalisation strips the final space, which tells a model of characters that the last word is complete.
        ends = tf.cast(tf.strings.regex_full_match(text, _ENDS_WITH_SPACE), tf.int64)  # (n)
        spaces = tf.RaggedTensor.from_row_lengths(tf.fill([tf.reduce_sum(ends)], ' '), ends)
        tokens = tf.concat([tokens, spaces], axis=1)
    return tokens[:, -config.max_tokens :]


def prompt_ids(tokens: tf.RaggedTensor, table: tf.lookup.StaticHashTable) -> tf.Tensor:
    """Looks up `[BOS]` and the ids of prompt tokens, without `[EOS]`: int32 (n, time), right-padded with 0."""
    ids = tokens_to_ids(tokens, table)[:, :-1]
    # The additional row guarantees a width of 1, even if the batch is empty.
    shortest = tf.constant([[BOS_ID]], tf.int64)
    return tf.cast(tf.concat([ids, shortest], axis=0).to_tensor()[:-1], tf.int32)


def continuation_text(
    text: tf.Tensor, tokens: tf.RaggedTensor, generated: tf.Tensor, config: TextConfig
) -> tf.Tensor:
    """Converts generated tokens to text that can be appended to the prompt as it is.

    Args:
        text: string (n), the raw prompts.
        tokens: string (n, None), the tokens of the prompts.
        generated: string (n, length), the tokens of the continuation.
        config: settings of the tokeniser.

    Returns:
        string (n).
    """
    # Whether a space separates prompt and continuation depends on the last token of the prompt alone.
    last = tokens[:, -1:].to_tensor('', shape=[None, 1])  # (n, 1)
    joined = detokenize(tf.concat([last, generated], axis=1), config)
    start = tf.strings.length(detokenize(last, config))
    continuation = tf.strings.substr(joined, start, tf.strings.length(joined) - start)
    if config.unit == 'character':
        return continuation
    return tf.where(
        tf.strings.regex_full_match(text, _EMPTY_OR_ENDS_WITH_SPACE),
        tf.strings.strip(continuation),
        continuation,
    )
