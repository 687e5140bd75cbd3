"""The trained network together with its tokeniser: what all signatures of the exported model share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from vaiven.models.export.packed_lstm import PackedLSTM
from vaiven.models.network.network import Network
from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import TextConfig
from vaiven.models.text.ngrams import word_ngrams


class TextModel:
    """Reads raw UTF-8 strings.

    Args:
        network: built, without cuDNN operations.
        config: settings of the tokeniser.
        vocabulary_path: path of `vocab.txt`, one token per line.

    Attributes:
        table: token → id.
        tokens: the tokens by id, string (vocabulary).
        lstm: the fast form of the network, if its cell has one.
    """

    def __init__(self, network: Network, config: TextConfig, vocabulary_path: str) -> None:
        self.network = network
        self.config = config
        self.lstm = PackedLSTM(network) if network.config.cell == 'lstm' else None
        self.table = text_lib.vocabulary_table(vocabulary_path)
        self.tokens = tf.Variable(
            np.array(tf.io.gfile.GFile(vocabulary_path, 'rb').read().splitlines(), dtype=object),
            dtype=tf.string,
            trainable=False,
            name='tokens',
        )

        # Traced once, however many signatures call them: each trace of the normalisation or of the network costs
        # seconds at the export, and each copy of its graph costs memory and time when a version is loaded.
        self.normalized = _traced(self._normalized)
        self.words = _traced(self._words)
        self.recurrent_logits = _traced(self._recurrent_logits)
        self.label_logits = _traced(self._label_logits)

    def whole_tokens(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Splits texts into words, or into characters if the model reads characters: string (n) → string (n, None)."""
        if self.config.unit == 'character':
            return text_lib.characters(self.normalized(text))
        return self.words(text)

    def tokenize(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Splits texts into all their tokens: string (n) → string (n, None)."""
        if self.config.unit == 'character':
            return self.whole_tokens(text)
        return text_lib.word_tokens(self.words(text), self.config, self.table)

    def ids(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises the first `text.max_tokens` tokens of texts: string (n) → int64 (n, None)."""
        return self.limited_ids(self.tokenize(text))

    def limited_ids(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Looks the first `text.max_tokens` tokens up: string (n, None) → int64 (n, None)."""
        return text_lib.tokens_to_ids(tokens[:, : self.config.max_tokens], self.table)

    def vectors(self, ids: tf.RaggedTensor) -> tf.Tensor:
        """Computes the vectors of texts as `Network.pool`: int64 (n, None) → float (n, directions · 3 · units)."""
        if self.lstm is not None:
            return self.lstm.vectors(ids)
        return self.network.pool(*self.network.encode(padded(ids)))

    def _normalized(self, text: tf.Tensor) -> tf.Tensor:
        """Normalises texts: string (n) → string (n)."""
        return text_lib.normalize(text, self.config)

    def _words(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Splits texts into words, whatever the unit is: string (n) → string (n, None)."""
        return text_lib.words(self.normalized(text))

    def _recurrent_logits(self, text: tf.Tensor) -> tf.Tensor:
        """Computes the logits of the recurrent path as in `Network.path_logits`, from texts, string (n)."""
        return self.network.pooled_logits(self.vectors(self.ids(text)))

    def _label_logits(self, text: tf.Tensor) -> tf.Tensor:
        """Computes the logits of the labels as in `vaiven.models.network.heads`, from texts, string (n)."""
        words = self.words(text)
        if self.config.unit == 'character':
            tokens = self.tokenize(text)
        else:  # a text is normalised and split only once
            tokens = text_lib.word_tokens(words, self.config, self.table)
        recurrent = self.network.pooled_logits(self.vectors(self.limited_ids(tokens)))
        wide = tf.zeros_like(recurrent)
        if self.network.wide is not None:
            ids, rows = word_ngrams(words, self.config.scope)
            wide = self.network.wide.row_logits(ids, tf.cast(rows, tf.int32), tf.shape(recurrent)[0])
        return self.network.combined_logits(recurrent, wide)


def padded(ids: tf.RaggedTensor) -> tf.Tensor:
    """Pads ids: int64 (n, None) → int32 (n, time), right-padded with 0."""
    # The additional row guarantees a width of 2, even if the batch is empty.
    shortest = tf.constant([[text_lib.BOS_ID, text_lib.EOS_ID]], tf.int64)
    return tf.cast(tf.concat([ids, shortest], axis=0).to_tensor()[:-1], tf.int32)


def _traced(function: Callable[[tf.Tensor], Any]) -> Any:
    return tf.function(function, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
