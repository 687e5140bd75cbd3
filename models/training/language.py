"""Trains the network on language alone: long texts, read on and on."""

import logging
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaiven.models.data.dataset import read_features
from vaiven.models.data.preprocessing import IDS, POSITION
from vaiven.models.data.text_windows import SlidingWindows, TextStreams
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.stateful import StatefulLanguageModel
from vaiven.models.text.subwords import assign_subwords
from vaiven.models.text.tokenization import PAD_ID
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.training_loop import fit

# A window that yields one target is too costly to slide over the whole validation text: so many batches.
LAST_ONLY_VALIDATION = 50

progress = logging.getLogger('vaiven.progress')


def read_text(files: Sequence[str]) -> np.ndarray:
    """The ids of all rows, one after the other, in the order of their texts: int32 (tokens)."""
    rows = [(int(row[POSITION]), number, row[IDS].numpy()) for number, row in enumerate(read_features(files))]
    rows.sort(key=lambda row: row[:2])
    return np.concatenate([ids for *_, ids in rows]).astype(np.int32) if rows else np.zeros(0, np.int32)


def train_language(
    config: NetworkConfig,
    training: TrainingConfig,
    vocabulary: Sequence[str],
    text: np.ndarray,
    validation: np.ndarray,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **kept: Any,
) -> Network:
    """Trains, and returns the network with the weights that the validation text liked best.

    Args:
        config, training: `training.targets` decides between streams and sliding windows.
        vocabulary: the tokens, in the order of their ids.
        text, validation: int (tokens).
        callbacks: more than its own.
        kept: where checkpoints and logs go, see `fit`.

    Raises:
        TrainingError: if there is too little text, or the loss is no longer a number.
    """
    for name, ids in (('training', text), ('validation', validation)):
        if len(ids) <= training.window + 1:
            raise TrainingError(
                f'the {name} text must be longer than a window of {training.window} tokens. Received: {len(ids)} '
                'tokens. Give more text, or lower training.window'
            )
    network = Network(config, len(vocabulary), seed=training.seed)
    last_only = training.targets == 'last'
    batches: SlidingWindows | TextStreams
    if last_only:
        batches = SlidingWindows(text, training.batch_size, training.window, training.seed)
        streams = batches.batch_size
        heard = SlidingWindows(validation, streams, training.window).epoch(0).take(LAST_ONLY_VALIDATION)
    else:
        # A short text has fewer streams: each at least four windows long.
        streams = max(1, min(training.batch_size, len(text) // (4 * training.window)))
        batches = TextStreams(
            text, streams, training.window, network.directions, shift=True, seed=training.seed
        )
        heard = _validation_streams(validation, streams, training.window, network.directions)
    reader = StatefulLanguageModel(
        network,
        streams=streams,
        softmax_candidates=training.softmax_candidates,
        last_only=last_only,
        state_reset=training.state_reset,
        seed=training.seed,
    )
    assign_subwords(network, vocabulary)
    progress.info(
        'training on %d steps of %d × %d tokens, %d tokens known',
        batches.steps,
        streams,
        training.window,
        len(vocabulary),
    )
    fit(
        reader,
        training,
        batches.epoch,
        training.epochs,
        batches.steps,
        phase='text',
        monitor='language_loss',
        validation=heard.cache(),
        callbacks=[_Forget(), *callbacks],
        **kept,
    )
    return network


def _validation_streams(
    ids: np.ndarray, rows: int, window: int, directions: Sequence[str]
) -> tf.data.Dataset:
    """Batches of so many rows, int (rows, directions, window + 1).

    As many streams as the text has windows, at most; where these are fewer, rows of padding stand for the others.
    """
    streams = min(rows, len(ids) // window)
    missing = [[0, rows - streams], [0, 0], [0, 0]]
    batches = TextStreams(ids, streams, window, directions).epoch(0)
    return batches.map(lambda batch: tf.pad(batch, missing, constant_values=PAD_ID))


class _Forget(keras.callbacks.Callback):
    """Every pass over a text begins without memory of another."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.model.forget()

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        self.model.forget()
