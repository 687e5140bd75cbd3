"""On which devices a network is trained, and in which precision."""

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

FULL, HALF = 'float32', 'mixed_float16'


@dataclasses.dataclass(frozen=True)
class Hardware:
    """What `vaiven.models.training.trainer.train` computes on and with.

    Attributes:
        strategy: where to: one device, or a copy of the network on each of several (`MirroredStrategy`).
        policy: Keras' dtype policy; under `mixed_float16` weights and losses stay in 32 bits, and the loss is scaled
            so that small gradients do not vanish (Micikevicius et al. 2018).
    """

    strategy: tf.distribute.Strategy
    policy: str = FULL

    @property
    def plain(self) -> bool:
        """Whether a network built here can be used as it is anywhere else."""
        return self.policy == FULL and self.replicas == 1

    @property
    def replicas(self) -> int:
        return int(self.strategy.num_replicas_in_sync)

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Networks that are built inside the block are for this hardware."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.policy)
        try:
            with self.strategy.scope():
                yield
        finally:
            keras.config.set_dtype_policy(before)

    def even(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Adds rows to a batch (ids, labels) until all replicas get as many: of no label and one token, so that
        nothing is predicted in them. A replica without rows would fail on cuDNN."""
        if self.replicas == 1:
            return batches

        def fill(ids: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            missing = -tf.shape(ids)[0] % self.replicas
            rows = tf.fill([missing, 1], tf.constant(BOS_ID, ids.dtype))
            rows = tf.pad(rows, [[0, 0], [0, tf.shape(ids)[1] - 1]])
            none = tf.fill([missing], tf.constant(NO_LABEL, labels.dtype))
            return tf.concat([ids, rows], axis=0), tf.concat([labels, none], axis=0)

        return batches.map(fill)


def plain_network(network: Network, *, use_cudnn: bool | str = 'auto') -> Network:
    """The same network in 32 bits on one device, as it is for use outside of training.

    The vocabulary is what it is now, so what a token's pieces add to its vector is added up here, once.
    """

    def built(config: NetworkConfig) -> Network:
        plain = Network(config, network.vocabulary_size, use_cudnn=use_cudnn)
        plain(np.full((1, 2), BOS_ID))  # builds all of it
        return plain

    plain = built(network.config)
    plain.set_weights(network.get_weights())
    if plain.pieces is None:
        return plain
    # Added up in 32 bits, whatever the network was trained in.
    whole = built(dataclasses.replace(network.config, subword_buckets=0))
    of_pieces = {weight.path for weight in plain.pieces.weights}
    whole.set_weights(
        [keras.ops.convert_to_numpy(each) for each in plain.weights if each.path not in of_pieces]
    )
    whole.embedding.embeddings.assign(plain.vector_table())
    return whole


def share_cores(network: NetworkConfig) -> None:
    """The two directions are read side by side, each on its half of the processor's cores: TensorFlow would divide
    every product of both among all cores, and their steps are too small to be worth it.

    For a process that trains, before TensorFlow computes anything in it; later nothing changes. What the variable
    `TF_NUM_INTRAOP_THREADS` says goes first.
    """
    if network.bidirectional and 'TF_NUM_INTRAOP_THREADS' not in os.environ:
        with contextlib.suppress(RuntimeError):
            half = max(1, len(os.sched_getaffinity(0)) // 2)
            tf.config.threading.set_intra_op_parallelism_threads(half)


def find_hardware(training: TrainingConfig) -> Hardware:
    """All GPUs that TensorFlow sees (`CUDA_VISIBLE_DEVICES` may hide some), or the processor."""
    gpus = len(tf.config.list_logical_devices('GPU'))
    policy = FULL
    if training.mixed_precision and gpus:
        policy = HALF
    elif training.mixed_precision:
        progress.info('no GPU is there: training.mixed_precision is left out')
    if gpus < 2:
        return Hardware(tf.distribute.get_strategy(), policy)
    if training.task == 'language':
        progress.info('the language task is trained on one of the %d GPUs', gpus)
        return Hardware(tf.distribute.get_strategy(), policy)
    progress.info('training on %d GPUs', gpus)
    return Hardware(tf.distribute.MirroredStrategy(), policy)
