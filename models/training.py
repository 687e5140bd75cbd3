"""Trains the network on what Transform wrote, and exports it. The TFX Trainer calls `run_fn`."""

import dataclasses
import functools
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models import dataset
from vaiven.models.checkpoints import RATES, Checkpoint, digest
from vaiven.models.combination import combine
from vaiven.models.configuration import from_dict
from vaiven.models.export import export
from vaiven.models.fitting import fit
from vaiven.models.language_training import read_text, train_language
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.objective import JointNetwork
from vaiven.models.preprocessing import VOCABULARY_FILE
from vaiven.models.text import BOS_ID
from vaiven.models.training_config import TrainingConfig

progress = logging.getLogger('vaiven.progress')


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
    train_files, eval_files = _files(fn_args.train_files), _files(fn_args.eval_files)
    checkpoint = None
    if 'checkpoint' in fn_args.custom_config:
        settings = dataclasses.asdict(training)
        rates = {name: settings.pop(name) for name in RATES}
        data = [(file, tf.io.gfile.stat(file).length) for file in (*train_files, *eval_files)]
        subject = digest(dataclasses.asdict(network_config), settings, values['text'], vocabulary, data)
        checkpoint = Checkpoint(fn_args.custom_config['checkpoint'], subject, rates)
    logs = fn_args.model_run_dir
    network = train(
        network_config, training, vocabulary, train_files, eval_files, checkpoint=checkpoint, logs=logs
    )
    progress.info('learning curves for TensorBoard: %s', logs)
    if checkpoint is not None and checkpoint.changes:
        config_json = json.dumps({**values, 'changed_rates': checkpoint.changes}, ensure_ascii=False)
    started = time.monotonic()
    export(network, transform, vocabulary_path, config_json, fn_args.serving_model_dir)
    progress.info('exported the SavedModel in %.0f s', time.monotonic() - started)
    if checkpoint is not None:
        checkpoint.remove()


def _files(patterns: Sequence[str]) -> list[str]:
    """TFX gives one pattern for each split."""
    return sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))


def train(
    network_config: NetworkConfig,
    training: TrainingConfig,
    vocabulary: Sequence[str],
    train_files: Sequence[str],
    eval_files: Sequence[str],
    *,
    checkpoint: Checkpoint | None = None,
    logs: str | None = None,
) -> Network:
    """Trains, and returns the network with the weights that the validation split liked best.

    Args:
        network_config, training: sizes and settings.
        vocabulary: the tokens, in the order of their ids.
        train_files, eval_files: what Transform wrote.
        checkpoint: where the state is kept, see `fit`.
        logs: folder for TensorBoard.

    Raises:
        TrainingError: if the loss is no longer a number.
    """
    keras.utils.set_random_seed(training.seed)
    kept: dict[str, Any] = {'checkpoint': checkpoint, 'logs': logs}
    if training.task == 'language':
        texts = read_text(train_files), read_text(eval_files)
        return train_language(network_config, training, len(vocabulary), *texts, **kept)
    rows = dataset.read_rows(train_files).cache()
    batches = functools.partial(dataset.training_batches, rows, training.batch_size, training.seed)
    steps = dataset.count_batches(rows, training.batch_size)
    validation = dataset.evaluation_batches(dataset.read_rows(eval_files), training.batch_size).cache()
    network = JointNetwork(
        network_config,
        len(vocabulary),
        language_weight=training.language_weight,
        softmax_candidates=training.softmax_candidates,
        seed=training.seed,
    )
    network(np.full((1, 2), BOS_ID))  # builds all of it
    if training.language_epochs:
        # The language loss alone, over every text there is (Dai & Le 2015).
        network.sentiment_weight, network.language_weight = 0.0, 1.0
        fit(network, training, batches, training.language_epochs, steps, phase='language', **kept)
        network.sentiment_weight, network.language_weight = 1.0, training.language_weight
    progress.info(
        'training on %d batches of %d texts, %d tokens known', steps, training.batch_size, len(vocabulary)
    )
    fit(
        network,
        training,
        batches,
        training.epochs,
        steps,
        phase='sentiment',
        monitor='sentiment_loss',
        validation=validation,
        **kept,
    )
    combine(network, dataset.evaluation_batches(rows, training.batch_size), validation)
    return network
