"""The n-grams that the wide path reads, as ids: words, pairs of neighbouring words, and subwords.

They are computed inside the TensorFlow graph from the words of the text, whatever `text.unit` is. A word that is too
rare for the vocabulary has n-grams as well, and a word that was never seen shares subwords with others.
"""

import tensorflow as tf

from vaiven.models.text.config import TextConfig
from vaiven.models.text.subwords import SUBWORD_LENGTHS
from vaiven.models.text.tokenization import normalize, words

# The wide path reads beyond `text.max_tokens`, up to this many words.
MAX_WORDS = 10_000
# An id is twice a hash plus 1 or 2, and must fit in 32 bits.
_HASH_BUCKETS = 2**30 - 1


def ngram_ids(text: tf.Tensor, config: TextConfig) -> tf.RaggedTensor:
    """Computes the distinct n-gram ids of each text.

    Ids lie between 1 and 2^31 − 2; 0 is left for padding. Odd ids are words and pairs of words, even ids are subwords:
    `vaiven.models.training.wide_fit` fits the two kinds separately.

    Args:
        text: string (n), raw UTF-8.
        config: settings of the normalisation; the unit has no effect.

    Returns:
        int64 (n, None), each id once per text.
    """
    return word_ngram_ids(words(normalize(text, config)))


def word_ngram_ids(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """Computes the n-gram ids of texts that are split into words already: string (n, words) → int64 (n, None)."""
    words = words[:, :MAX_WORDS]
    words_and_pairs = tf.concat([words, word_pairs(words)], axis=1)
    subwords = word_subwords(words).merge_dims(1, 2)  # (n, subwords)
    return _distinct(tf.concat([word_ids(words_and_pairs), subword_ids(subwords)], axis=1))


def word_pairs(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """The pairs of neighbouring words, separated by a space: string (n, words) → string (n, words − 1)."""
    return tf.strings.ngrams(words, 2, separator=' ')


def word_subwords(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """The subwords of each word: string (n, words) → string (n, words, None)."""
    # `<` and `>` mark the ends of a word, as in Bojanowski et al. 2017.
    characters = tf.strings.unicode_split(tf.strings.join(['<', words.flat_values, '>']), 'UTF-8')
    return words.with_values(tf.strings.ngrams(characters, SUBWORD_LENGTHS, separator=''))


def word_ids(strings: tf.RaggedTensor | tf.Tensor) -> tf.RaggedTensor | tf.Tensor:
    """The ids of words and of pairs of words: int64, odd, of the same shape."""
    return tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, strings, _HASH_BUCKETS) * 2 + 1


def subword_ids(strings: tf.RaggedTensor | tf.Tensor) -> tf.RaggedTensor | tf.Tensor:
    """The ids of subwords: int64, even, of the same shape."""
    return tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, strings, _HASH_BUCKETS) * 2 + 2


def _distinct(ids: tf.RaggedTensor) -> tf.RaggedTensor:
    # The row number in the upper bits keeps equal ids of different rows apart.
    offsets = ids.value_rowids() * 2**31
    unique, _ = tf.unique(offsets + ids.flat_values)
    return tf.RaggedTensor.from_value_rowids(unique % 2**31, unique // 2**31, ids.nrows())
