"""The trained network together with its tokeniser: what all signatures of the exported model share."""

import numpy as np
import tensorflow as tf

from vaiven.models.network.network import Network
from vaiven.models.text import tokenization as text_lib
from vaiven.models.text.config import TextConfig
from vaiven.models.text.ngrams import ngram_ids


class TextModel(tf.Module):
    """Reads raw UTF-8 strings.

    Args:
        network: built, without cuDNN operations.
        config: settings of the tokeniser.
        vocabulary_path: path of `vocab.txt`, one token per line.

    Attributes:
        table: token → id.
        tokens: the tokens by id, string (vocabulary).
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

    def ids(self, text: tf.Tensor) -> tf.Tensor:
        """Tokenises the first `text.max_tokens` tokens of texts: string (n) → int32 (n, time), right-padded with 0."""
        return self.padded_ids(text_lib.tokenize(text, self.config, self.table))

    def padded_ids(self, tokens: tf.RaggedTensor) -> tf.Tensor:
        """Looks tokens up: string (n, None) → int32 (n, time), right-padded with 0."""
        ids = text_lib.tokens_to_ids(tokens, self.table)
        # The additional row guarantees a width of 2, even if the batch is empty.
        shortest = tf.constant([[text_lib.BOS_ID, text_lib.EOS_ID]], tf.int64)
        return tf.cast(tf.concat([ids, shortest], axis=0).to_tensor()[:-1], tf.int32)

    def label_logits(self, text: tf.Tensor) -> tf.Tensor:
        """Computes the logits of the labels as in `vaiven.models.network.heads`, from texts, string (n)."""
        ngrams = ngram_ids(text, self.config).to_tensor()
        return self.network.label_logits(self.ids(text), ngrams)
