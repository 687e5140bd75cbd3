"""Our network as a character language model: trained on windows of a text, and measured in bits a character."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.baselines.kneser_ney import UNICODE_CHARACTERS
from benchmarks.prepared import write_rows
from vaiven.components.vocabulary.choice import choose
from vaiven.models.network.network import Network
from vaiven.models.preprocessing import NO_LABEL
from vaiven.models.text import BOS_ID, PAD_ID, SPECIAL_TOKENS, UNK_ID
from vaiven.models.training import train
from vaiven.pipeline.config import Config

WINDOW = 256
# Characters at a window's begin that are read and not scored: the window before has scored them.
CONTEXT = 128
_BATCH = 64


class CharacterModel:
    """A trained network with its characters. Another way to train needs `fit` and `bits_per_character`."""

    def __init__(self, network: Network, vocabulary: Sequence[str]) -> None:
        self.vocabulary = vocabulary

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
        def ask(ids: tf.Tensor) -> tf.Tensor:
            states, _ = network.read('forward', ids)
            logits = network.token_logits(network.project('forward', states[:, :-1]))
            log_probabilities = tf.nn.log_softmax(logits)
            return tf.gather(log_probabilities, ids[:, 1:], batch_dims=2)  # (batch, time − 1)

        self._ask = ask

    @classmethod
    def fit(cls, config: Config, text: str, validation: str) -> 'CharacterModel':
        """Trains on a text through the pipeline's own training, one window a row without a label."""
        counts = Counter(text)
        vocabulary = choose(((c.encode(), n) for c, n in counts.items()), config.vocabulary).tokens
        with tempfile.TemporaryDirectory(prefix='vaiven-benchmark-') as folder:
            files = []
            for name, part in (('train', text), ('validation', validation)):
                rows = windows(part, vocabulary, WINDOW, WINDOW)
                files.append(write_rows(Path(folder) / f'{name}.gz', rows, [NO_LABEL] * len(rows)))
            network = train(config.network, config.training, vocabulary, files[:1], files[1:])
        return cls(network, vocabulary)

    def bits_per_character(self, text: str) -> float:
        """By the full softmax; a character never seen costs `[UNK]` and its share of the rest of Unicode."""
        return float(self.surprisal(text).mean())

    def surprisal(self, text: str) -> np.ndarray:
        """Bits of each character after those before it, of which the network sees `CONTEXT` to `WINDOW`."""
        rows = windows(text, self.vocabulary, WINDOW, WINDOW - CONTEXT)
        found: list[np.ndarray] = []
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            padded = tf.keras.utils.pad_sequences(batch, padding='post', value=PAD_ID)
            answers = self._ask(tf.constant(padded, tf.int32)).numpy()
            for row, answer in zip(batch, answers, strict=True):
                found.append(-answer[CONTEXT if found else 0 : len(row) - 1] / np.log(2))
        bits = np.concatenate(found)
        known = set(self.vocabulary[len(SPECIAL_TOKENS) :])
        unseen = np.array([character not in known for character in text])
        return bits + unseen * np.log2(UNICODE_CHARACTERS - len(known))


def windows(text: str, vocabulary: Sequence[str], length: int, stride: int) -> list[list[int]]:
    """Ids of stretches of the text that begin `stride` apart, each after `[BOS]`; the last may be shorter."""
    table = {token: index for index, token in enumerate(vocabulary)}
    ids = [table.get(character, UNK_ID) for character in text]
    starts = range(0, max(1, len(ids) - length + stride), stride)
    return [[BOS_ID, *ids[start : start + length]] for start in starts]
