"""What the served model answers: each signature takes raw UTF-8 strings."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models import text as text_lib
from vaiven.models.network.network import Network
from vaiven.models.preprocessing import IDS, TEXT

LABELS = ('negative', 'positive')
Endpoints = dict[str, tuple[Callable[..., Any], list[tf.TensorSpec]]]

_TEXTS = tf.TensorSpec([None], tf.string, name='text')
_EXAMPLES = tf.TensorSpec([None], tf.string, name='inputs')


class Signatures(tf.Module):
    """The trained network behind its tokeniser.

    Args:
        network: built, free of cuDNN.
        config: how text becomes tokens.
        vocabulary_path: `vocab.txt`, one token a line.
    """

    def __init__(self, network: Network, config: text_lib.TextConfig, vocabulary_path: str) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.table = text_lib.vocabulary_table(vocabulary_path)
        self.tokens = tf.Variable(
            np.array(tf.io.gfile.GFile(vocabulary_path, 'rb').read().splitlines(), dtype=object),
            dtype=tf.string, trainable=False, name='tokens',
        )  # fmt: skip

    def endpoints(self, transform: tft.TFTransformOutput, layer: keras.layers.Layer) -> Endpoints:
        """Name → (function, input specification), for `ExportArchive.add_endpoint`."""
        scalar = tf.TensorSpec([], tf.int32, name='k')
        raw_features = transform.raw_feature_spec()

        def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            features = layer(tf.io.parse_example(examples, raw_features))
            return {
                **features,
                IDS: tf.sparse.to_dense(features[IDS]),
            }  # a Predict answer holds dense tensors only

        return {
            'serving_default': (self.sentiment, [_TEXTS]),
            'classify': (self.classify, [_EXAMPLES]),
            'next_word': (self.next_word, [_TEXTS, scalar]),
            'score': (self.score, [_TEXTS]),
            'embed': (self.embed, [_TEXTS]),
            'transform_features': (transform_features, [tf.TensorSpec([None], tf.string, name='examples')]),
        }

    def ids(self, text: tf.Tensor) -> tf.Tensor:
        """string (n) → int32 (n, time), padded with 0 at the right."""
        tokens = text_lib.tokenize(text, self.config)
        return tf.cast(text_lib.tokens_to_ids(tokens, self.table).to_tensor(), tf.int32)

    def sentiment(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probability` of «positive», float (n), and the likelier `label`, string (n)."""
        probability = self._probability(text)
        return {'probability': probability, 'label': tf.where(probability > 0.5, LABELS[1], LABELS[0])}

    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """TensorFlow Serving's classification form: `classes` string (n, 2), `scores` float (n, 2)."""
        examples = tf.io.parse_example(inputs, {TEXT: tf.io.FixedLenFeature([], tf.string)})
        probability = self._probability(examples[TEXT])
        classes = tf.tile(tf.constant([LABELS]), [tf.shape(probability)[0], 1])
        return {'classes': classes, 'scores': tf.stack([1 - probability, probability], axis=1)}

    def next_word(self, text: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """The k likeliest tokens after each text: `tokens` string (n, k), `log_probabilities` float (n, k), in nats.

        An unknown word is never proposed, nor is an end; the probabilities are those of the full softmax.
        """
        most = self.network.vocabulary_size - len(text_lib.SPECIAL_TOKENS)
        with tf.control_dependencies([
            tf.debugging.Assert(
                (k >= 1) & (k <= most), [f'k must lie between 1 and {most}, the number of known tokens. Received:', k]
            )
        ]):  # fmt: skip
            ids = self.ids(text)
        ids = tf.where(ids == text_lib.EOS_ID, text_lib.PAD_ID, ids)  # the text goes on
        states, lengths = self.network.read('forward', ids)
        last = tf.gather(states, lengths - 1, batch_dims=1)  # (n, units)
        logits = self.network.token_logits(self.network.project('forward', last))
        log_probabilities = tf.nn.log_softmax(logits)[:, len(text_lib.SPECIAL_TOKENS) :]
        best, places = tf.math.top_k(log_probabilities, k)
        return {
            'tokens': tf.gather(self.tokens, places + len(text_lib.SPECIAL_TOKENS)),
            'log_probabilities': best,
        }

    def score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """How likely the forward language model finds each text, its end included.

        Returns:
            `log_probability` float (n), in nats; `tokens` int (n), how many were predicted;
            `bits_per_character` float (n), over the normalised text and its end; and the same token by token,
            `token_values` float (sum of `token_row_lengths`) with `token_row_lengths` int (n).
        """
        ids = self.ids(text)
        states, lengths = self.network.read('forward', ids)
        predicted, targets = states[:, :-1], ids[:, 1:]
        each = tf.transpose(
            tf.map_fn(  # one step at a time: a whole text's softmax would take texts × time × vocabulary of memory
                lambda step: self._log_probability(*step),
                (tf.transpose(predicted, [1, 0, 2]), tf.transpose(targets)),
                fn_output_signature=tf.float32,
            )
        )  # (n, time - 1)
        counts = lengths - 1
        ragged = tf.RaggedTensor.from_tensor(each, lengths=counts)
        total = tf.reduce_sum(ragged, axis=1)
        characters = tf.strings.length(text_lib.normalize(text, self.config), unit='UTF8_CHAR') + 1
        return {
            'log_probability': total,
            'tokens': counts,
            'bits_per_character': -total / tf.cast(characters, tf.float32) / tf.math.log(2.0),
            'token_values': ragged.values,
            'token_row_lengths': counts,
        }

    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """`embedding` float (n, 6 · units): [last, max, mean] of both directions."""
        return {'embedding': self.network.pool(*self.network.encode(self.ids(text)))}

    def _probability(self, text: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(self.network.sentiment_logits(self.ids(text)))

    def _log_probability(self, states: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        logits = self.network.token_logits(self.network.project('forward', states))
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
