"""The hyperparameter search: random settings around those of the configuration. The TFX Tuner calls `tuner_fn`."""

import dataclasses
import logging
import math
from typing import Any

import keras
import keras_tuner
import tensorflow as tf
import tensorflow_transform as tft
from keras_tuner.engine import base_tuner
from keras_tuner.engine import trial as trial_states
from tfx.components.tuner.component import TunerFnResult

from vaiven.configuration import ConfigError, from_dict
from vaiven.models.data.trainer_inputs import TrainerInputs, read_inputs
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.checkpoints import fingerprint
from vaiven.models.training.trainer import train
from vaiven.models.training.tuning_config import TuningConfig

progress = logging.getLogger('vaiven.progress')

# The metric on the validation split, by task.
OBJECTIVE = {'sentiment': 'val_sentiment_loss', 'language': 'val_language_loss'}


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """Creates the tuner. The TFX Tuner calls it.

    Args:
        fn_args: arguments from TFX, as for `vaiven.models.training.trainer.run_fn`.
    """
    inputs = read_inputs(fn_args, tft.TFTransformOutput(fn_args.transform_graph_path))
    trials = from_dict(TuningConfig, inputs.values['tuning']).trials
    folder = fn_args.custom_config.get('unfinished', fn_args.working_dir)
    return TunerFnResult(RandomSearchTuner(inputs, trials, folder), {})


def search_space(inputs: TrainerInputs) -> keras_tuner.HyperParameters:
    """Defines the hyperparameters by dotted path; the default of each is the value in the configuration."""
    network, training = inputs.network, inputs.training
    space = keras_tuner.HyperParameters()

    def add_rate(path: str, value: float, high: float) -> None:
        space.Float(path, 0.0, max(high, value), default=value)

    def add_scale(path: str, value: float, factor: float) -> None:
        space.Float(path, value / factor, value * factor, sampling='log', default=value)

    # Rates and weights vary by a factor, hence on a logarithmic scale; dropout rates between 0 and a limit.
    add_scale('training.learning_rate', training.learning_rate, 4.0)
    units = [
        units for units in (network.units // 2, network.units, network.units * 2) if _is_valid(network, units)
    ]
    space.Choice('network.units', units, default=network.units)
    add_rate('network.dropout', network.dropout, 0.7)
    add_rate('network.token_dropout', network.token_dropout, 0.5)
    add_rate('network.weight_dropout', network.weight_dropout, 0.5)
    if training.task == 'sentiment':
        add_rate('network.head_dropout', network.head_dropout, 0.7)
        if training.language_weight:
            add_scale('training.language_weight', training.language_weight, 10.0)
    return space


def _is_valid(network: NetworkConfig, units: int) -> bool:
    try:
        dataclasses.replace(network, units=units)
    except ConfigError:
        return False
    return True


class RandomSearchTuner(base_tuner.BaseTuner):
    """Random search (Bergstra & Bengio 2012) whose first trial has the settings of the configuration.

    An interrupted search resumes with the trial that was running.

    Args:
        inputs: configuration and data.
        trials: number of trials.
        folder: where the results of the trials are kept until the search has finished.
    """

    def __init__(self, inputs: TrainerInputs, trials: int, folder: str) -> None:
        self.inputs, self.trials = inputs, trials
        oracle = _DefaultsFirstOracle(
            objective=keras_tuner.Objective('loss', 'min'),
            max_trials=trials,
            hyperparameters=search_space(inputs),
            allow_new_entries=False,
            seed=inputs.training.seed + 1,
            # One more than there are trials: failed trials never abort the search.
            max_consecutive_failed_trials=trials + 1,
        )
        oracle.verbose = 0
        # The search space is centred on the recovery settings, so other values of them are another search.
        name = f'trials-{fingerprint(inputs.fingerprint(), inputs.recovery_settings())[:16]}'
        super().__init__(oracle, directory=folder, project_name=name)

    def run_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> float:
        """Trains with the settings of a trial; called by Keras Tuner.

        Args:
            trial: the trial of Keras Tuner.
            fit_args, fit_kwargs: without effect.

        Returns:
            The lowest validation loss.

        Raises:
            keras_tuner.errors.FailedTrialError: the training diverged; the search continues.
            keras_tuner.errors.FatalError: any other error; the search ends.
        """
        values = trial.hyperparameters.values
        number = len(self.oracle.trials)
        progress.info('trial %d/%d: %s', number, self.trials, _format_settings(values))
        inputs = self.inputs.with_settings(values)
        lowest = _LowestMetric(OBJECTIVE[inputs.training.task])
        files = inputs.train_files, inputs.eval_files
        try:
            train(
                inputs.network,
                inputs.training,
                inputs.vocabulary,
                *files,
                labels=inputs.labels,
                text=inputs.text,
                teacher_files=inputs.teacher_files,
                vectors=inputs.vectors,
                callbacks=[lowest],
            )
        except TrainingError as error:
            progress.info('trial %d/%d failed: %s', number, self.trials, error)
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            raise keras_tuner.errors.FatalError(str(error)) from error
        progress.info('trial %d/%d: validation loss %.4f', number, self.trials, lowest.value)
        return lowest.value

    def on_search_end(self) -> None:
        """Reports the best trial and deletes the folder of the search; called by Keras Tuner.

        Raises:
            TrainingError: all trials failed.
        """
        [best] = self.oracle.get_best_trials(1)
        if best.status != trial_states.TrialStatus.COMPLETED:
            raise TrainingError(f'all {self.trials} trials failed')
        tf.io.gfile.rmtree(self.project_dir)
        progress.info('the best of %d trials: %s', self.trials, _format_settings(best.hyperparameters.values))

    def results_summary(self, num_trials: int = 10) -> None:
        """Does nothing: the progress lines contain all results, and Keras Tuner would create the folder again."""


class _DefaultsFirstOracle(keras_tuner.oracles.RandomSearchOracle):
    """Tries the defaults first, so that the result is never worse than they are on the validation split."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        # `start_order` lists the trials that were started, also before an interruption.
        if self.start_order:
            space: dict[str, Any] = super().populate_space(trial_id)
            return space
        defaults = {setting.name: setting.default for setting in self.hyperparameters.space}
        return {'status': trial_states.TrialStatus.RUNNING, 'values': defaults}


class _LowestMetric(keras.callbacks.Callback):
    """Keeps the lowest value of a metric over the epochs."""

    def __init__(self, metric: str) -> None:
        super().__init__()
        self.metric = metric
        self.value = math.inf

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.value = min(self.value, (logs or {}).get(self.metric, math.inf))


def _format_settings(values: dict[str, Any]) -> str:
    return ', '.join(f'{name} {value:.4g}' for name, value in values.items())
