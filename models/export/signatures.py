"""What the served model answers: each signature takes raw UTF-8 strings."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models.data.preprocessing import IDS, LABEL, TEXT
from vaiven.models.export.generation import LONGEST, Draw, generate
from vaiven.models.export.token_sentiment import sentiment_course
from vaiven.models.network.network import Network
from vaiven.models.text import config as text_config
from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import TextConfig
from vaiven.models.text.ngrams import ngram_ids
from vaiven.models.text.prompts import begin_ids, begin_tokens, joined_after
from vaiven.models.training.config import Task

LABELS = ('negative', 'positive')
Endpoints = dict[str, tuple[Callable[..., Any], list[tf.TensorSpec]]]

_TEXTS = tf.TensorSpec([None], tf.string, name='text')
_GENERATION = [
    tf.TensorSpec([], tf.int32, name='length'),
    tf.TensorSpec([], tf.float32, name='temperature'),
    tf.TensorSpec([], tf.float32, name='top_p'),
    tf.TensorSpec([], tf.int32, name='top_k'),
    tf.TensorSpec([], tf.int32, name='no_repeat'),
    tf.TensorSpec([], tf.int32, name='seed'),
]
_EXAMPLES = tf.TensorSpec([None], tf.string, name='inputs')


class Signatures(tf.Module):
    """The trained network behind its tokeniser.

    Args:
        network: built, free of cuDNN.
        config: how text becomes tokens.
        vocabulary_path: `vocab.txt`, one token a line.
    """

    def __init__(self, network: Network, config: TextConfig, vocabulary_path: str) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.table = text_lib.vocabulary_table(vocabulary_path)
        self.tokens = tf.Variable(
            np.array(tf.io.gfile.GFile(vocabulary_path, 'rb').read().splitlines(), dtype=object),
            dtype=tf.string,
            trainable=False,
            name='tokens',
        )

    def endpoints(
        self, transform: tft.TFTransformOutput, layer: keras.layers.Layer, task: Task = 'sentiment'
    ) -> Endpoints:
        """Name → (function, input specification), for `ExportArchive.add_endpoint`.

        A network that has learnt language alone gives no opinions: its default is `score`.
        """
        scalar = tf.TensorSpec([], tf.int32, name='k')
        raw_features = transform.raw_feature_spec()

        def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            features = layer(tf.io.parse_example(examples, raw_features))
            # A Predict answer holds dense tensors only, and no rating is NaN, which JSON cannot say.
            return {IDS: tf.sparse.to_dense(features[IDS]), LABEL: features[LABEL]}

        opinions: Endpoints = {
            'serving_default': (self.sentiment, [_TEXTS]),
            'classify': (self.classify, [_EXAMPLES]),
            'sentiment_course': (self.sentiment_course, [_TEXTS]),
        }
        no_opinions: Endpoints = {'serving_default': (self.score, [_TEXTS])}
        return {
            **(opinions if task == 'sentiment' else no_opinions),
            'next_word': (self.next_word, [_TEXTS, scalar]),
            'score': (self.score, [_TEXTS]),
            'embed': (self.embed, [_TEXTS]),
            'generate': (self.generate, [_TEXTS, *_GENERATION]),
            'transform_features': (transform_features, [tf.TensorSpec([None], tf.string, name='examples')]),
        }

    def ids(self, text: tf.Tensor) -> tf.Tensor:
        """string (n) → int32 (n, time), padded with 0 at the right; of a long text the first `max_tokens`."""
        return self._ids(text_lib.tokenize(text, self.config, self.table))

    def _ids(self, tokens: tf.RaggedTensor) -> tf.Tensor:
        ids = text_lib.tokens_to_ids(tokens, self.table)
        # One row more while padding: so there are two steps at least, even when there is no text at all.
        shortest = tf.constant([[text_lib.BOS_ID, text_lib.EOS_ID]], tf.int64)
        return tf.cast(tf.concat([ids, shortest], axis=0).to_tensor()[:-1], tf.int32)

    def sentiment(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probability` of «positive», float (n), and the likelier `label`, string (n)."""
        probability = self._probability(text)
        return {'probability': probability, 'label': tf.where(probability > 0.5, LABELS[1], LABELS[0])}

    def sentiment_course(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """What `sentiment` says of each beginning of a text, token by token.

        Returns:
            `tokens` string and `probabilities` of «positive», float, both (sum of `row_lengths`); `row_lengths`
            int (n), tokens a text.
        """
        tokens, probabilities = sentiment_course(text, self.config, self._probability)
        return {
            'tokens': tokens.values,
            'probabilities': probabilities.values,
            'row_lengths': tf.cast(tokens.row_lengths(), tf.int32),
        }

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
        rule = f'k must lie between 1 and {most}, the number of known tokens'
        with tf.control_dependencies([_check((k >= 1) & (k <= most), rule, k)]):
            ids = begin_ids(begin_tokens(text, self.config, self.table), self.table)
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
        """How likely the forward language model finds each text, all of it, its end included.

        Args:
            text: string (n), each of at most `MAX_TOKENS` tokens; a longer one is refused.

        Returns:
            `log_probability` float (n), in nats; `tokens` int (n), how many were predicted;
            `bits_per_character` float (n), over the normalised text and its end; and the same token by token,
            `token_values` float (sum of `token_row_lengths`) with `token_row_lengths` int (n).
        """
        tokens = text_lib.all_tokens(text, self.config, self.table)
        longest = tokens.bounding_shape(axis=1)
        rule = f'a text to score must have at most {text_config.MAX_TOKENS} tokens; divide it'
        with tf.control_dependencies([_check(longest <= text_config.MAX_TOKENS, rule, longest)]):
            ids = self._ids(tokens)
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

    def generate(
        self,
        text: tf.Tensor,
        length: tf.Tensor,
        temperature: tf.Tensor,
        top_p: tf.Tensor,
        top_k: tf.Tensor,
        no_repeat: tf.Tensor,
        seed: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """What the forward language model writes after each text: `generated` string (n), to be put after it as it is.

        After an empty text it begins one of its own. A model of characters refuses those that it never saw.

        Args:
            text: string (n).
            length: how many tokens to write.
            temperature, top_p, top_k, no_repeat, seed: see `vaiven.models.export.generation.Draw`.
        """
        rules = [
            (length, (length >= 1) & (length <= LONGEST), f'length must lie between 1 and {LONGEST} tokens'),
            (
                temperature,
                (temperature >= 0) & (temperature <= 100),
                'temperature must lie between 0 and 100',
            ),
            (top_p, (top_p > 0) & (top_p <= 1), 'top_p must be above 0 and at most 1'),
            (top_k, top_k >= 0, 'top_k must be at least 1, or 0 for all tokens'),
            (no_repeat, no_repeat >= 0, 'no_repeat must be at least 1, or 0 for no rule'),
        ]
        tokens = begin_tokens(text, self.config, self.table)
        checks = [_check(holds, rule, received) for received, holds, rule in rules]
        if self.config.unit == 'character':
            checks.append(self._all_seen(tokens.flat_values))
        with tf.control_dependencies(checks):
            begins, length = begin_ids(tokens, self.table), tf.identity(length)
        ids = generate(self.network, begins, length, Draw(temperature, top_p, top_k, no_repeat, seed))
        return {'generated': joined_after(text, tokens, tf.gather(self.tokens, ids), self.config)}

    def _all_seen(self, tokens: tf.Tensor) -> tf.Operation:
        unseen = tf.unique(tf.boolean_mask(tokens, self.table[tokens] == text_lib.UNK_ID)).y
        rule = 'a text to go on with must have only characters that the model has seen; leave the others out'
        return _check(tf.size(unseen) == 0, rule, tf.strings.reduce_join(unseen))

    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """`embedding` float (n, directions · 3 · units): [last, max, mean] of each direction."""
        return {'embedding': self.network.pool(*self.network.encode(self.ids(text)))}

    def _probability(self, text: tf.Tensor) -> tf.Tensor:
        ngrams = ngram_ids(text, self.config).to_tensor()
        return tf.sigmoid(self.network.sentiment_logits(self.ids(text), ngrams))

    def _log_probability(self, states: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        logits = self.network.token_logits(self.network.project('forward', states))
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)


def _check(holds: tf.Tensor, rule: str, received: tf.Tensor) -> tf.Operation:
    return tf.debugging.Assert(holds, [f'{rule}. Received:', received])
