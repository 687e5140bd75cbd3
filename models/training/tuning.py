"""The search for better settings: random ones around those of the configuration. The TFX Tuner calls `tuner_fn`."""

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
from vaiven.models.data.trainer_inputs import Inputs, read_inputs
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.callbacks import TrainingError
from vaiven.models.training.checkpoints import digest
from vaiven.models.training.trainer import train
from vaiven.models.training.tuning_config import TuningConfig

progress = logging.getLogger('vaiven.progress')

# What the validation split says, by the task.
OBJECTIVE = {'sentiment': 'val_sentiment_loss', 'language': 'val_language_loss'}


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """The entry point that the TFX Tuner calls; `fn_args` as for `run_fn`."""
    inputs = read_inputs(fn_args, tft.TFTransformOutput(fn_args.transform_graph_path))
    trials = from_dict(TuningConfig, inputs.values['tuning']).trials
    folder = fn_args.custom_config.get('unfinished', fn_args.working_dir)
    return TunerFnResult(Search(inputs, trials, folder), {})


def search_space(inputs: Inputs) -> keras_tuner.HyperParameters:
    """Settings by their dotted paths; the default of each is what the configuration says."""
    network, training = inputs.network, inputs.training
    space = keras_tuner.HyperParameters()

    def share(path: str, value: float, highest: float) -> None:
        space.Float(path, 0.0, max(highest, value), default=value)

    def scale(path: str, value: float, factor: float) -> None:
        space.Float(path, value / factor, value * factor, sampling='log', default=value)

    scale('training.learning_rate', training.learning_rate, 4.0)
    units = [
        each for each in (network.units // 2, network.units, network.units * 2) if _possible(network, each)
    ]
    space.Choice('network.units', units, default=network.units)
    share('network.dropout', network.dropout, 0.7)
    share('network.token_dropout', network.token_dropout, 0.5)
    share('network.weight_dropout', network.weight_dropout, 0.5)
    if training.task == 'sentiment':
        share('network.head_dropout', network.head_dropout, 0.7)
        if training.language_weight:
            scale('training.language_weight', training.language_weight, 10.0)
    return space


def _possible(network: NetworkConfig, units: int) -> bool:
    try:
        dataclasses.replace(network, units=units)
    except ConfigError:
        return False
    return True


class Search(base_tuner.BaseTuner):
    """Random search (Bergstra & Bengio 2012) whose first trial has the settings of the configuration.

    A search that was killed goes on with the trial that it was at.

    Args:
        inputs: configuration and data.
        trials: how many.
        folder: where what is known of the trials is kept until the search has ended.
    """

    def __init__(self, inputs: Inputs, trials: int, folder: str) -> None:
        self.inputs, self.trials = inputs, trials
        oracle = _Around(
            objective=keras_tuner.Objective('loss', 'min'),
            max_trials=trials,
            hyperparameters=search_space(inputs),
            allow_new_entries=False,
            seed=inputs.training.seed + 1,
            max_consecutive_failed_trials=trials + 1,
        )
        oracle.verbose = 0
        # Other rates are another search: trials around them would not be around these.
        name = f'trials-{digest(inputs.subject(), inputs.rates())[:16]}'
        super().__init__(oracle, directory=folder, project_name=name)

    def run_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> float:
        values = trial.hyperparameters.values
        number = len(self.oracle.trials)
        progress.info('trial %d/%d: %s', number, self.trials, _told(values))
        inputs = self.inputs.tuned(values)
        heard = _Lowest(OBJECTIVE[inputs.training.task])
        files = inputs.train_files, inputs.eval_files
        try:
            train(inputs.network, inputs.training, inputs.vocabulary, *files, callbacks=[heard])
        except TrainingError as error:
            progress.info('trial %d/%d failed: %s', number, self.trials, error)
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        except Exception as error:
            raise keras_tuner.errors.FatalError(str(error)) from error
        progress.info('trial %d/%d: validation loss %.4f', number, self.trials, heard.value)
        return heard.value

    def on_search_end(self) -> None:
        [best] = self.oracle.get_best_trials(1)
        if best.status != trial_states.TrialStatus.COMPLETED:
            raise TrainingError(f'none of the {self.trials} trials could be trained')
        tf.io.gfile.rmtree(self.project_dir)
        progress.info('the best of %d trials: %s', self.trials, _told(best.hyperparameters.values))

    def results_summary(self, num_trials: int = 10) -> None:
        """The progress lines have told all, and Keras Tuner's summary would make the folder anew."""


class _Around(keras_tuner.oracles.RandomSearchOracle):
    """Begins with the defaults, so that what is found is never worse than them on the validation split."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if self.start_order:
            space: dict[str, Any] = super().populate_space(trial_id)
            return space
        defaults = {setting.name: setting.default for setting in self.hyperparameters.space}
        return {'status': trial_states.TrialStatus.RUNNING, 'values': defaults}


class _Lowest(keras.callbacks.Callback):
    """The lowest value of a metric over the epochs."""

    def __init__(self, metric: str) -> None:
        super().__init__()
        self.metric = metric
        self.value = math.inf

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.value = min(self.value, (logs or {}).get(self.metric, math.inf))


def _told(values: dict[str, Any]) -> str:
    return ', '.join(f'{name} {value:.4g}' for name, value in values.items())
