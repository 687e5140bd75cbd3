"""Long texts as batches of windows."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vaiven.models.text.tokenization import PAD_ID


class TextStreams:
    """A text in pieces that are read side by side, each window going on where the one before ended.

    Args:
        ids: int (tokens), the whole text.
        streams: number of pieces.
        window: tokens read in a step.
        directions: `forward`, or both; `backward` reads each piece from its end.
        shift: whether the pieces begin a random number of tokens later in each epoch, at most a window, so that
            the windows' borders lie elsewhere.
        seed: of the shift.
    """

    def __init__(
        self,
        ids: np.ndarray | Sequence[int],
        streams: int,
        window: int,
        directions: Sequence[str] = ('forward',),
        *,
        shift: bool = False,
        seed: int = 0,
    ) -> None:
        self.ids = tf.constant(ids, tf.int32)
        self.streams, self.window = streams, window
        self.directions = directions
        self.shift, self.seed = shift, seed
        self.length = max(2, (len(ids) - (window if shift else 0)) // streams)  # tokens of a piece
        self.steps = -(-(self.length - 1) // window)

    def epoch(self, number: tf.Tensor | int) -> tf.data.Dataset:
        """`steps` batches, int32 (streams, directions, window + 1); the last may be padded at the right."""
        offset = tf.constant(0)
        if self.shift:
            offset = tf.random.stateless_uniform(
                [], [self.seed, tf.cast(number, tf.int32)], 0, self.window, tf.int32
            )
        first = offset + tf.range(self.streams)[:, None] * self.length  # (streams, 1)

        def batch(step: tf.Tensor) -> tf.Tensor:
            places = tf.cast(step, tf.int32) * self.window + tf.range(self.window + 1)[None, :]
            kept = tf.minimum(places, self.length - 1)
            read = []
            for direction in self.directions:
                from_piece = kept if direction == 'forward' else self.length - 1 - kept
                index = tf.minimum(first + from_piece, tf.size(self.ids) - 1)
                read.append(tf.where(places < self.length, tf.gather(self.ids, index), PAD_ID))
            return tf.stack(read, axis=1)

        return tf.data.Dataset.range(self.steps).map(batch)


class SlidingWindows:
    """Windows that slide over a text by one token, shuffled anew in each epoch.

    Args:
        ids: int (tokens), the whole text, longer than a window.
        batch_size: windows a step, fewer where the text has fewer; what is left over is not read in that epoch.
        window: tokens read of each; one more is the target.
        seed: of the order.
    """

    def __init__(self, ids: np.ndarray | Sequence[int], batch_size: int, window: int, seed: int = 0) -> None:
        self.ids = tf.constant(ids, tf.int32)
        self.window, self.seed = window, seed
        self.batch_size = min(batch_size, len(ids) - window)
        self.steps = (len(ids) - window) // self.batch_size

    def epoch(self, number: tf.Tensor | int) -> tf.data.Dataset:
        """`steps` batches, int32 (batch_size, 1, window + 1)."""
        begins = tf.random.experimental.stateless_shuffle(
            tf.range(tf.size(self.ids) - self.window), [self.seed, tf.cast(number, tf.int32)]
        )
        batches = tf.reshape(begins[: self.steps * self.batch_size], [self.steps, self.batch_size])
        return tf.data.Dataset.from_tensor_slices(batches).map(
            lambda begin: tf.gather(self.ids, begin[:, None] + tf.range(self.window + 1))[:, None, :]
        )
