"""What happens after the steps and epochs of a training."""

import logging
import math
import time

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import summary_pb2

from vaiven.errors import UserError
from vaiven.models.training.checkpoints import BestWeights, Checkpoint

progress = logging.getLogger('vaiven.progress')
# How far an epoch is: for whoever shows it on a terminal.
steps = logging.getLogger('vaiven.steps')
STEPS_SECONDS = 0.5


class TrainingError(UserError):
    """The training went wrong in a way that other settings may mend."""

    exit_status = 1


class StopEarly(keras.callbacks.Callback):
    """Early stopping with the best weights given back. Averaged weights are what is validated, where there are some.

    Keras' `SwapEMAWeights` swaps them by adding and subtracting, which changes their last bits, and has swapped
    them back before Keras' `EarlyStopping` copies them.

    Args:
        monitor: a metric, the lower the better; None to train to the end.
        patience: epochs without a better value before training stops.
        validated: what was validated before this training was killed, and from then on.

    Raises:
        TrainingError: where the value is no number, before anything of that epoch is kept: a last step may have
            broken weights whose loss was fine.
    """

    def __init__(self, monitor: str | None, patience: int, validated: BestWeights) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = patience
        self.validated = validated
        self._epoch = 0
        self._trained: list[np.ndarray] = []

    @property
    def due(self) -> bool:
        return self.monitor is not None and self.validated.epochs_since >= self.patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch = epoch

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        variables = self.model.trainable_variables
        self._trained = [keras.ops.convert_to_numpy(variable) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        if self.monitor is not None:
            self._compare(float((logs or {})[self.monitor]))
        for variable, trained in zip(self.model.trainable_variables, self._trained, strict=True):
            variable.assign(trained)

    def _compare(self, value: float) -> None:
        _require_number(value, f'the validation loss is no number after epoch {self._epoch + 1}')
        self.validated.epochs_since += 1
        if value < self.validated.best:
            self.validated.best, self.validated.epochs_since = value, 0
            self.validated.weights = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.model.stop_training = self.due

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self.validated.weights:
            self.model.set_weights(self.validated.weights)


class Save(keras.callbacks.Callback):
    """A checkpoint after each epoch."""

    def __init__(self, checkpoint: Checkpoint, validated: BestWeights) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.validated = validated

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.checkpoint.save(epoch + 1, self.model, self.validated)


class Progress(keras.callbacks.Callback):
    """One line an epoch: what was learned, what the validation split says, and how fast it went.

    Inside an epoch, some times a second, how many steps are done.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.began = 0.0
        self._epoch = 0
        self._next = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began = time.monotonic()
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        total = self.params.get('steps')
        if total and (now := time.monotonic()) >= self._next:
            self._next = now + STEPS_SECONDS
            steps.info('%s: %d of %d', f'epoch {self._epoch + 1}/{self.epochs}', batch + 1, total)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = logs or {}
        validated = []
        if 'val_accuracy' in logs:
            validated.append(f'accuracy {logs["val_accuracy"]:.1%}')
        if logs.get('val_forward_loss'):
            nats = min(logs['val_forward_loss'], 50)
            validated.append(f'perplexity {_short(math.exp(nats))} ({nats / math.log(2):.2f} bits a token)')
        line = f'epoch {epoch + 1}/{self.epochs}  loss {logs["loss"]:.3f}'
        if validated:
            line += f'  validation: {", ".join(validated)}'
        progress.info('%s  (%.0f s)', line, time.monotonic() - self.began)


def _short(value: float) -> str:
    """Three digits, or all those before the point."""
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


class StopAtNaN(keras.callbacks.Callback):
    """A loss that is no number never gets better: stop before it reaches the weights that are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if logs:
            where = f'step {batch + 1} of epoch {self.epoch + 1}'
            _require_number(logs['loss'], f'the loss is no longer a number at {where}')


def _require_number(value: float, otherwise: str) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f'{otherwise}. Received: {value}. Lower training.learning_rate or training.clip_norm'
        )


class Scalars(keras.callbacks.Callback):
    """Losses, metrics and the learning rate of each epoch, for TensorBoard.

    Keras' own callback needs TensorBoard installed, which is wanted only where somebody looks at them.

    Args:
        folder: of the event file; `…/train` and `…/validation` become two runs.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self.writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.writers = {
            run: tf.summary.create_file_writer(f'{self.folder}/{run}') for run in ('train', 'validation')
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = {**(logs or {}), 'learning_rate': float(self.model.optimizer.learning_rate)}
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name='scalars')
        metadata = summary_pb2.SummaryMetadata(plugin_data=plugin)
        for name, value in values.items():
            run = 'validation' if name.startswith('val_') else 'train'
            with self.writers[run].as_default():
                tf.summary.write(name.removeprefix('val_'), tf.constant(value), epoch + 1, metadata)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        for writer in self.writers.values():
            writer.close()
