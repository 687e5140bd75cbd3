"""Finds the words of a text that look like names: capitalised inside a sentence."""

import dataclasses

import tensorflow as tf

from vaiven.models.text.config import TextConfig
from vaiven.models.text.tokenization import normalize, words

_CAPITALISED = r'\p{Lu}\p{Ll}.*'
# After a full stop, a quotation mark or a colon every word has a capital letter.
_INSIDE_SENTENCE = r'[\p{L}\p{N},;&].*'


def names(text: tf.Tensor, config: TextConfig) -> tf.RaggedTensor:
    """The words of each text that look like names: string (n) → string (n, names), in lower case if `config` is."""
    return tf.ragged.boolean_mask(*words_and_names(text, config))


def words_and_names(text: tf.Tensor, config: TextConfig) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """The words of each text, and which of them look like names.

    Args:
        text: string (n), raw UTF-8.
        config: settings of the normalisation; the unit has no effect.

    Returns:
        string (n, words) as from `vaiven.models.text.tokenization.words`, and bool (n, words).
    """
    cased = words(normalize(text, dataclasses.replace(config, lowercase=False)))
    is_name = name_mask(cased)
    return tf.ragged.map_flat_values(tf.strings.lower, cased, 'utf-8') if config.lowercase else cased, is_name


def name_mask(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """Marks the words that look like names: string (n, words), not in lower case → bool (n, words).

    Texts in lower case have none. Of a text in which at least half of the words are capitalised, such as a headline,
    nothing is marked.
    """
    flat = words.flat_values
    is_capitalised = tf.strings.regex_full_match(flat, _CAPITALISED)
    previous = tf.concat([[''], flat[:-1]], axis=0)[: tf.size(flat)]
    is_first = tf.range(tf.size(flat), dtype=words.row_splits.dtype) == tf.gather(
        words.row_starts(), words.value_rowids()
    )
    is_inside = tf.strings.regex_full_match(previous, _INSIDE_SENTENCE) & ~is_first
    share = tf.reduce_mean(words.with_values(tf.cast(is_capitalised, tf.float32)), axis=1)  # (n)
    is_plain = tf.gather(share < 0.5, words.value_rowids())
    return words.with_values(is_capitalised & is_inside & is_plain)
