"""The signatures of the exported model: each takes raw UTF-8 strings."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models.data.preprocessing import IDS, LABEL, TEXT
from vaiven.models.export.generation import MAX_LENGTH, SamplingOptions, generate
from vaiven.models.export.token_sentiment import token_sentiment
from vaiven.models.network.network import Network
from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import MAX_TOKENS, TextConfig
from vaiven.models.text.ngrams import ngram_ids
from vaiven.models.text.prompts import continuation_text, prompt_ids, prompt_tokens
from vaiven.models.training.config import Task

LABELS = ('negative', 'positive')
# Name → (function, input specification)
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
    """The trained network together with its tokeniser.

    Args:
        network: built, without cuDNN operations.
        config: settings of the tokeniser.
        vocabulary_path: path of `vocab.txt`, one token per line.
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
        """Returns the functions of all signatures, for `ExportArchive.add_endpoint`.

        A model of the language task has no classifier: its default signature is `score`.

        Args:
            transform: output of Transform, for the raw features.
            layer: Transform as a Keras layer.
            task: the setting `training.task`.

        Returns:
            Function and input specification by name.
        """
        scalar = tf.TensorSpec([], tf.int32, name='k')
        raw_features = transform.raw_feature_spec()

        def transform_features(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            features = layer(tf.io.parse_example(examples, raw_features))
            # PredictResponse has dense tensors only. Ratings are left out: a missing one is NaN, which JSON lacks.
            return {IDS: tf.sparse.to_dense(features[IDS]), LABEL: features[LABEL]}

        classifier: Endpoints = {
            'serving_default': (self.sentiment, [_TEXTS]),
            'classify': (self.classify, [_EXAMPLES]),
            'sentiment_course': (self.token_sentiment, [_TEXTS]),
        }
        no_classifier: Endpoints = {'serving_default': (self.score, [_TEXTS])}
        return {
            **(classifier if task == 'sentiment' else no_classifier),
            'next_word': (self.next_word, [_TEXTS, scalar]),
            'score': (self.score, [_TEXTS]),
            'embed': (self.embed, [_TEXTS]),
            'generate': (self.generate, [_TEXTS, *_GENERATION]),
            'transform_features': (transform_features, [tf.TensorSpec([None], tf.string, name='examples')]),
        }

    def ids(self, text: tf.Tensor) -> tf.Tensor:
        """Tokenises the first `text.max_tokens` tokens of texts: string (n) → int32 (n, time), right-padded with 0."""
        return self._ids(text_lib.tokenize(text, self.config, self.table))

    def _ids(self, tokens: tf.RaggedTensor) -> tf.Tensor:
        ids = text_lib.tokens_to_ids(tokens, self.table)
        # The additional row guarantees a width of 2, even if the batch is empty.
        shortest = tf.constant([[text_lib.BOS_ID, text_lib.EOS_ID]], tf.int64)
        return tf.cast(tf.concat([ids, shortest], axis=0).to_tensor()[:-1], tf.int32)

    def sentiment(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies texts, string (n).

        Returns:
            `probability` of «positive», float (n), and the more probable `label`, string (n).
        """
        probability = self._probability(text)
        return {'probability': probability, 'label': tf.where(probability > 0.5, LABELS[1], LABELS[0])}

    def token_sentiment(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the sentiment of every prefix of each text, string (n), token by token.

        Returns:
            `tokens`, string, and `probabilities` of «positive», float, both (sum of `row_lengths`); `row_lengths`, int
            (n), tokens per text.
        """
        tokens, probabilities = token_sentiment(text, self.config, self._probability)
        return {
            'tokens': tokens.values,
            'probabilities': probabilities.values,
            'row_lengths': tf.cast(tokens.row_lengths(), tf.int32),
        }

    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies serialised tf.Examples with a feature `text`, string (n), for TensorFlow Serving's Classify.

        Returns:
            `classes`, string (n, 2), and `scores`, float (n, 2).
        """
        examples = tf.io.parse_example(inputs, {TEXT: tf.io.FixedLenFeature([], tf.string)})
        probability = self._probability(examples[TEXT])
        classes = tf.tile(tf.constant([LABELS]), [tf.shape(probability)[0], 1])
        return {'classes': classes, 'scores': tf.stack([1 - probability, probability], axis=1)}

    def next_word(self, text: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts the k most probable next tokens of each text.

        Special tokens such as `[UNK]` and `[EOS]` are not predicted, but they have their share of the full softmax.

        Args:
            text: string (n); the last `text.max_tokens` tokens of each are read.
            k: int32 (), number of tokens.

        Returns:
            `tokens`, string (n, k), and `log_probabilities`, float (n, k), in nats, the most probable first.
        """
        max_k = self.network.vocabulary_size - len(text_lib.SPECIAL_TOKENS)
        rule = f'k must lie between 1 and {max_k}, the number of tokens in the vocabulary'
        with tf.control_dependencies([_check((k >= 1) & (k <= max_k), rule, k)]):
            ids = prompt_ids(prompt_tokens(text, self.config, self.table), self.table)
        outputs, lengths = self.network.read('forward', ids)
        last = tf.gather(outputs, lengths - 1, batch_dims=1)  # (n, units)
        logits = self.network.token_logits(self.network.project('forward', last))  # (n, vocabulary)
        log_probabilities = tf.nn.log_softmax(logits)[:, len(text_lib.SPECIAL_TOKENS) :]
        highest, positions = tf.math.top_k(log_probabilities, k)
        return {
            'tokens': tf.gather(self.tokens, positions + len(text_lib.SPECIAL_TOKENS)),
            'log_probabilities': highest,
        }

    def score(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the log-probability of each whole text under the forward language model, `[EOS]` included.

        Args:
            text: string (n), each of at most `MAX_TOKENS` tokens; a longer text is an error.

        Returns:
            `log_probability`, float (n), in nats; `tokens`, int (n), number of predicted tokens;
            `bits_per_character`, float (n), over the normalised text and its end; and per token `token_values`, float
            (sum of `token_row_lengths`), in nats, with `token_row_lengths`, int (n).
        """
        tokens = text_lib.all_tokens(text, self.config, self.table)
        longest = tokens.bounding_shape(axis=1)
        rule = f'a text to score must have at most {MAX_TOKENS} tokens; split it'
        with tf.control_dependencies([_check(longest <= MAX_TOKENS, rule, longest)]):
            ids = self._ids(tokens)
        outputs, lengths = self.network.read('forward', ids)
        inputs, targets = outputs[:, :-1], ids[:, 1:]
        token_values = tf.transpose(
            tf.map_fn(  # step by step: the softmax of whole texts would take texts × time × vocabulary of memory
                lambda step: self._log_probability(*step),
                (tf.transpose(inputs, [1, 0, 2]), tf.transpose(targets)),
                fn_output_signature=tf.float32,
            )
        )  # (n, time - 1)
        counts = lengths - 1
        ragged = tf.RaggedTensor.from_tensor(token_values, lengths=counts)
        total = tf.reduce_sum(ragged, axis=1)  # (n)
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
        """Generates a continuation of each prompt with the forward language model.

        An empty prompt starts a new text. A model of characters refuses prompts with characters that it has never seen.

        Args:
            text: string (n), the prompts.
            length: int32 (), number of tokens to generate.
            temperature: float (), divides the logits; 0 always takes the most probable token.
            top_p: float (), probability of the nucleus; 1 for all tokens.
            top_k: int32 (), number of most probable tokens; 0 for all tokens.
            no_repeat: int32 (), length of n-grams that are not repeated; 0 for no limit.
            seed: int32 (), the same seed produces the same text.

        Returns:
            `generated`, string (n), to be appended to the prompt as it is.
        """
        rules = [
            (
                length,
                (length >= 1) & (length <= MAX_LENGTH),
                f'length must lie between 1 and {MAX_LENGTH} tokens',
            ),
            (
                temperature,
                (temperature >= 0) & (temperature <= 100),
                'temperature must lie between 0 and 100',
            ),
            (top_p, (top_p > 0) & (top_p <= 1), 'top_p must be above 0 and at most 1'),
            (top_k, top_k >= 0, 'top_k must be at least 1, or 0 for all tokens'),
            (no_repeat, no_repeat >= 0, 'no_repeat must be at least 1, or 0 for no limit'),
        ]
        tokens = prompt_tokens(text, self.config, self.table)
        checks = [_check(condition, rule, received) for received, condition, rule in rules]
        if self.config.unit == 'character':
            checks.append(self._check_characters(tokens.flat_values))
        with tf.control_dependencies(checks):
            prompts, length = prompt_ids(tokens, self.table), tf.identity(length)
        options = SamplingOptions(temperature, top_p, top_k, no_repeat, seed)
        ids = generate(self.network, prompts, length, options)  # (n, length)
        return {'generated': continuation_text(text, tokens, tf.gather(self.tokens, ids), self.config)}

    def _check_characters(self, tokens: tf.Tensor) -> tf.Operation:
        unknown = tf.unique(tf.boolean_mask(tokens, self.table[tokens] == text_lib.UNK_ID)).y
        rule = 'a prompt must have only characters that the model has seen; remove the others'
        return _check(tf.size(unknown) == 0, rule, tf.strings.reduce_join(unknown))

    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Computes the vector of each text, string (n).

        Returns:
            `embedding`, float (n, directions · 3 · units): last, maximum and mean of each direction.
        """
        return {'embedding': self.network.pool(*self.network.encode(self.ids(text)))}

    def _probability(self, text: tf.Tensor) -> tf.Tensor:
        ngrams = ngram_ids(text, self.config).to_tensor()
        return tf.sigmoid(self.network.sentiment_logits(self.ids(text), ngrams))

    def _log_probability(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        logits = self.network.token_logits(self.network.project('forward', outputs))
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)


def _check(condition: tf.Tensor, rule: str, received: tf.Tensor) -> tf.Operation:
    return tf.debugging.Assert(condition, [f'{rule}. Received:', received])
