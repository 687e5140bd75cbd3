"""Trains the network on what Transform wrote, and exports it. The TFX Trainer calls `run_fn`."""

import json
import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models import dataset
from vaiven.models.combination import combine
from vaiven.models.configuration import UserError, from_dict
from vaiven.models.export import export
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.objective import JointNetwork
from vaiven.models.preprocessing import VOCABULARY_FILE
from vaiven.models.training_config import TrainingConfig

progress = logging.getLogger('vaiven.progress')


class TrainingError(UserError):
    """The training went wrong in a way that other settings may mend."""

    exit_status = 1


def run_fn(fn_args: Any) -> None:
    """The entry point that the TFX Trainer calls: see `tfx.components.FnArgs`.

    Reads the configuration from `fn_args.custom_config['config']` (JSON), trains on `train_files`, validates on
    `eval_files`, and writes a SavedModel that serves raw strings to `serving_model_dir`.
    """
    config_json = fn_args.custom_config['config']
    values = json.loads(config_json)
    network_config = from_dict(NetworkConfig, values['network'])
    training = from_dict(TrainingConfig, values['training'])
    transform = tft.TFTransformOutput(fn_args.transform_output)
    vocabulary_path = f'{transform.transform_savedmodel_dir}/assets/{VOCABULARY_FILE}'
    vocabulary = tf.io.gfile.GFile(vocabulary_path).read().splitlines()
    network = train(
        network_config, training, vocabulary, _files(fn_args.train_files), _files(fn_args.eval_files)
    )
    started = time.monotonic()
    export(network, transform, vocabulary_path, config_json, fn_args.serving_model_dir)
    progress.info('exported the SavedModel in %.0f s', time.monotonic() - started)


def _files(patterns: Sequence[str]) -> list[str]:
    """TFX gives one pattern for each split."""
    return sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))


def train(
    network_config: NetworkConfig,
    training: TrainingConfig,
    vocabulary: Sequence[str],
    train_files: Sequence[str],
    eval_files: Sequence[str],
) -> JointNetwork:
    """Trains, and returns the network with the weights that the validation split liked best.

    Raises:
        TrainingError: if the loss is no longer a number.
    """
    keras.utils.set_random_seed(training.seed)
    rows = dataset.read_rows(train_files).cache()
    batches = dataset.training_batches(rows, training.batch_size, training.seed)
    validation = dataset.evaluation_batches(dataset.read_rows(eval_files), training.batch_size).cache()
    steps = math.ceil(dataset.count_rows(train_files) / training.batch_size)
    network = JointNetwork(
        network_config,
        len(vocabulary),
        language_weight=training.language_weight,
        softmax_candidates=training.softmax_candidates,
        seed=training.seed,
    )
    if training.language_epochs:
        _fit_language(network, training, batches, steps)
    progress.info(
        'training on %d batches of %d texts, %d tokens known', steps, training.batch_size, len(vocabulary)
    )
    stop = keras.callbacks.EarlyStopping(
        'val_sentiment_loss', patience=training.patience, mode='min', restore_best_weights=True
    )
    _fit(network, training, batches, training.epochs, steps, [stop], validation_data=validation)
    combine(network, batches, validation)
    return network


def _fit_language(
    network: JointNetwork, training: TrainingConfig, batches: tf.data.Dataset, steps: int
) -> None:
    """The language loss alone, over every text there is (Dai & Le 2015)."""
    weight = network.language_weight
    network.sentiment_weight, network.language_weight = 0.0, 1.0
    _fit(network, training, batches, training.language_epochs, steps, [])
    network.sentiment_weight, network.language_weight = 1.0, weight


def _fit(
    network: JointNetwork,
    training: TrainingConfig,
    batches: tf.data.Dataset,
    epochs: int,
    steps: int,
    callbacks: list[keras.callbacks.Callback],
    **options: Any,
) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(training.learning_rate, steps * epochs, alpha=0.1)
    # Compiling for XLA would mean one compilation for every length that a batch can have.
    network.compile(
        optimizer=keras.optimizers.Adam(schedule, global_clipnorm=training.clip_norm), jit_compile=False
    )
    network.fit(
        batches, epochs=epochs, callbacks=[*callbacks, _Progress(epochs), _StopAtNaN()], verbose=0, **options
    )


class _Progress(keras.callbacks.Callback):
    """One line an epoch: what was learned, what the validation split says, and how fast it went."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.began = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        line = f'epoch {epoch + 1}/{self.epochs}  loss {logs["loss"]:.3f}'
        if 'val_accuracy' in logs:
            perplexity = (
                math.exp(min(logs['val_forward_loss'], 50)) if logs.get('val_forward_loss') else math.nan
            )
            line += f'  validation: accuracy {logs["val_accuracy"]:.1%}, perplexity {perplexity:.0f}'
        progress.info('%s  (%.0f s)', line, time.monotonic() - self.began)


class _StopAtNaN(keras.callbacks.Callback):
    """A loss that is no number never gets better: stop before it reaches the weights that are kept."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if logs and not math.isfinite(logs['loss']):
            raise TrainingError(
                f'the loss is no longer a number at step {batch + 1}. Received: {logs["loss"]}. '
                'Lower training.learning_rate or training.clip_norm'
            )
