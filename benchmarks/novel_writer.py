"""A character model for generation, also evaluated as in the paper: with windows that start from the initial state."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.character_model import CharacterModel, to_ids
from vaiven.models.export.generation import SamplingOptions, generate
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import SPECIAL_TOKENS

_ROWS = 512


class NovelWriter(CharacterModel):
    """A trained network with its character vocabulary."""

    def __init__(self, network: Network, vocabulary: Sequence[str]) -> None:
        super().__init__(network, vocabulary)

        @tf.function(reduce_retracing=True)
        def next_of(windows: tf.Tensor) -> tf.Tensor:
            states, _ = network.read_window('forward', windows, None)
            return tf.nn.log_softmax(network.token_logits(network.project('forward', states[:, -1])))

        @tf.function
        def on(begins: tf.Tensor, length: tf.Tensor, draw: SamplingOptions) -> tf.Tensor:
            return generate(network, begins, length, draw)

        self._next_of, self._on = next_of, on

    def surprisal_by_windows(self, text: str, window: int) -> np.ndarray:
        """Bits of each character except the first `window`, predicted from the `window` characters before it only."""
        rows = np.lib.stride_tricks.sliding_window_view(self._ids(text), window + 1)
        bits = []
        for start in range(0, len(rows), _ROWS):
            part = tf.constant(rows[start : start + _ROWS], tf.int32)
            bits.append(
                -tf.gather(self._next_of(part[:, :-1]), part[:, -1], batch_dims=1).numpy() / np.log(2)
            )
        return self.with_unseen(np.concatenate(bits), text[window:])

    def write_by_windows(self, begin: str, length: int) -> str:
        """Greedy decoding; each step reads the last `len(begin)` characters again, from the initial state."""
        ids = self._ids(begin).tolist()
        window = len(ids)
        for _ in range(length):
            following = self._next_of(tf.constant([ids[-window:]], tf.int32)).numpy()[0]
            ids.append(int(following[len(SPECIAL_TOKENS) :].argmax()) + len(SPECIAL_TOKENS))
        return self._text(ids[window:])

    def write(self, begin: str, length: int, **draw: Any) -> str:
        """Generates like the served model; see `SamplingOptions`."""
        settings = SamplingOptions(**{name: tf.constant(value) for name, value in draw.items()})
        begins = tf.constant(self._ids(begin)[None, :], tf.int32)
        return self._text(self._on(begins, tf.constant(length), settings).numpy()[0].tolist())

    def _ids(self, text: str) -> np.ndarray:
        return np.array(to_ids(text, self.vocabulary)[1:])

    def _text(self, ids: Sequence[int]) -> str:
        return ''.join(self.vocabulary[each] for each in ids)
