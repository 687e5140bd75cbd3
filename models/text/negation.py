"""Finds the words that a negation turns, so that "not bad" and "bad" have different n-grams (Das & Chen 2001)."""

import tensorflow as tf

_ENGLISH = (
    "not|no|never|nothing|nobody|none|neither|nor|without|hardly|barely|scarcely|cannot|lacks?|fails?|.+n't"
)
_SPANISH = 'nunca|jamás|nada|nadie|ninguna?|ningún|ni|sin|tampoco|apenas|carecen?'
NEGATION = f'(?i)(?:{_ENGLISH}|{_SPANISH})'
# Of two words; what follows them is negated, although "but" ends other negations.
PAIRS = '(?i)(?:far from|anything but|lejos de)'
# Where a negation ends at the latest.
END = r'(?i)(?:[.,;:!?()"…]|but|pero)'


def negated_words(words: tf.RaggedTensor, scope: int) -> tf.Tensor:
    """Which words a negation turns: string (n, words) → bool (words of all texts).

    Args:
        words: as from `vaiven.models.text.tokenization.words`.
        scope: number of words after a negation that it turns, up to the next punctuation mark.
    """
    flat = words.values
    count = tf.size(flat, tf.int64)
    rows = words.to_sparse().indices[:, 0]  # as `value_rowids`, in fewer operations
    continues = tf.concat([[False], rows[1:] == rows[:-1]], axis=0)[:count]
    previous = tf.concat([[''], flat[:-1]], axis=0)[:count]
    is_pair = continues & tf.strings.regex_full_match(tf.strings.join([previous, flat], ' '), PAIRS)
    is_negation = is_pair | tf.strings.regex_full_match(flat, NEGATION)
    is_end = tf.strings.regex_full_match(flat, END) & ~is_pair
    # A part of a text starts at its first word and at each end. A word is turned if there is a negation among the
    # `scope` words before it, and in the same part.
    starts_part = is_end | ~continues
    part = tf.cumsum(tf.cast(starts_part, tf.int32)) - 1
    first = tf.maximum(tf.range(count) - scope, tf.gather(tf.where(starts_part)[:, 0], part))
    negations_before = tf.cumsum(tf.cast(is_negation, tf.int32), exclusive=True)
    # "No one never": a negation is not turned.
    return (negations_before > tf.gather(negations_before, first)) & ~is_end & ~is_negation
