"""Long texts as batches of windows, for the language task."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vaiven.models.text.tokenization import PAD_ID


class StatefulWindows:
    """Windows of one long text in reading order, for a network that keeps its state between batches.

    The text is divided into `batch_size` segments of equal length, one for each row of a batch. A row of a batch
    starts where the same row of the previous batch ended, as in truncated BPTT (Williams & Peng 1990).

    Args:
        ids: int (tokens), the whole text.
        batch_size: number of segments.
        window: tokens read per step.
        directions: `forward`, or both; the `backward` direction reads each segment from its end.
        shift: whether each epoch skips a random number of tokens at the start, at most a window, so that the borders of
            the windows differ between epochs.
        seed: seed of the shift.
    """

    def __init__(
        self,
        ids: np.ndarray | Sequence[int],
        batch_size: int,
        window: int,
        directions: Sequence[str] = ('forward',),
        *,
        shift: bool = False,
        seed: int = 0,
    ) -> None:
        self.ids = tf.constant(ids, tf.int32)
        self.batch_size, self.window = batch_size, window
        self.directions = directions
        self.shift, self.seed = shift, seed
        # Two tokens at least: one to read and one to predict.
        self.segment_length = max(2, (len(ids) - (window if shift else 0)) // batch_size)
        self.steps = -(-(self.segment_length - 1) // window)  # rounded up

    def epoch(self, number: tf.Tensor | int) -> tf.data.Dataset:
        """Builds the `steps` batches of an epoch, int32 (batch_size, directions, window + 1).

        The last token of a window is the first of the next one: it is a target first, and then an input. The last
        batch may be right-padded with 0.

        Args:
            number: number of the epoch, from 0; it decides the shift.
        """
        offset = tf.constant(0)
        if self.shift:
            offset = tf.random.stateless_uniform(
                [], [self.seed, tf.cast(number, tf.int32)], 0, self.window, tf.int32
            )
        first = offset + tf.range(self.batch_size)[:, None] * self.segment_length  # (batch_size, 1)

        def batch(step: tf.Tensor) -> tf.Tensor:
            positions = (
                tf.cast(step, tf.int32) * self.window + tf.range(self.window + 1)[None, :]
            )  # (1, window + 1)
            inside = tf.minimum(positions, self.segment_length - 1)
            windows = []
            for direction in self.directions:
                in_segment = inside if direction == 'forward' else self.segment_length - 1 - inside
                index = tf.minimum(first + in_segment, tf.size(self.ids) - 1)  # (batch_size, window + 1)
                windows.append(tf.where(positions < self.segment_length, tf.gather(self.ids, index), PAD_ID))
            return tf.stack(windows, axis=1)

        return tf.data.Dataset.range(self.steps).map(batch)


class SlidingWindows:
    """Windows that slide over a text by one token, in a new random order in each epoch.

    Args:
        ids: int (tokens), the whole text, longer than a window.
        batch_size: windows per step; fewer if the text has fewer. An incomplete last batch is dropped.
        window: tokens read of each window; the token after them is the target.
        seed: seed of the order.
    """

    def __init__(self, ids: np.ndarray | Sequence[int], batch_size: int, window: int, seed: int = 0) -> None:
        self.ids = tf.constant(ids, tf.int32)
        self.window, self.seed = window, seed
        self.batch_size = min(batch_size, len(ids) - window)
        self.steps = (len(ids) - window) // self.batch_size

    def epoch(self, number: tf.Tensor | int) -> tf.data.Dataset:
        """Builds the `steps` batches of an epoch, int32 (batch_size, 1, window + 1).

        Args:
            number: number of the epoch, from 0; it decides the order.
        """
        starts = tf.random.experimental.stateless_shuffle(
            tf.range(tf.size(self.ids) - self.window), [self.seed, tf.cast(number, tf.int32)]
        )
        batches = tf.reshape(starts[: self.steps * self.batch_size], [self.steps, self.batch_size])
        return tf.data.Dataset.from_tensor_slices(batches).map(
            lambda start: tf.gather(self.ids, start[:, None] + tf.range(self.window + 1))[:, None, :]
        )
