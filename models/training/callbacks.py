"""Callbacks of the training loop: early stopping, checkpoints, progress and TensorBoard."""

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
# Progress inside an epoch, for the display on a terminal.
steps = logging.getLogger('vaiven.steps')
STEPS_SECONDS = 0.5


class TrainingError(UserError):
    """A training failed in a way that other settings may avoid."""

    exit_status = 1


class EarlyStopping(keras.callbacks.Callback):
    """Stops training early and restores the best weights. If weights are averaged, the averages are validated.

    Keras' `SwapEMAWeights` swaps weights by adding and subtracting, which changes their last bits, and swaps them back
    before Keras' `EarlyStopping` copies them.

    Args:
        monitor: name of a metric, the lower the better; None to train to the end.
        patience: epochs without a better value before training stops.
        best: the best weights so far, also from before an interruption; updated in place.

    Raises:
        TrainingError: the validation loss is NaN or infinite. It is raised before anything of that epoch is saved: the
            last step may have broken the weights although its loss was finite.
    """

    def __init__(self, monitor: str | None, patience: int, best: BestWeights) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = patience
        self.best = best
        self._epoch = 0
        self._training_weights: list[np.ndarray] = []

    @property
    def is_due(self) -> bool:
        """Whether the patience is exhausted."""
        return self.monitor is not None and self.best.epochs_since >= self.patience

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remembers the number of the epoch, for messages."""
        self._epoch = epoch

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Replaces the weights by their averages, if there are any."""
        variables = self.model.trainable_variables
        # Exact copies: restoring them must not change a single bit, or a resumed training would differ.
        self._training_weights = [keras.ops.convert_to_numpy(variable) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """Compares the validation loss with the best one, then restores the weights that are trained."""
        if self.monitor is not None:
            self._update_best(float((logs or {})[self.monitor]))
        for variable, values in zip(self.model.trainable_variables, self._training_weights, strict=True):
            variable.assign(values)

    def _update_best(self, value: float) -> None:
        _require_finite(value, f'the validation loss is NaN or infinite after epoch {self._epoch + 1}')
        self.best.epochs_since += 1
        if value < self.best.value:
            self.best.value, self.best.epochs_since = value, 0
            self.best.weights = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Stops training if the patience is exhausted."""
        self.model.stop_training = self.is_due

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Restores the best weights."""
        if self.best.weights:
            self.model.set_weights(self.best.weights)


class SaveCheckpoint(keras.callbacks.Callback):
    """Writes a checkpoint after each epoch.

    Args:
        checkpoint: where to write.
        best: the best weights so far; saved along.
    """

    def __init__(self, checkpoint: Checkpoint, best: BestWeights) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.best = best

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Saves the state of the training."""
        self.checkpoint.save(epoch + 1, self.model, self.best)


class ProgressLines(keras.callbacks.Callback):
    """Logs one line per epoch: training loss, validation metrics and duration.

    Inside an epoch it logs the number of finished steps, about twice a second.

    Args:
        epochs: number of epochs, for the lines.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs
        self.started = 0.0
        self._epoch = 0
        self._next_line = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self.started = time.monotonic()
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Logs the step, unless a line was logged less than `STEPS_SECONDS` ago."""
        total = self.params.get('steps')
        # Formatting a line after every step would slow down training on short texts.
        if total and (now := time.monotonic()) >= self._next_line:
            self._next_line = now + STEPS_SECONDS
            steps.info('%s: %d of %d', f'epoch {self._epoch + 1}/{self.epochs}', batch + 1, total)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Logs the line of the epoch."""
        logs = logs or {}
        metrics = []
        if 'val_accuracy' in logs:
            metrics.append(f'accuracy {logs["val_accuracy"]:.1%}')
        if logs.get('val_forward_loss'):
            nats = min(logs['val_forward_loss'], 50)  # e^50 still has a readable number of digits
            metrics.append(
                f'perplexity {_three_digits(math.exp(nats))} ({nats / math.log(2):.2f} bits per token)'
            )
        line = f'epoch {epoch + 1}/{self.epochs}  loss {logs["loss"]:.3f}'
        if metrics:
            line += f'  validation: {", ".join(metrics)}'
        progress.info('%s  (%.0f s)', line, time.monotonic() - self.started)


def _three_digits(value: float) -> str:
    """Formats a number with three significant digits, or with all digits before the decimal point."""
    return f'{value:.0f}' if value >= 100 else f'{value:.3g}'


class StopAtNaN(keras.callbacks.Callback):
    """Fails as soon as the loss is NaN or infinite, before the weights are saved: such a training never recovers."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Remembers the number of the epoch, for messages."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raises `TrainingError` if the loss of the epoch so far is not finite."""
        if logs:
            step = f'step {batch + 1} of epoch {self.epoch + 1}'
            _require_finite(logs['loss'], f'the loss is NaN or infinite at {step}')


def _require_finite(value: float, rule: str) -> None:
    if not math.isfinite(value):
        raise TrainingError(f'{rule}. Received: {value}. Lower training.learning_rate or training.clip_norm')


class TensorBoardScalars(keras.callbacks.Callback):
    """Writes losses, metrics and the learning rate of each epoch for TensorBoard.

    Keras' own callback requires the package `tensorboard`, which only the viewer needs.

    Args:
        folder: folder of the event files; `<folder>/train` and `<folder>/validation` are two TensorBoard runs.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self.writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Opens the event files."""
        self.writers = {
            run: tf.summary.create_file_writer(f'{self.folder}/{run}') for run in ('train', 'validation')
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the values of the epoch."""
        values = {**(logs or {}), 'learning_rate': float(self.model.optimizer.learning_rate)}
        # The metadata tells TensorBoard to show the tensor as a scalar.
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name='scalars')
        metadata = summary_pb2.SummaryMetadata(plugin_data=plugin)
        for name, value in values.items():
            run = 'validation' if name.startswith('val_') else 'train'
            with self.writers[run].as_default():
                tf.summary.write(name.removeprefix('val_'), tf.constant(value), epoch + 1, metadata)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the event files."""
        for writer in self.writers.values():
            writer.close()
