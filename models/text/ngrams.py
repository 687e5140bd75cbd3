"""The n-grams that the wide path reads, as ids: words, pairs of neighbouring words, and subwords.

They are computed inside the TensorFlow graph from the words of the text, whatever `text.unit` is. A word that is too
rare for the vocabulary has n-grams as well, and a word that was never seen shares subwords with others.
"""

from typing import NamedTuple

import tensorflow as tf

from vaiven.models.text.config import TextConfig
from vaiven.models.text.names import words_and_names
from vaiven.models.text.negation import negated_words
from vaiven.models.text.subwords import SUBWORD_LENGTHS
from vaiven.models.text.tokenization import normalize, words

# The wide path reads beyond `text.max_tokens`, up to this many words.
MAX_WORDS = 10_000
# An id is twice a hash plus 1 or 2, and must fit in 32 bits.
_HASH_BUCKETS = 2**30 - 1
# What the hash of a word or a subword grows by after a negation, modulo the buckets; any large number will do.
_NEGATED_STEP = 715_827_881


class Ngrams(NamedTuple):
    """The n-grams of several texts, one after the other, each once per text.

    Attributes:
        ids: int64 (n-grams), as from `ngram_ids`.
        rows: int64 (n-grams), the number of the text; not in order.
    """

    ids: tf.Tensor
    rows: tf.Tensor


def ngram_ids(text: tf.Tensor, config: TextConfig, *, skip_names: bool = False) -> tf.RaggedTensor:
    """Computes the distinct n-gram ids of each text.

    Ids lie between 1 and 2^31 − 2; 0 is left for padding. Odd ids are words and pairs of words, even ids are subwords:
    `vaiven.models.training.wide_fit` fits the two kinds separately.

    Args:
        text: string (n), raw UTF-8.
        config: settings of the normalisation; the unit has no effect.
        skip_names: whether in every second text, chosen by its hash, words that look like names and pairs with them
            have no n-grams.

    Returns:
        int64 (n, None), each id once per text.
    """
    if skip_names:
        found, is_name = words_and_names(text, config)
        is_second = tf.strings.to_hash_bucket_fast(text, 2) == 1  # (n)
        is_skipped = is_name.values & tf.gather(is_second, is_name.value_rowids())
        ngrams = word_ngrams(found, config.scope, is_name.with_values(is_skipped))
    else:
        ngrams = word_ngrams(words(normalize(text, config)), config.scope)
    order = tf.argsort(ngrams.rows, stable=True)
    return tf.RaggedTensor.from_value_rowids(
        tf.gather(ngrams.ids, order), tf.gather(ngrams.rows, order), tf.size(text, tf.int64)
    )


def word_ngrams(words: tf.RaggedTensor, scope: int, is_name: tf.RaggedTensor | None = None) -> Ngrams:
    """Computes the distinct n-grams of texts that are split into words already.

    Args:
        words: string (n, words).
        scope: number of words after a negation whose n-grams, other than pairs, differ from those of the same words
            elsewhere; 0 for none.
        is_name: bool (n, words), words without n-grams; None for no such words.
    """
    words = words[:, :MAX_WORDS]
    pairs = word_pairs(words)
    is_negated = negated_words(words, scope) if scope else None
    if is_name is not None:
        is_kept = tf.ragged.map_flat_values(tf.logical_not, is_name[:, :MAX_WORDS])
        pairs = tf.ragged.boolean_mask(pairs, is_kept[:, 1:] & is_kept[:, :-1])
        words = tf.ragged.boolean_mask(words, is_kept)
        is_negated = None if is_negated is None else tf.boolean_mask(is_negated, is_kept.values)
    subwords = word_subwords(words).values  # (words of all texts, None)
    word_rows, subword_words = _rows(words), _rows(subwords)
    ids = [word_ids(words.values), word_ids(pairs.values), subword_ids(subwords.values)]
    if is_negated is not None:
        ids[0] = tf.where(is_negated, negated_ids(ids[0]), ids[0])
        ids[2] = tf.where(tf.gather(is_negated, subword_words), negated_ids(ids[2]), ids[2])
    rows = [word_rows, _rows(pairs), tf.gather(word_rows, subword_words)]
    # The row number in the upper bits keeps equal ids of different rows apart.
    distinct, _ = tf.unique(tf.concat(rows, axis=0) * 2**31 + tf.concat(ids, axis=0))
    return Ngrams(tf.bitwise.bitwise_and(distinct, 2**31 - 1), tf.bitwise.right_shift(distinct, 31))


def _rows(values: tf.RaggedTensor) -> tf.Tensor:
    # As `value_rowids`, which takes 16 operations.
    return values.to_sparse().indices[:, 0]


def word_pairs(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """The pairs of neighbouring words, separated by a space: string (n, words) → string (n, words − 1)."""
    return tf.strings.ngrams(words, 2, separator=' ')


def word_subwords(words: tf.RaggedTensor) -> tf.RaggedTensor:
    """Splits each word into its subwords: string (n, words) → string (n, words, None)."""
    # `<` and `>` mark the ends of a word, as in Bojanowski et al. 2017.
    characters = tf.strings.unicode_split(tf.strings.join(['<', words.values, '>']), 'UTF-8')
    return words.with_values(tf.strings.ngrams(characters, SUBWORD_LENGTHS, separator=''))


def word_ids(strings: tf.RaggedTensor | tf.Tensor) -> tf.RaggedTensor | tf.Tensor:
    """The ids of words and of pairs of words: int64, odd, of the same shape."""
    return tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, strings, _HASH_BUCKETS) * 2 + 1


def subword_ids(strings: tf.RaggedTensor | tf.Tensor) -> tf.RaggedTensor | tf.Tensor:
    """The ids of subwords: int64, even, of the same shape."""
    return tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, strings, _HASH_BUCKETS) * 2 + 2


def negated_ids(ids: tf.Tensor) -> tf.Tensor:
    """The ids of words or subwords after a negation, from those elsewhere: int64 (…) → int64 (…)."""
    # The kind, which is the remainder by 2, stays.
    return (ids - 1 + 2 * _NEGATED_STEP) % (2 * _HASH_BUCKETS) + 1
