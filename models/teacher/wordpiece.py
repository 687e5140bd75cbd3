"""Texts to the WordPiece ids of a checkpoint, in a TensorFlow graph."""

from pathlib import Path

import tensorflow as tf
import tensorflow_text as tf_text

from vaiven.models.teacher.errors import CheckpointFolderError
from vaiven.models.teacher.vocabulary import is_lower_case, read_vocabulary

_START, _END = '[CLS]', '[SEP]'


class WordPiece:
    """The tokenizer of BERT (Wu et al. 2016), with a start and an end token around each text.

    Args:
        folder: of the checkpoint.
        max_tokens: longest text in tokens, start and end included.

    Raises:
        CheckpointFolderError: the vocabulary is not that of a WordPiece tokenizer.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        vocabulary = read_vocabulary(folder)
        missing = [token for token in (_START, _END, '[UNK]') if token not in vocabulary]
        if missing:
            raise CheckpointFolderError(
                f'{folder}: the vocabulary has no token {missing[0]}; give a checkpoint with a WordPiece tokenizer'
            )
        self._start, self._end = vocabulary.index(_START), vocabulary.index(_END)
        self._max_tokens = max_tokens
        self._tokenizer = tf_text.FastBertTokenizer(
            vocabulary, token_out_type=tf.int32, lower_case_nfd_strip_accents=is_lower_case(folder)
        )

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises texts.

        Args:
            texts: string (n), UTF-8.

        Returns:
            int32 (n, None). A text that is too long is cut.
        """
        ids = self._tokenizer.tokenize(texts)[:, : self._max_tokens - 2]
        edges = [tf.fill([tf.shape(texts)[0], 1], tf.constant(edge)) for edge in (self._start, self._end)]
        return tf.concat([edges[0], ids, edges[1]], axis=1)
