"""Per-token sentiment: the sentiment of a text after each of its tokens."""

from collections.abc import Callable

import tensorflow as tf

from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import TextConfig

# The backward direction starts at the end of each prefix, so every prefix is read from scratch: quadratic time.
MAX_TOKENS = 512


def token_sentiment(
    tokens: tf.RaggedTensor, config: TextConfig, probability: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Computes the probability of «positive» of every prefix of each text, each one token longer than the previous.

    Args:
        tokens: string (n, None): whole words, even if the model reads wordpieces, or characters.
        config: settings of the tokeniser.
        probability: maps string (n) to float (n).

    Returns:
        The tokens, and the probabilities, float (n, None), one per token.
    """
    longest = tokens.bounding_shape(axis=1)
    rule = f'per-token sentiment takes texts of at most {MAX_TOKENS} tokens. Received:'
    with tf.control_dependencies([tf.debugging.Assert(longest <= MAX_TOKENS, [rule, longest])]):
        tokens = tokens.with_values(tf.identity(tokens.values))

    def prefix_probabilities(row: tf.Tensor) -> tf.Tensor:
        prefixes = tf.gather(row, tf.ragged.range(tf.range(1, tf.size(row) + 1)))  # (tokens, None)
        return probability(text_lib.detokenize(prefixes, config))  # (tokens)

    probabilities = tf.map_fn(
        prefix_probabilities, tokens, fn_output_signature=tf.RaggedTensorSpec([None], tf.float32)
    )
    return tokens, probabilities
