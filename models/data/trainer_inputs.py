"""What the Trainer and the Tuner are given, read from TFX's arguments."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from vaiven.configuration import from_dict
from vaiven.models.data.preprocessing import VOCABULARY_FILE
from vaiven.models.network.config import NetworkConfig
from vaiven.models.training.checkpoints import RATES, digest
from vaiven.models.training.config import TrainingConfig


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Configuration, vocabulary and files.

    Attributes:
        values: the configuration as plain values, parts by name.
        vocabulary_path: of `vocab.txt`.
        vocabulary: its tokens, in the order of their ids.
        train_files, eval_files: rows that Transform wrote.
    """

    values: Mapping[str, Any]
    vocabulary_path: str
    vocabulary: tuple[str, ...]
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]

    @property
    def network(self) -> NetworkConfig:
        return from_dict(NetworkConfig, self.values['network'])

    @property
    def training(self) -> TrainingConfig:
        return from_dict(TrainingConfig, self.values['training'])

    def tuned(self, best: Mapping[str, Any]) -> 'Inputs':
        """With settings by dotted path (`training.learning_rate`), and a note of them under `tuned`."""
        values = {**json.loads(json.dumps(self.values)), 'tuned': dict(best)}
        for path, value in best.items():
            part, name = path.split('.')
            values[part][name] = value
        return dataclasses.replace(self, values=values)

    def subject(self) -> str:
        """A digest of what is trained on what: the same again gives the same, whatever the rates are."""
        training = dataclasses.asdict(self.training)
        settings = {name: value for name, value in training.items() if name not in RATES}
        data = [(file, tf.io.gfile.stat(file).length) for file in (*self.train_files, *self.eval_files)]
        return digest(dataclasses.asdict(self.network), settings, self.values['text'], self.vocabulary, data)

    def rates(self) -> dict[str, float]:
        return {name: getattr(self.training, name) for name in RATES}


def read_inputs(fn_args: Any, transform: tft.TFTransformOutput) -> Inputs:
    """Reads the configuration from `fn_args.custom_config['config']` (JSON), and what the others wrote."""
    vocabulary_path = f'{transform.transform_savedmodel_dir}/assets/{VOCABULARY_FILE}'
    with tf.io.gfile.GFile(vocabulary_path) as file:
        vocabulary = file.read().splitlines()
    return Inputs(
        json.loads(fn_args.custom_config['config']),
        vocabulary_path,
        tuple(vocabulary),
        _files(fn_args.train_files),
        _files(fn_args.eval_files),
    )


def _files(patterns: Sequence[str]) -> tuple[str, ...]:
    """TFX gives one pattern for each split."""
    return tuple(sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern)))
