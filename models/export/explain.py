"""The signature `explain`: which words and n-grams speak for the label of a text, and which against it.

The wide path is linear, so its n-grams are explained exactly: their values add up to its part of the logit. The
recurrent path is explained by occlusion (Li et al. 2016): the value of a word is how much the logit falls when the text
is read without it.
"""

from typing import NamedTuple

import tensorflow as tf

from vaiven.models.export.text_model import TextModel
from vaiven.models.network.heads import label_probabilities
from vaiven.models.text.negation import negated_words
from vaiven.models.text.ngrams import negated_ids, subword_ids, word_ids, word_pairs, word_subwords

# A text is read once for each of its words: quadratic time.
MAX_WORDS = 1024
# In front of a word or a subword after a negation. No word has this sign and letters.
MARK = '¬'
# Texts that are read at once, which bounds the memory.
_READ_AT_ONCE = 32


class NgramParts(NamedTuple):
    """The n-grams of one text, and the words that they consist of.

    Attributes:
        strings: string (n-grams): words, then pairs of words, then subwords, each as often as it occurs.
        ids: int64 (n-grams).
        first, last: int32 (n-grams), position of the first and of the last word that the n-gram touches.
    """

    strings: tf.Tensor
    ids: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor


class Explainer:
    """Explains the labels of a classifier.

    Args:
        model: network and tokeniser.
    """

    def __init__(self, model: TextModel) -> None:
        self.model = model
        self.labels = model.network.labels
        # Traced once for both calls: each trace of the network takes seconds of an export.
        self._recurrent_value = tf.function(
            self._recurrent_part,
            input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32)],
        )

    def explain(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Explains the label of each text, string (n).

        A value is a part of the logit of the label: positive values speak for the label, negative ones against it. For
        several classes it is the logit of the label minus the mean over the classes; for ordinal labels the score, so
        that positive values speak for higher classes.

        Returns:
            `label`, string (n), the most probable class, and `score`, float (n), its probability. `words`, string, and
            `word_values`, float, both (sum of `word_row_lengths`): the normalised words, and how much the recurrent
            path (by occlusion) and the n-grams of the wide path with this word (half of a pair) contribute.
            `word_row_lengths`, int (n). `ngrams`, string, and `ngram_values`, float, both (sum of
            `ngram_row_lengths`): the n-grams that the wide path knows, and their exact contributions; subwords have
            `<` and `>` at the ends of a word, and `¬` is in front of what a negation turns.
            `ngram_row_lengths`, int (n).
        """
        probabilities = label_probabilities(self.labels, self.model.label_logits(text))  # (n, classes)
        label = tf.argmax(probabilities, axis=1, output_type=tf.int32)
        words = self.model.words(text)  # (n, None)
        longest = words.bounding_shape(axis=1)
        rule = f'explain takes texts of at most {MAX_WORDS} words. Received:'
        with tf.control_dependencies([tf.debugging.Assert(longest <= MAX_WORDS, [rule, longest])]):
            words = words.with_values(tf.identity(words.values))
        floats, strings = (tf.RaggedTensorSpec([None], dtype) for dtype in (tf.float32, tf.string))
        word_values, ngrams, ngram_values = tf.map_fn(
            lambda row: self._explain(*row), (words, label), fn_output_signature=(floats, strings, floats)
        )
        return {
            'label': tf.gather(tf.constant(self.labels.classes), label),
            'score': tf.reduce_max(probabilities, axis=1),
            'words': words.values,
            'word_values': word_values.values,
            'word_row_lengths': tf.cast(words.row_lengths(), tf.int32),
            'ngrams': ngrams.values,
            'ngram_values': ngram_values.values,
            'ngram_row_lengths': tf.cast(ngrams.row_lengths(), tf.int32),
        }

    def _explain(self, words: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Explains one text.

        Args:
            words: string (words).
            label: int (), index of the class.

        Returns:
            Value of each word, float (words); n-grams, string (n-grams), and their values, float (n-grams).
        """
        values = self._occlusion(words, label)
        if self.model.network.wide is None:
            return values, tf.zeros([0], tf.string), tf.zeros([0], tf.float32)
        parts = ngram_parts(words, self.model.config.scope)
        ids, number = tf.unique(parts.ids)  # the wide path counts an n-gram once, however often it occurs
        # Each n-gram as a text of its own gives its weights.
        wide = self.model.network.wide
        weights = wide(ids[:, tf.newaxis]) - wide.bias  # (distinct) or (distinct, classes)
        weights *= wide.damping(tf.cast(tf.size(ids), tf.float32))  # of the whole text
        ngram_values = self._towards(label, weights, path=1)
        counts = tf.math.unsorted_segment_sum(tf.ones_like(parts.ids), number, tf.size(ids))
        # An n-gram that occurs several times gives each place an equal part, and a pair gives half to each word.
        shares = tf.gather(ngram_values / tf.cast(counts, tf.float32), number) / 2
        for places in (parts.first, parts.last):
            values += tf.math.unsorted_segment_sum(shares, places, tf.size(words))
        first_places = tf.math.unsorted_segment_min(tf.range(tf.size(parts.ids)), number, tf.size(ids))
        is_known = tf.not_equal(ngram_values, 0)
        return (
            values,
            tf.boolean_mask(tf.gather(parts.strings, first_places), is_known),
            tf.boolean_mask(ngram_values, is_known),
        )

    def _occlusion(self, words: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """How much the recurrent path's part of the logit falls without each word: string (words) → float (words)."""
        count = tf.size(words)
        whole = self._recurrent_value(tf.strings.reduce_join(words, separator=' ', keepdims=True), label)

        def values_without(start: tf.Tensor) -> tf.RaggedTensor:
            left_out = tf.range(start, tf.minimum(start + _READ_AT_ONCE, count))  # (texts)
            is_kept = left_out[:, tf.newaxis] != tf.range(count)  # (texts, words)
            rows = tf.tile(words[tf.newaxis], [tf.size(left_out), 1])
            texts = tf.strings.reduce_join(tf.ragged.boolean_mask(rows, is_kept), axis=1, separator=' ')
            return self._recurrent_value(texts, label)  # (texts)

        without = tf.map_fn(
            values_without,
            tf.range(0, count, _READ_AT_ONCE),
            fn_output_signature=tf.RaggedTensorSpec([None], tf.float32),
        )
        return whole - without.values

    def _recurrent_part(self, texts: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """The recurrent path's part of the logit of a label: string (n) → float (n)."""
        recurrent = self.model.recurrent_logits(texts)
        return self._towards(label, recurrent, path=0)

    def _towards(self, label: tf.Tensor, logits: tf.Tensor, path: int) -> tf.Tensor:
        """The part of one label in the logits of a path.

        Args:
            label: int (), index of the class.
            logits: float (n) or (n, classes).
            path: 0 for the recurrent path, 1 for the wide one.

        Returns:
            float (n).
        """
        factor = self.model.network.combination[path]
        if self.labels.kind == 'binary':
            return tf.where(label == 1, factor, -factor) * logits
        if self.labels.kind == 'ordinal':
            return factor[0] * logits
        weighted = factor * logits  # (n, classes)
        part = tf.gather(weighted, label, axis=1)
        return part - tf.reduce_mean(weighted, axis=1) if self.labels.kind == 'multiclass' else part


def ngram_parts(words: tf.Tensor, scope: int = 0) -> NgramParts:
    """Lists the n-grams of one text.

    Args:
        words: string (words).
        scope: number of words after a negation that are marked.
    """
    rows = tf.RaggedTensor.from_row_lengths(words, [tf.size(words)])  # (1, words)
    pairs, subwords = word_pairs(rows).values, word_subwords(rows).values  # (words − 1), (words, None)
    places = tf.range(tf.size(words))
    pair_places = tf.range(tf.size(pairs))
    subword_places = tf.cast(subwords.value_rowids(), tf.int32)
    strings, ids = (
        [words, pairs, subwords.values],
        [word_ids(words), word_ids(pairs), subword_ids(subwords.values)],
    )
    if scope:
        is_negated = negated_words(rows, scope)
        for kind, mask in ((0, is_negated), (2, tf.gather(is_negated, subword_places))):
            strings[kind] = tf.where(mask, tf.strings.join([MARK, strings[kind]]), strings[kind])
            ids[kind] = tf.where(mask, negated_ids(ids[kind]), ids[kind])
    return NgramParts(
        tf.concat(strings, axis=0),
        tf.concat(ids, axis=0),
        tf.concat([places, pair_places, subword_places], axis=0),
        tf.concat([places, pair_places + 1, subword_places], axis=0),
    )
