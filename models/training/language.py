"""The language task: trains the network on long texts alone."""

import logging
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaiven.label_spec import SENTIMENT_LABELS, LabelSpec
from vaiven.models.data.dataset import read_features
from vaiven.models.data.preprocessing import IDS, POSITION
from vaiven.models.data.text_windows import SlidingWindows, StatefulWindows
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.stateful import StatefulLanguageModel
from vaiven.models.text.subwords import assign_subwords
from vaiven.models.text.tokenization import PAD_ID
from vaiven.models.text.vectors import TokenVectors, assign_vectors, vocabulary_sizes
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.training_loop import train_phase

# With a single target per window, sliding over the whole validation text is too expensive.
MAX_LAST_ONLY_VALIDATION_BATCHES = 50
# A short text is divided into fewer segments: each is at least this many windows long.
MIN_WINDOWS_PER_SEGMENT = 4

progress = logging.getLogger('vaiven.progress')


def read_text(files: Sequence[str], labels: LabelSpec = SENTIMENT_LABELS) -> np.ndarray:
    """Reads the ids of all examples and joins them in the order of the text: int32 (tokens).

    Args:
        files: paths.
        labels: kind and classes, which are not read.
    """
    passages = [
        (int(example[POSITION]), number, example[IDS].numpy())
        for number, example in enumerate(read_features(files, labels))
    ]
    # Beam writes examples in any order: the position restores that of the text, and the number breaks ties.
    passages.sort(key=lambda passage: passage[:2])
    if not passages:
        return np.zeros(0, np.int32)
    return np.concatenate([ids for *_, ids in passages]).astype(np.int32)


def train_language(
    config: NetworkConfig,
    training: TrainingConfig,
    vocabulary: Sequence[str],
    text: np.ndarray,
    validation: np.ndarray,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    vectors: TokenVectors | None = None,
    **phase_options: Any,
) -> Network:
    """Trains a network on a text.

    Args:
        config: settings of the network.
        training: settings of the training; `targets` selects stateful or sliding windows.
        vocabulary: the tokens, in the order of their ids.
        text: int (tokens), the training text.
        validation: int (tokens), the validation text.
        callbacks: additional callbacks.
        vectors: pre-trained vectors of the vocabulary; None for none.
        phase_options: `checkpoint` and `logs`, as for `train_phase`.

    Returns:
        The network with the weights of the lowest validation loss.

    Raises:
        TrainingError: a text is too short, or the loss is NaN or infinite.
    """
    for name, ids in (('training', text), ('validation', validation)):
        if len(ids) <= training.window + 1:
            raise TrainingError(
                f'the {name} text must be longer than a window of {training.window} tokens. Received: {len(ids)} '
                'tokens. Provide more text, or lower training.window'
            )
    network = Network(config, **vocabulary_sizes(vocabulary, vectors), seed=training.seed)
    last_only = training.targets == 'last'
    windows: SlidingWindows | StatefulWindows
    if last_only:
        windows = SlidingWindows(text, training.batch_size, training.window, training.seed)
        validation_batches = (
            SlidingWindows(validation, windows.batch_size, training.window)
            .epoch(0)
            .take(MAX_LAST_ONLY_VALIDATION_BATCHES)
        )
    else:
        segments = len(text) // (MIN_WINDOWS_PER_SEGMENT * training.window)
        windows = StatefulWindows(
            text,
            max(1, min(training.batch_size, segments)),
            training.window,
            network.directions,
            shift=True,
            seed=training.seed,
        )
        validation_batches = _stateful_validation(
            validation, windows.batch_size, training.window, network.directions
        )
    model = StatefulLanguageModel(
        network,
        batch_size=windows.batch_size,
        softmax_candidates=training.softmax_candidates,
        last_only=last_only,
        state_reset=training.state_reset_probability,
        seed=training.seed,
    )
    assign_subwords(network, vocabulary)
    assign_vectors(network, vectors)
    progress.info(
        'training on %d steps of %d × %d tokens, vocabulary of %d tokens',
        windows.steps,
        windows.batch_size,
        training.window,
        len(vocabulary),
    )
    train_phase(
        model,
        training,
        windows.epoch,
        training.epochs,
        windows.steps,
        phase='text',
        monitor='language_loss',
        validation=validation_batches.cache(),  # the same in every epoch
        callbacks=[ResetState(), *callbacks],
        **phase_options,
    )
    return network


def _stateful_validation(
    ids: np.ndarray, batch_size: int, window: int, directions: Sequence[str]
) -> tf.data.Dataset:
    """Builds validation batches with as many rows as those of training: int (batch_size, directions, window + 1).

    A validation text with fewer windows than rows gets fewer segments; the remaining rows are padding.
    """
    segments = min(batch_size, len(ids) // window)
    padding = [[0, batch_size - segments], [0, 0], [0, 0]]
    batches = StatefulWindows(ids, segments, window, directions).epoch(0)
    return batches.map(lambda batch: tf.pad(batch, padding, constant_values=PAD_ID))


class ResetState(keras.callbacks.Callback):
    """Resets the state of a `StatefulLanguageModel` before each pass over a text."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Resets the state before an epoch of training."""
        self.model.reset_state()

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Resets the state before a validation."""
        self.model.reset_state()
