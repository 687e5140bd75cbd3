"""One phase of a training. Language pretraining, sentiment training and the language task all use it."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from vaiven.models.data.dataset import without_autotune
from vaiven.models.network.layers import Tensor
from vaiven.models.training.callbacks import (
    EarlyStopping,
    ProgressLines,
    SaveCheckpoint,
    StopAtNaN,
    TensorBoardScalars,
    TrainingError,
)
from vaiven.models.training.checkpoints import BestWeights, Checkpoint
from vaiven.models.training.config import TrainingConfig

progress = logging.getLogger('vaiven.progress')

# (index of a trainable weight, optimizer step) → factor of the learning rate
RateFunction = Callable[[int, Tensor], Tensor]


def train_phase(
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
    layer_rates: RateFunction | None = None,
    checkpoint: Checkpoint | None = None,
    logs: str | None = None,
) -> None:
    """Trains a network that computes its own loss (`compute_loss` or `train_step`).

    Afterwards the network has the best weights if a metric is monitored, otherwise the last ones; averaged weights if
    `training.weight_averaging` is above 0.

    Args:
        network: built.
        training: learning rate, clipping, averaging and patience.
        batches: builds the batches of an epoch from its number, int64 () from 0. It is traced once, so the number is a
            tensor. It should depend on nothing but seed and number, so that a resumed training sees the same batches.
        epochs: maximum number of epochs.
        steps: exact number of batches in an epoch.
        phase: name of the phase, unique within a training.
        monitor: a metric of the network on `validation`, the lower the better; training stops after `training.patience`
            epochs without a lower value.
        validation: batches, read after each epoch.
        callbacks: additional callbacks, called before those of this function.
        layer_rates: factor of the learning rate for each weight and step.
        checkpoint: written after each epoch. If it is of an interrupted training, the phase resumes after its last
            epoch, or is skipped if a later phase was interrupted.
        logs: folder for TensorBoard.

    Raises:
        TrainingError: the loss is NaN or infinite.
        CheckpointError: the checkpoint is of another network.
    """
    if checkpoint is not None and checkpoint.is_finished(phase):
        progress.info('the phase %s is already finished', phase)
        return
    # With the global seed 0, tf.data does not accept a tensor as the seed of a shuffle.
    tf.random.set_seed(training.seed + 1)
    # Half a cosine without restarts (Loshchilov & Hutter 2017).
    schedule = keras.optimizers.schedules.CosineDecay(
        training.learning_rate, steps * epochs, alpha=training.final_rate_fraction
    )
    averaging = training.weight_averaging
    strategy = network.distribute_strategy
    with strategy.scope():
        optimizer = AveragingAdam(
            schedule,
            # Each replica clips its share of the gradient before the shares are summed (Pascanu et al. 2013).
            global_clipnorm=training.clip_norm / strategy.num_replicas_in_sync,
            use_ema=averaging > 0,
            ema_momentum=averaging,
            layer_rates=layer_rates,
        )
        # XLA would compile once for each length that a batch can have.
        network.compile(optimizer=optimizer, jit_compile=False)
        network.optimizer.build(network.trainable_variables)
    best = BestWeights()
    first_epoch = 0 if checkpoint is None else checkpoint.restore(network, best)
    early_stopping = EarlyStopping(monitor, training.patience, best)
    if first_epoch:
        progress.info('the phase %s resumes at epoch %d', phase, first_epoch + 1)
    all_callbacks = [*callbacks, early_stopping]
    if checkpoint is not None:
        all_callbacks.append(SaveCheckpoint(checkpoint, best))
    if logs is not None:
        all_callbacks.append(TensorBoardScalars(f'{logs}/{phase}'))
    try:
        network.fit(
            without_autotune(tf.data.Dataset.range(first_epoch, epochs).flat_map(batches)),
            initial_epoch=epochs if early_stopping.is_due else first_epoch,
            epochs=epochs,
            steps_per_epoch=steps,
            validation_data=None if validation is None else without_autotune(validation),
            callbacks=[*all_callbacks, ProgressLines(epochs), StopAtNaN()],
            shuffle=False,
            verbose=0,
        )
    except TrainingError as error:
        resume_point = None if checkpoint is None else checkpoint.mark_failed()
        if resume_point is None:
            raise
        raise TrainingError(f'{error}; the next run then resumes at {resume_point}') from None


class AveragingAdam(keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015) with one fused operation per weight, and optional averages under every strategy.

    Keras' Adam reads and writes each weight in a dozen operations; with subword embeddings a network has more weights
    than a batch has work. Keras' way of assigning averages fails for mirrored variables.

    Args:
        layer_rates: factor of the learning rate for each weight and step, as for `train_phase`; None for one rate.
    """

    def __init__(self, *args: Any, layer_rates: RateFunction | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.layer_rates = layer_rates

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Updates one weight; called by Keras.

        Args:
            gradient: same shape as the weight.
            variable: the weight.
            learning_rate: float ().
        """
        index, dtype = self._get_variable_index(variable), variable.dtype
        if self.layer_rates is not None:
            learning_rate *= self.layer_rates(index, self.iterations)
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )

    def finalize_variable_values(self, var_list: Sequence[keras.Variable]) -> None:
        """Replaces the weights by their running averages (Polyak & Juditsky 1992), if averaging is on."""
        if self.use_ema:
            for variable, average in zip(var_list, self._model_variables_moving_average, strict=True):
                variable.assign(average)
