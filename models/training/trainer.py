"""Trains the network on what Transform wrote, and exports it. The TFX Trainer calls `run_fn`."""

import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.models.data import dataset
from vaiven.models.data.trainer_inputs import read_inputs
from vaiven.models.export.saved_model import export
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.objective import JointNetwork
from vaiven.models.text.subwords import assign_subwords
from vaiven.models.text.tokenization import BOS_ID
from vaiven.models.training.checkpoints import Checkpoint
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.fine_tuning import layer_rates
from vaiven.models.training.hardware import Hardware, find_hardware, plain_network
from vaiven.models.training.language import read_text, train_language
from vaiven.models.training.stacking import combine
from vaiven.models.training.training_loop import fit

progress = logging.getLogger('vaiven.progress')


def run_fn(fn_args: Any) -> None:
    """The entry point that the TFX Trainer calls: see `tfx.components.FnArgs`.

    Trains on `train_files`, validates on `eval_files`, and writes a SavedModel that serves raw strings to
    `serving_model_dir`. `custom_config` has `config`, the configuration as JSON, and may have `unfinished`, a folder
    that outlives a killed process. `hyperparameters` are what the Tuner found, if there is one.
    """
    transform = tft.TFTransformOutput(fn_args.transform_output)
    inputs = read_inputs(fn_args, transform)
    if fn_args.hyperparameters:
        inputs = inputs.tuned(fn_args.hyperparameters['values'])
    checkpoint = None
    if 'unfinished' in fn_args.custom_config:
        path = f'{fn_args.custom_config["unfinished"]}/training.npz'
        checkpoint = Checkpoint(path, inputs.subject(), inputs.rates())
    network = train(
        inputs.network,
        inputs.training,
        inputs.vocabulary,
        inputs.train_files,
        inputs.eval_files,
        checkpoint=checkpoint,
        logs=fn_args.model_run_dir,
    )
    values = dict(inputs.values)
    if checkpoint is not None and checkpoint.changes:
        values['changed_rates'] = checkpoint.changes
    started = time.monotonic()
    config_json = json.dumps(values, ensure_ascii=False)
    export(network, transform, inputs.vocabulary_path, config_json, fn_args.serving_model_dir)
    progress.info('exported the SavedModel in %.0f s', time.monotonic() - started)
    if checkpoint is not None:
        checkpoint.remove()


def train(
    network_config: NetworkConfig,
    training: TrainingConfig,
    vocabulary: Sequence[str],
    train_files: Sequence[str],
    eval_files: Sequence[str],
    *,
    checkpoint: Checkpoint | None = None,
    logs: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    hardware: Hardware | None = None,
) -> Network:
    """Trains, and returns the network with the weights that the validation split liked best.

    Args:
        network_config, training: sizes and settings.
        vocabulary: the tokens, in the order of their ids.
        train_files, eval_files: what Transform wrote.
        checkpoint: where the state is kept, see `fit`.
        logs: folder for TensorBoard.
        callbacks: called in every phase.
        hardware: what to train on; by default what there is.

    Raises:
        TrainingError: if the loss is no longer a number.
    """
    keras.utils.set_random_seed(training.seed)
    hardware = hardware or find_hardware(training)
    kept: dict[str, Any] = {'checkpoint': checkpoint, 'logs': logs, 'callbacks': callbacks}
    if training.task == 'language':
        texts = read_text(train_files), read_text(eval_files)
        with hardware.building():
            network = train_language(network_config, training, vocabulary, *texts, **kept)
        return network if hardware.plain else plain_network(network)
    rows = dataset.read_rows(train_files, training.soft_labels).cache()
    lengths, window = dataset.lengths_of(rows), min(training.window, dataset.LONGEST)
    steps = dataset.count_batches(np.minimum(lengths, window), training.batch_size)
    if longer := int(np.sum(lengths > window)):
        progress.info('of %d texts each epoch learns from another stretch of %d tokens', longer, window)
    held = dataset.read_rows(eval_files, training.soft_labels)
    validation = dataset.evaluation_batches(held, training.batch_size).cache()

    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        return hardware.even(
            dataset.training_batches(rows, training.batch_size, window, training.seed, epoch)
        )

    with hardware.building():
        network = JointNetwork(
            network_config,
            len(vocabulary),
            language_weight=training.language_weight,
            softmax_candidates=training.softmax_candidates,
            replicas=hardware.replicas,
            seed=training.seed,
        )
        network(np.full((1, 2), BOS_ID))  # builds all of it
        assign_subwords(network, vocabulary)
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
        validation=hardware.even(validation),
        rates=layer_rates(network, training, steps),
        **kept,
    )
    if not hardware.plain:
        network = plain_network(network)
    combine(
        network,
        train_files,
        eval_files,
        batch_size=training.batch_size,
        soft_labels=training.soft_labels,
    )
    return network
