"""Trains on one device and on two, to be run in a separate process: `python -m tests.models.two_devices FOLDER`.

TensorFlow divides the processor into two devices only before it has used it. The training on two is stopped after its
first epoch and resumed. Prints the largest difference of the weights.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from tests.models.rows import VOCABULARY, labelled_texts, write_rows
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.checkpoints import Checkpoint
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.hardware import Hardware, inference_network
from vaiven.models.training.trainer import train

NETWORK = NetworkConfig(
    cell='simple_rnn', bidirectional=False, units=4, embedding_size=4, token_dropout=0.0, dropout=0.0,
    head_dropout=0.0, subword_buckets=8,
)  # fmt: skip
TRAINING = TrainingConfig(
    epochs=2, batch_size=16, softmax_candidates=0, learning_rate=0.02, weight_averaging=0.5, clip_norm=100.0
)


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def weights(hardware: Hardware, rows: str, **options) -> list[np.ndarray]:
    network = train(NETWORK, TRAINING, VOCABULARY, [rows], [rows], hardware=hardware, **options)
    return inference_network(network).get_weights()


def difference(ones: list[np.ndarray], others: list[np.ndarray]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(ones, others, strict=True))


def main(folder: str) -> None:
    [processor] = tf.config.list_physical_devices('CPU')
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, halves)
    texts, labels = labelled_texts(64)
    equal_length = write_rows(f'{folder}/equal.gz', [(text * 12)[-12:] for text in texts], labels)
    one = Hardware(tf.distribute.get_strategy())
    # The collective operations that GPUs would use wait for each other's threads on a processor of few cores.
    copying = tf.distribute.ReductionToOneDevice()
    two = Hardware(tf.distribute.MirroredStrategy(['cpu:0', 'cpu:1'], copying))

    def checkpoint() -> Checkpoint:
        return Checkpoint(f'{folder}/training.npz', 'two', {})

    try:
        weights(two, equal_length, checkpoint=checkpoint(), callbacks=[Stop()])
    except KeyboardInterrupt:
        on_two = weights(two, equal_length, checkpoint=checkpoint())
    # Lengths of all kinds, an odd number of rows, and so batches of one row.
    uneven = weights(two, write_rows(f'{folder}/uneven.gz', texts[:61], labels[:61]))
    print(
        json.dumps(
            {
                'replicas': two.replicas,
                'one_and_two': difference(weights(one, equal_length), on_two),
                'finite': all(bool(np.isfinite(value).all()) for value in uneven),
            }
        )
    )


if __name__ == '__main__':
    main(sys.argv[1])
