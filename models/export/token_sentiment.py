"""Sentiment over the course of a text: what is thought of it after each of its tokens."""

from collections.abc import Callable

import tensorflow as tf

from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import TextConfig

# Every beginning of a text is read anew, since the backward stack begins at its end: time goes by the square.
LONGEST = 512


def sentiment_course(
    text: tf.Tensor, config: TextConfig, probability: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """The probability of «positive» of each beginning of each text, one token longer than the one before.

    Args:
        text: string (n); tokens are whole words, also where the model reads pieces of them, or characters.
        config: how text becomes tokens.
        probability: string (n) → float (n).

    Returns:
        tokens, string (n, None), and probabilities, float (n, None): as many.
    """
    tokens = text_lib.all_tokens(text, config)
    longest = tokens.bounding_shape(axis=1)
    rule = f'the course of a text is told of up to {LONGEST} tokens. Received:'
    with tf.control_dependencies([tf.debugging.Assert(longest <= LONGEST, [rule, longest])]):
        tokens = tokens.with_values(tf.identity(tokens.values))

    def course(row: tf.Tensor) -> tf.Tensor:
        beginnings = tf.gather(row, tf.ragged.range(tf.range(1, tf.size(row) + 1)))
        return probability(text_lib.join(beginnings, config))

    found = tf.map_fn(course, tokens, fn_output_signature=tf.RaggedTensorSpec([None], tf.float32))
    return tokens, found
