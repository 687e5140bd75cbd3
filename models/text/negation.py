"""Marks the words that a negation turns, so that "not bad" and "bad" have different n-grams (Das & Chen 2001)."""

import tensorflow as tf

# In front of a word or a subword. No word has this sign and letters.
MARK = '¬'

_ENGLISH = (
    "not|no|never|nothing|nobody|none|neither|nor|without|hardly|barely|scarcely|cannot|lacks?|fails?|.+n't"
)
_SPANISH = 'nunca|jamás|nada|nadie|ninguna?|ningún|ni|sin|tampoco|apenas|carecen?'
_NEGATION = f'(?i)(?:{_ENGLISH}|{_SPANISH})'
# Of two words; what follows them is negated, although "but" ends other negations.
_PAIRS = '(?i)(?:far from|anything but|lejos de)'
# Where a negation ends at the latest.
_END = r'(?i)(?:[.,;:!?()"…]|but|pero)'


def mark_negated(words: tf.RaggedTensor, scope: int) -> tf.RaggedTensor:
    """Writes `MARK` in front of the words after a negation: string (n, words) → string (n, words).

    Args:
        words: as from `vaiven.models.text.tokenization.words`.
        scope: number of words after a negation that are marked, up to the next punctuation mark; 0 for none.
    """
    if not scope:
        return words
    flat = words.flat_values
    is_negation = tf.strings.regex_full_match(flat, _NEGATION)
    row = words.value_rowids()
    continues = tf.concat([tf.zeros([1], tf.bool), row[1:] == row[:-1]], axis=0)[: tf.size(flat)]
    previous = tf.concat([[''], flat[:-1]], axis=0)[: tf.size(flat)]
    is_pair = tf.strings.regex_full_match(tf.strings.join([previous, flat], ' '), _PAIRS) & continues
    is_negation |= is_pair
    is_end = tf.strings.regex_full_match(flat, _END) & ~is_pair

    def next_words(before: tf.Tensor) -> tf.Tensor:
        shifted = tf.concat([tf.zeros([1], tf.bool), before[:-1]], axis=0)[: tf.size(flat)]
        return shifted & continues & ~is_end

    reached = is_negated = next_words(is_negation)
    for _ in range(scope - 1):
        reached = next_words(reached)
        is_negated |= reached
    # "No one never": a negation is not negated.
    marked = tf.where(is_negated & ~is_negation, tf.strings.join([MARK, flat]), flat)
    return words.with_values(marked)
