"""One phase of a training: what language pre-training, fine-tuning and the language task have in common."""

import logging
import math
import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from vaiven.models.configuration import UserError
from vaiven.models.training_config import TrainingConfig

progress = logging.getLogger('vaiven.progress')

# The learning rate falls along half a cosine to this share of what it was (Loshchilov & Hutter 2017).
LAST_RATE = 0.1


class TrainingError(UserError):
    """The training went wrong in a way that other settings may mend."""

    exit_status = 1


def fit(
    network: keras.Model,
    training: TrainingConfig,
    batches: Callable[[tf.Tensor], tf.data.Dataset],
    epochs: int,
    steps: int,
    *,
    phase: str,
    monitor: str | None = None,
    validation: tf.data.Dataset | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains a network that has its loss in itself (`compute_loss` or `train_step`).

    Args:
        network: left with the best weights if something is monitored, with the last ones if not; averaged weights
            where `training.weight_averaging` is above 0.
        training: rate, clipping, averaging, patience.
        batches: the batches of an epoch, from its number, int64 () from 0. Traced once, so the number is no Python
            number; what depends on the seed and on it alone makes a resumed training see the same batches.
        epochs: at most that many.
        steps: batches in an epoch, exactly.
        phase: name of the phase, one of its own for each call within a training.
        monitor: a metric of the network, the lower the better, on `validation`: training stops after
            `training.patience` epochs without a better one.
        validation: batches, gone through after each epoch.
        callbacks: more of them, called before those of this function.

    Raises:
        TrainingError: if the loss is no longer a number.
    """
    # With the global seed 0, tf.data takes no tensor as the seed of an order.
    tf.random.set_seed(training.seed + 1)
    schedule = keras.optimizers.schedules.CosineDecay(training.learning_rate, steps * epochs, alpha=LAST_RATE)
    averaging = training.weight_averaging
    optimizer = keras.optimizers.Adam(
        schedule, global_clipnorm=training.clip_norm, use_ema=averaging > 0, ema_momentum=averaging
    )
    # Compiling for XLA would mean one compilation for every length that a batch can have.
    network.compile(optimizer=optimizer, jit_compile=False)
    network.fit(
        tf.data.Dataset.range(epochs).flat_map(batches),
        epochs=epochs,
        steps_per_epoch=steps,
        validation_data=validation,
        callbacks=[*callbacks, _Validated(monitor, training.patience), _Progress(epochs), _StopAtNaN()],
        shuffle=False,
        verbose=0,
    )


class _Validated(keras.callbacks.Callback):
    """Early stopping with the best weights given back. Averaged weights are what is validated, where there are some.

    Keras' `SwapEMAWeights` swaps them by adding and subtracting, which changes their last bits, and is too late
    for Keras' `EarlyStopping`.
    """

    def __init__(self, monitor: str | None, patience: int) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = patience
        self.best, self.epochs_since = math.inf, 0
        self.best_weights: list[np.ndarray] = []
        self._trained: list[np.ndarray] = []

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        variables = self.model.trainable_variables
        self._trained = [np.array(variable) for variable in variables]
        self.model.optimizer.finalize_variable_values(variables)

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        if self.monitor is not None:
            value = float((logs or {})[self.monitor])
            self.epochs_since += 1
            if value < self.best:
                self.best, self.epochs_since = value, 0
                self.best_weights = self.model.get_weights()
        for variable, value in zip(self.model.trainable_variables, self._trained, strict=True):
            variable.assign(value)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.epochs_since >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self.best_weights:
            self.model.set_weights(self.best_weights)


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
        validated = []
        if 'val_accuracy' in logs:
            validated.append(f'accuracy {logs["val_accuracy"]:.1%}')
        if logs.get('val_forward_loss'):
            validated.append(f'perplexity {math.exp(min(logs["val_forward_loss"], 50)):.0f}')
        line = f'epoch {epoch + 1}/{self.epochs}  loss {logs["loss"]:.3f}'
        if validated:
            line += f'  validation: {", ".join(validated)}'
        progress.info('%s  (%.0f s)', line, time.monotonic() - self.began)


class _StopAtNaN(keras.callbacks.Callback):
    """A loss that is no number never gets better: stop before it reaches the weights that are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if logs and not math.isfinite(logs['loss']):
            raise TrainingError(
                f'the loss is no longer a number at step {batch + 1} of epoch {self.epoch + 1}. '
                f'Received: {logs["loss"]}. Lower training.learning_rate or training.clip_norm'
            )
