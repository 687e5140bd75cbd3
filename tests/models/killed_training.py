"""A training that is killed, to be run in a separate process: `python -m tests.models.killed_training …`."""

import os
import signal
import sys
from typing import Any

import keras

from tests.models.rows import VOCABULARY
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.checkpoints import Checkpoint
from vaiven.models.training.config import TrainingConfig
from vaiven.models.training.trainer import train

NETWORK = NetworkConfig(bidirectional=False, units=4, embedding_size=4, wide_ngrams=0, weight_dropout=0.2)
TRAINING = TrainingConfig(
    epochs=4, batch_size=16, softmax_candidates=8, learning_rate=0.05, weight_averaging=0.9
)


class Kill(keras.callbacks.Callback):
    """Ends the process in the middle of an epoch, as `kill -9` does: nothing is flushed or cleaned up."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__()
        self.at, self.epoch = (epoch, step), 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if (self.epoch, batch) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def run(rows: str, checkpoint: Checkpoint | None = None, **options: Any) -> keras.Model:
    return train(NETWORK, TRAINING, VOCABULARY, [rows], [rows], checkpoint=checkpoint, **options)


if __name__ == '__main__':
    run(sys.argv[1], Checkpoint(sys.argv[2], 'killed', {}), callbacks=[Kill(2, 3)])
