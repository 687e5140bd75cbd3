"""Other names: in every second text, the tokens that look like names are replaced by each other at random.

A model that sees "Spielberg" beside good reviews learns that the name is good. The wide path does not see the names of
every second text in training (`vaiven.models.text.ngrams`), so that they have less weight there. In the other texts
they stay: a name says something about a film, but not everything.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from vaiven.label_spec import LabelSpec
from vaiven.models.data.dataset import SEED_STEP, read_features
from vaiven.models.data.preprocessing import IDS, NAMES
from vaiven.models.text.tokenization import SPECIAL_TOKENS

# A token is a name if at least this share of its occurrences are capitalised inside a sentence: names also stand at the
# start of sentences, and "rock" is a name in one text of ten.
_MIN_SHARE = 0.5


@dataclasses.dataclass(frozen=True)
class Names:
    """The names in the training rows.

    Attributes:
        is_name: bool (tokens of the vocabulary).
        pool: int32 (occurrences), the ids that replace names; a frequent name is there more often.
    """

    is_name: np.ndarray
    pool: np.ndarray


def find_names(files: Sequence[str], vocabulary_size: int, labels: LabelSpec) -> Names | None:
    """Finds the tokens that are names.

    Args:
        files: examples that Transform wrote.
        vocabulary_size: number of tokens.
        labels: kind and classes.

    Returns:
        The names; None if there are fewer than two, such as in texts in lower case.
    """
    counts = {name: np.zeros(vocabulary_size, np.int64) for name in (IDS, NAMES)}
    for batch in read_features(files, labels).ragged_batch(1024):
        for name, count in counts.items():
            count += np.bincount(batch[name].flat_values.numpy(), minlength=vocabulary_size)
    is_name = (counts[NAMES] > 0) & (counts[NAMES] >= _MIN_SHARE * counts[IDS])
    is_name[: len(SPECIAL_TOKENS)] = False
    if is_name.sum() < 2:
        return None
    ids = np.flatnonzero(is_name).astype(np.int32)
    return Names(is_name, np.repeat(ids, counts[NAMES][ids]))


def swap_names(batches: tf.data.Dataset, names: Names, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    """Replaces the names of every second text by others of the pool; which texts these are is drawn again each time.

    Args:
        batches: (ids int32 (batch, time), …), as from `training_batches`.
        names: the names.
        seed: seed of the draws.
        epoch: number of the epoch; the same seed and number give the same draws.
    """
    is_name, pool = tf.constant(names.is_name), tf.constant(names.pool)
    order = tf.cast(epoch, tf.int64) * SEED_STEP + seed

    def swap(number: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        ids, *others = batch
        draws = tf.random.stateless_uniform(tf.shape(ids), [order, number], 0, len(names.pool), tf.int32)
        # (batch, 1)
        is_second = tf.random.stateless_uniform([tf.shape(ids)[0], 1], [number, order], 0, 2, tf.int32) == 1
        return tf.where(is_second & tf.gather(is_name, ids), tf.gather(pool, draws), ids), *others

    return batches.enumerate().map(swap)
