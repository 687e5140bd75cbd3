"""One phase of a training: what language pre-training, fine-tuning and the language task have in common."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from vaiven.models.data.dataset import without_autotune
from vaiven.models.network.layers import Tensor
from vaiven.models.training import callbacks as ours
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.checkpoints import BestWeights, Checkpoint
from vaiven.models.training.config import TrainingConfig

progress = logging.getLogger('vaiven.progress')

Rates = Callable[[int, Tensor], Tensor]


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
    rates: Rates | None = None,
    checkpoint: Checkpoint | None = None,
    logs: str | None = None,
) -> None:
    """Trains a network that has its loss in itself (`compute_loss` or `train_step`).

    Args:
        network: built. Left with the best weights if something is monitored, with the last ones if not; averaged
            weights where `training.weight_averaging` is above 0.
        training: rates, clipping, averaging, patience.
        batches: the batches of an epoch, from its number, int64 () from 0. Traced once, so the number is no Python
            number; what depends on the seed and on it alone makes a resumed training see the same batches.
        epochs: at most that many.
        steps: batches in an epoch, exactly.
        phase: name of the phase, one of its own for each call within a training.
        monitor: a metric of the network, the lower the better, on `validation`: training stops after
            `training.patience` epochs without a better one.
        validation: batches, gone through after each epoch.
        callbacks: more of them, called before those of this function.
        rates: what part of the learning rate each weight has, by its number and the step; see `fine_tuning`.
        checkpoint: written after each epoch; where it is of a training that was killed, this phase goes on after
            its last epoch, or is passed over if it is a later phase's.
        logs: folder for TensorBoard.

    Raises:
        TrainingError: if the loss is no longer a number.
        CheckpointError: if the checkpoint is of another network.
    """
    if checkpoint is not None and checkpoint.is_over(phase):
        progress.info('%s was finished before', phase)
        return
    # With the global seed 0, tf.data takes no tensor as the seed of an order.
    tf.random.set_seed(training.seed + 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        training.learning_rate, steps * epochs, alpha=training.final_rate_fraction
    )
    averaging = training.weight_averaging
    strategy = network.distribute_strategy
    with strategy.scope():
        optimizer = AveragingAdam(
            schedule,
            # Each replica's part of the gradient is clipped before they are added up.
            global_clipnorm=training.clip_norm / strategy.num_replicas_in_sync,
            use_ema=averaging > 0,
            ema_momentum=averaging,
            rates=rates,
        )
        # Compiling for XLA would mean one compilation for every length that a batch can have.
        network.compile(optimizer=optimizer, jit_compile=False)
        network.optimizer.build(network.trainable_variables)
    validated = BestWeights()
    begin = 0 if checkpoint is None else checkpoint.restore(network, validated)
    stop = ours.StopEarly(monitor, training.patience, validated)
    if begin:
        progress.info('%s goes on from epoch %d', phase, begin + 1)
    after_epochs = [*callbacks, stop]
    if checkpoint is not None:
        after_epochs.append(ours.Save(checkpoint, validated))
    if logs is not None:
        after_epochs.append(ours.Scalars(f'{logs}/{phase}'))
    try:
        network.fit(
            without_autotune(tf.data.Dataset.range(begin, epochs).flat_map(batches)),
            initial_epoch=epochs if stop.due else begin,
            epochs=epochs,
            steps_per_epoch=steps,
            validation_data=None if validation is None else without_autotune(validation),
            callbacks=[*after_epochs, ours.Progress(epochs), ours.StopAtNaN()],
            shuffle=False,
            verbose=0,
        )
    except TrainingError as error:
        again = None if checkpoint is None else checkpoint.mark_failed()
        if again is None:
            raise
        raise TrainingError(f'{error}; the next run then goes on from {again}') from None


class AveragingAdam(keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015) in one pass over each weight: Keras makes a dozen of it, and with vectors of pieces a
    network has more weights than a batch has work.

    Average weights can be had under every strategy: Keras' own way of assigning them fails where a variable is a
    mirrored one.

    Args:
        rates: as in `fit`; None for one rate.
    """

    def __init__(self, *args: Any, rates: Rates | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rates = rates

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        index, dtype = self._get_variable_index(variable), variable.dtype
        if self.rates is not None:
            learning_rate *= self.rates(index, self.iterations)
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
        if self.use_ema:
            for variable, average in zip(var_list, self._model_variables_moving_average, strict=True):
                variable.assign(average)
