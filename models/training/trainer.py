"""Trains the network on the examples that Transform wrote, and exports it. The TFX Trainer calls `run_fn`."""

import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from vaiven.label_spec import SENTIMENT_LABELS, LabelSpec
from vaiven.models.data import dataset
from vaiven.models.data.trainer_inputs import read_inputs
from vaiven.models.export.saved_model import export
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.network.objective import JointNetwork
from vaiven.models.text.config import TextConfig
from vaiven.models.text.ngrams import negated_ids, word_ids
from vaiven.models.text.subwords import assign_subwords
from vaiven.models.text.tokenization import BOS_ID
from vaiven.models.text.vectors import TokenVectors, assign_vectors, vocabulary_sizes
from vaiven.models.training.augmentation.names import find_names, swap_names
from vaiven.models.training.augmentation.negation import augmentation_files
from vaiven.models.training.checkpoints import Checkpoint
from vaiven.models.training.class_weights import balanced_weights, frequency_thresholds
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.fine_tuning import layer_rates
from vaiven.models.training.hardware import Hardware, find_hardware, inference_network
from vaiven.models.training.language import read_text, train_language
from vaiven.models.training.stacking import stack_paths
from vaiven.models.training.training_loop import train_phase

progress = logging.getLogger('vaiven.progress')


def run_fn(fn_args: Any) -> None:
    """Trains and exports a model. The TFX Trainer calls it.

    Args:
        fn_args: the `tfx.components.FnArgs` of TFX. Trains on `train_files`, validates on `eval_files`, and writes a
            SavedModel that takes raw strings to `serving_model_dir`. `custom_config` contains `config`, the
            configuration as JSON, and optionally `unfinished`, a folder that survives a killed process.
            `hyperparameters` are those that the Tuner found, if there is one.
    """
    transform = tft.TFTransformOutput(fn_args.transform_output)
    inputs = read_inputs(fn_args, transform)
    if fn_args.hyperparameters:
        inputs = inputs.with_settings(fn_args.hyperparameters['values'])
    checkpoint = None
    if 'unfinished' in fn_args.custom_config:
        path = f'{fn_args.custom_config["unfinished"]}/training.npz'
        checkpoint = Checkpoint(path, inputs.fingerprint(), inputs.recovery_settings())
    network = train(
        inputs.network,
        inputs.training,
        inputs.vocabulary,
        inputs.train_files,
        inputs.eval_files,
        labels=inputs.labels,
        text=inputs.text,
        teacher_files=inputs.teacher_files,
        vectors=inputs.vectors,
        checkpoint=checkpoint,
        logs=fn_args.model_run_dir,
    )
    values = dict(inputs.values)
    if inputs.vectors is not None:
        values['vectors'] = inputs.vectors.record
    # The configuration inside the model should say with which settings each part of the training ran.
    if checkpoint is not None and checkpoint.changes:
        values['changed_rates'] = checkpoint.changes
    started = time.monotonic()
    config_json = json.dumps(values, ensure_ascii=False)
    export(network, transform, inputs.vocabulary_path, config_json, fn_args.serving_model_dir)
    progress.info('exported the SavedModel in %.0f s', time.monotonic() - started)
    # Only now: an export that fails, for example on a full disk, must not cost the training.
    if checkpoint is not None:
        checkpoint.remove()


def train(
    network_config: NetworkConfig,
    training: TrainingConfig,
    vocabulary: Sequence[str],
    train_files: Sequence[str],
    eval_files: Sequence[str],
    *,
    labels: LabelSpec = SENTIMENT_LABELS,
    text: TextConfig | None = None,
    teacher_files: Sequence[str] = (),
    vectors: TokenVectors | None = None,
    checkpoint: Checkpoint | None = None,
    logs: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    hardware: Hardware | None = None,
) -> Network:
    """Trains a network.

    Args:
        network_config: settings of the network.
        training: settings of the training.
        vocabulary: the tokens, in the order of their ids.
        train_files, eval_files: examples that Transform wrote.
        labels: kind and classes of the labels.
        text: settings of the tokeniser; by default the defaults.
        teacher_files: examples with the probabilities of a teacher, which train both paths.
        vectors: pre-trained vectors of the vocabulary; None for none.
        checkpoint: where the state is saved after each epoch; an interrupted training resumes from it.
        logs: folder for TensorBoard.
        callbacks: additional callbacks of every phase.
        hardware: devices and precision; by default all GPUs, or the CPU.

    Returns:
        The network with the weights of the lowest validation loss, in 32 bits on one device.

    Raises:
        TrainingError: a text is too short, or the loss is NaN or infinite.
        CheckpointError: the checkpoint is of another network.
    """
    keras.utils.set_random_seed(training.seed)
    hardware = hardware or find_hardware(training)
    phase_options: dict[str, Any] = {'checkpoint': checkpoint, 'logs': logs, 'callbacks': callbacks}
    if training.task == 'language':
        texts = read_text(train_files, labels), read_text(eval_files, labels)
        with hardware.scope():
            network = train_language(
                network_config, training, vocabulary, *texts, vectors=vectors, **phase_options
            )
        return network if hardware.is_plain else inference_network(network)
    text = text or TextConfig()
    with augmentation_files(training, train_files, vocabulary, text, labels) as augmented:
        return _train_classifier(
            network_config,
            training,
            vocabulary,
            [*train_files, *augmented],
            eval_files,
            labels,
            text,
            teacher_files,
            vectors,
            hardware,
            phase_options,
        )


def _train_classifier(
    network_config: NetworkConfig,
    training: TrainingConfig,
    vocabulary: Sequence[str],
    train_files: Sequence[str],
    eval_files: Sequence[str],
    labels: LabelSpec,
    text: TextConfig,
    teacher_files: Sequence[str],
    vectors: TokenVectors | None,
    hardware: Hardware,
    phase_options: dict[str, Any],
) -> Network:
    """Trains the recurrent path of a classifier, then fits the wide path and the combination of both."""
    labelled = dataset.read_examples(train_files, training.soft_labels, labels).cache()
    examples = labelled
    if teacher_files:
        taught = dataset.read_examples(teacher_files, 0.0, labels).cache()
        examples = dataset.weighted(labelled, 1.0).concatenate(
            dataset.weighted(taught, training.teacher_weight)
        )
    lengths, window = dataset.token_counts(examples), min(training.window, dataset.MAX_SEQUENCE_LENGTH)
    # The learning rate schedule needs the number of steps in advance.
    steps = dataset.count_batches(np.minimum(lengths, window), training.batch_size)
    if longer := int(np.sum(lengths > window)):
        progress.info(
            '%d texts are longer: each epoch trains on a random segment of %d tokens', longer, window
        )
    eval_examples = dataset.read_examples(eval_files, training.soft_labels, labels)
    validation = dataset.evaluation_batches(eval_examples, training.batch_size, labels)
    counts, class_weights = None, None
    if labels.kind == 'ordinal' or training.class_weight == 'balanced':
        counts = dataset.count_classes(labelled, labels)
    if counts is not None and training.class_weight == 'balanced':
        class_weights = balanced_weights(labels, counts)

    names = find_names(train_files, len(vocabulary), labels) if 'names' in training.augment else None

    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        made = dataset.training_batches(examples, training.batch_size, window, training.seed, epoch, labels)
        return hardware.pad_batches(swap_names(made, names, training.seed, epoch) if names else made)

    with hardware.scope():
        network = JointNetwork(
            network_config,
            **vocabulary_sizes(vocabulary, vectors),
            language_weight=training.language_weight,
            softmax_candidates=training.softmax_candidates,
            replicas=hardware.replicas,
            labels=labels,
            class_weights=class_weights,
            seed=training.seed,
        )
        network(np.full((1, 2), BOS_ID))  # builds all weights
        assign_subwords(network, vocabulary)
        assign_vectors(network, vectors)
        if network.thresholds is not None and counts is not None:
            network.thresholds.set_values(frequency_thresholds(counts, class_weights))
    if training.language_epochs:
        # The language loss alone, over labelled and unlabelled texts (Dai & Le 2015).
        network.sentiment_weight, network.language_weight = 0.0, 1.0
        train_phase(
            network, training, batches, training.language_epochs, steps, phase='language', **phase_options
        )
        network.sentiment_weight, network.language_weight = 1.0, training.language_weight
    progress.info(
        'training on %d batches of %d texts, vocabulary of %d tokens',
        steps,
        training.batch_size,
        len(vocabulary),
    )
    train_phase(
        network,
        training,
        batches,
        training.epochs,
        steps,
        phase='sentiment',
        monitor='sentiment_loss',
        validation=hardware.pad_batches(validation),
        layer_rates=layer_rates(network, training, steps),
        **phase_options,
    )
    # The paths are stacked with the logits that will be served, so in 32 bits.
    if not hardware.is_plain:
        network = inference_network(network)
    stack_paths(
        network,
        train_files,
        eval_files,
        batch_size=training.batch_size,
        soft_labels=training.soft_labels,
        class_weights=class_weights,
        teacher_files=teacher_files,
        teacher_weight=training.teacher_weight,
        negated=_negated(vocabulary) if text.scope and labels.has_opposites else None,
    )
    return network


def _negated(vocabulary: Sequence[str]) -> np.ndarray:
    """The n-gram ids of words, and of the same words after a negation: int64 (words, 2)."""
    ids = word_ids(tf.constant(list(vocabulary)))
    return np.stack([ids, negated_ids(ids)], axis=1)
