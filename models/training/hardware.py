"""The devices and the precision that a network is trained with."""

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from vaiven.models.data.preprocessing import NO_LABEL
from vaiven.models.network.config import NetworkConfig
from vaiven.models.network.network import Network
from vaiven.models.text.tokenization import BOS_ID
from vaiven.models.training.config import TrainingConfig

progress = logging.getLogger('vaiven.progress')

# Keras' names of dtype policies.
FLOAT32, MIXED_FLOAT16 = 'float32', 'mixed_float16'


@dataclasses.dataclass(frozen=True)
class Hardware:
    """Devices and precision of a training.

    Attributes:
        strategy: one device, or a copy of the network on each of several (`MirroredStrategy`).
        policy: Keras' dtype policy. With `mixed_float16`, weights and losses stay in 32 bits, and the loss is scaled so
            that small gradients do not vanish (Micikevicius et al. 2018).
    """

    strategy: tf.distribute.Strategy
    policy: str = FLOAT32

    @property
    def is_plain(self) -> bool:
        """Whether a network built for this hardware needs no conversion for use elsewhere."""
        return self.policy == FLOAT32 and self.replicas == 1

    @property
    def replicas(self) -> int:
        """The number of devices that train together."""
        return int(self.strategy.num_replicas_in_sync)

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Networks that are created inside the block are for this hardware."""
        previous_policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.policy)
        try:
            with self.strategy.scope():
                yield
        finally:
            keras.config.set_dtype_policy(previous_policy)

    def pad_batches(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Pads batches of (ids, targets) or (ids, targets, weights) with rows until all replicas get equally many.

        A replica without rows would fail on cuDNN. The added rows are unlabelled and have a single token, so that they
        contribute to no loss.

        Args:
            batches: (ids int32 (batch, time), targets float (batch) or (batch, classes), weights float (batch)).
        """
        if self.replicas == 1:
            return batches

        def pad(ids: tf.Tensor, targets: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
            missing = -tf.shape(ids)[0] % self.replicas
            rows = tf.fill([missing, 1], tf.constant(BOS_ID, ids.dtype))
            rows = tf.pad(rows, [[0, 0], [0, tf.shape(ids)[1] - 1]])  # (missing, time)
            shape = tf.concat([[missing], tf.shape(targets)[1:]], axis=0)
            unlabelled = tf.fill(shape, tf.constant(NO_LABEL, targets.dtype))
            padded = tf.concat([ids, rows], axis=0), tf.concat([targets, unlabelled], axis=0)
            return *padded, *(tf.pad(values, [[0, missing]]) for values in weights)

        return batches.map(pad)


def inference_network(network: Network, *, use_cudnn: bool | str = 'auto') -> Network:
    """Copies a trained network for use: 32 bits, one device, subwords and vectors folded into the embeddings.

    After training the vocabulary is fixed, so the subword embeddings of each token, and its pre-trained vector, are
    added to its own embedding once.

    Args:
        network: trained on any hardware.
        use_cudnn: `False` for a copy without cuDNN operations.
    """

    def build(config: NetworkConfig, vector_values: int) -> Network:
        copy = Network(
            config,
            network.vocabulary_size,
            labels=network.labels,
            read_only=network.read_only,
            vector_values=vector_values,
            use_cudnn=use_cudnn,
        )
        copy(np.full((1, 2), BOS_ID))  # builds all weights
        return copy

    copy = build(network.config, network.vector_values)
    copy.set_weights(network.get_weights())
    summands = [layer for layer in (copy.subwords, copy.word_vectors) if layer is not None]
    if not summands:
        return copy
    folded = build(dataclasses.replace(network.config, subword_buckets=0), vector_values=0)
    summand_paths = {weight.path for layer in summands for weight in layer.weights}
    folded.set_weights(
        [keras.ops.convert_to_numpy(weight) for weight in copy.weights if weight.path not in summand_paths]
    )
    # Summed in 32 bits, whatever precision the network was trained with.
    folded.embedding.embeddings.assign(
        copy.token_vectors(np.arange(network.vocabulary_size + network.read_only))
    )
    return folded


def share_cores(network: NetworkConfig) -> None:
    """Gives each direction half of the CPU cores: the two directions run in parallel.

    By default TensorFlow splits every matrix product of both directions over all cores, and their steps are too small
    for that. Call it before TensorFlow computes anything in the process; afterwards it has no effect. The environment
    variable `TF_NUM_INTRAOP_THREADS` takes precedence.

    Args:
        network: with a single direction nothing changes.
    """
    if network.bidirectional and 'TF_NUM_INTRAOP_THREADS' not in os.environ:
        with contextlib.suppress(RuntimeError):
            half = max(1, len(os.sched_getaffinity(0)) // 2)
            tf.config.threading.set_intra_op_parallelism_threads(half)


def find_hardware(training: TrainingConfig) -> Hardware:
    """Chooses the devices: all GPUs that TensorFlow sees (`CUDA_VISIBLE_DEVICES` limits them), otherwise the CPU."""
    gpus = len(tf.config.list_logical_devices('GPU'))
    policy = FLOAT32
    if training.mixed_precision and gpus:
        policy = MIXED_FLOAT16
    elif training.mixed_precision:
        progress.info('training.mixed_precision has no effect without a GPU')
    if gpus < 2:
        return Hardware(tf.distribute.get_strategy(), policy)
    if training.task == 'language':
        # The state of each row is a variable of one device.
        progress.info('the language task is trained on one of the %d GPUs', gpus)
        return Hardware(tf.distribute.get_strategy(), policy)
    progress.info('training on %d GPUs', gpus)
    return Hardware(tf.distribute.MirroredStrategy(), policy)
