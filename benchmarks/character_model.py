"""The network as a character language model, trained like in the pipeline and measured in bits per character."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from benchmarks.baselines.kneser_ney import UNICODE_CHARACTERS
from vaiven.components.vocabulary.token_selection import select_tokens
from vaiven.models.language.config import AdaptationConfig
from vaiven.models.language.dynamic_evaluation import dynamic_log_probabilities
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import SPECIAL_TOKENS, UNK_ID
from vaiven.models.training.language import train_language
from vaiven.pipeline.config import Config

# Held-out text is read in parallel segments; all but the first start with characters that are read and not scored.
PIECE, CONTEXT = 2048, 512
_WINDOW = 256


class CharacterModel:
    """A trained network with its characters."""

    def __init__(self, network: Network, vocabulary: Sequence[str]) -> None:
        self.network = network
        self.vocabulary = vocabulary

        @tf.function(reduce_retracing=True)
        def ask(ids: tf.Tensor, before: list[list[tf.Tensor]]) -> tuple[tf.Tensor, list[list[tf.Tensor]]]:
            states, after = network.read_window('forward', ids[:, :-1], before)
            log_probabilities = tf.nn.log_softmax(network.token_logits(network.project('forward', states)))
            return tf.gather(log_probabilities, ids[:, 1:], batch_dims=2), after  # (pieces, window)

        self._ask = ask

    @classmethod
    def fit(cls, config: Config, text: str, validation: str) -> 'CharacterModel':
        """Trains on one text, with early stopping on another."""
        counts = Counter(text)
        vocabulary = select_tokens(((c.encode(), n) for c, n in counts.items()), config.vocabulary).tokens
        read, heard = (np.array(to_ids(part, vocabulary)) for part in (text, validation))
        network = train_language(config.network, config.training, vocabulary, read, heard)
        return cls(network, vocabulary)

    def bits_per_character(self, text: str) -> float:
        """Uses the full softmax; an unknown character costs `[UNK]` and its share of the rest of Unicode."""
        return float(self.surprisal(text).mean())

    def adapted_bits_per_character(self, text: str, config: AdaptationConfig | None = None) -> float:
        """As `bits_per_character`, with dynamic evaluation: the weights learn from what was read, in one stream.

        Args:
            text: starts with the weights of the training.
            config: how the weights adapt; None for the defaults.
        """
        ids = to_ids(text, self.vocabulary)
        [nats] = dynamic_log_probabilities(self.network, [ids], config or AdaptationConfig())
        return float(self.with_unseen(-nats / np.log(2), text).mean())

    def surprisal(self, text: str) -> np.ndarray:
        """Bits of each character, given all characters before it, or at least the last `CONTEXT`."""
        ids = np.array(to_ids(text, self.vocabulary))
        begins = np.maximum(np.arange(0, len(text), PIECE) - CONTEXT, 0)[:, None]
        read = ids[np.minimum(begins + np.arange(CONTEXT + PIECE + 1)[None, :], len(ids) - 1)]
        before = self.network.initial_state(len(read))
        bits = []
        for start in range(0, CONTEXT + PIECE, _WINDOW):
            answers, before = self._ask(tf.constant(read[:, start : start + _WINDOW + 1], tf.int32), before)
            bits.append(-answers.numpy() / np.log(2))
        # The bits at a position are those of the next token: `ids` starts with a space.
        rows = np.concatenate(bits, axis=1)
        found = np.concatenate([rows[0, :PIECE], rows[1:, CONTEXT:].reshape(-1)])[: len(text)]
        return self.with_unseen(found, text)

    def with_unseen(self, bits: np.ndarray, text: str) -> np.ndarray:
        """Bits of the characters of a text as ids, plus the bits that distinguish characters that share `[UNK]`."""
        known = set(self.vocabulary[len(SPECIAL_TOKENS) :])
        unseen = np.array([character not in known for character in text])
        return bits + unseen * np.log2(UNICODE_CHARACTERS - len(known))


def to_ids(text: str, vocabulary: Sequence[str]) -> list[int]:
    """Ids of a whole text after a space, not after `[BOS]`: one text is not enough to train its embedding."""
    table = {token: index for index, token in enumerate(vocabulary)}
    return [table.get(character, UNK_ID) for character in ' ' + text]
