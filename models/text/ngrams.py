"""What the wide path reads of a text, as numbers: words, pairs of neighbours, and pieces of words.

Computed inside the TensorFlow graph from the words themselves, whatever the unit: so a word that is too rare for the
vocabulary counts as well, and one that nobody saw before shares pieces with others.
"""

import tensorflow as tf

from vaiven.models.text.config import TextConfig
from vaiven.models.text.subwords import PIECE_LENGTHS
from vaiven.models.text.tokenization import whole_words

# The wide path reads on where `text.max_tokens` cuts a text off, but not for ever.
MAX_WORDS = 10_000
# Twice a hash and two more still fits 32 bits.
_HASHES = 2**30 - 1


def ngram_ids(text: tf.Tensor, config: TextConfig) -> tf.RaggedTensor:
    """Each different word, pair and piece of a text once: string (n) → int64 (n, None), from 1 to 2^31 − 2.

    Odd numbers are words and pairs, even ones are pieces; see `vaiven.models.network.wide`.
    """
    words = whole_words(text, config)[:, :MAX_WORDS]
    pairs = tf.strings.ngrams(words, 2, separator=' ')
    characters = tf.strings.unicode_split(tf.strings.join(['<', words.flat_values, '>']), 'UTF-8')
    pieces = tf.strings.ngrams(characters, PIECE_LENGTHS, separator='')
    pieces = words.with_values(pieces).merge_dims(1, 2)  # of a word → of a text
    whole = tf.concat([words, pairs], axis=1)
    return _distinct(tf.concat([_hashed(whole) * 2 + 1, _hashed(pieces) * 2 + 2], axis=1))


def _hashed(strings: tf.RaggedTensor) -> tf.RaggedTensor:
    return tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, strings, _HASHES)


def _distinct(numbers: tf.RaggedTensor) -> tf.RaggedTensor:
    rows = numbers.value_rowids() * 2**31
    kept, _ = tf.unique(rows + numbers.flat_values)
    return tf.RaggedTensor.from_value_rowids(kept % 2**31, kept // 2**31, numbers.nrows())
