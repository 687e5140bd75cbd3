"""The inputs of the Trainer and the Tuner, read from the arguments that TFX passes."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from vaiven.configuration import from_dict
from vaiven.label_spec import LabelSpec
from vaiven.models.data.preprocessing import VOCABULARY_FILE
from vaiven.models.network.config import NetworkConfig
from vaiven.models.text.config import TextConfig
from vaiven.models.text.vectors import VECTORS_FILE, TokenVectors, read_vectors
from vaiven.models.training.checkpoints import RECOVERY_SETTINGS, fingerprint
from vaiven.models.training.config import TrainingConfig

# TFX names the folder of a split so.
TEACHER_FOLDER = 'Split-teacher'


@dataclasses.dataclass(frozen=True)
class TrainerInputs:
    """Configuration, vocabulary and files of a training.

    Attributes:
        values: the configuration as plain values; its groups by name.
        vocabulary_path: path of `vocab.txt`.
        vocabulary: its tokens, in the order of their ids.
        train_files, eval_files: examples that Transform wrote.
        teacher_files: those of the split `teacher`, with probabilities and without labels.
        vectors: pre-trained vectors of the vocabulary; None without `--vectors`.
    """

    values: Mapping[str, Any]
    vocabulary_path: str
    vocabulary: tuple[str, ...]
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    teacher_files: tuple[str, ...] = ()
    vectors: TokenVectors | None = None

    @property
    def network(self) -> NetworkConfig:
        """The settings of the network."""
        return from_dict(NetworkConfig, self.values['network'])

    @property
    def training(self) -> TrainingConfig:
        """The settings of the training."""
        return from_dict(TrainingConfig, self.values['training'])

    @property
    def text(self) -> TextConfig:
        """The settings of the tokeniser."""
        return from_dict(TextConfig, self.values['text'])

    @property
    def labels(self) -> LabelSpec:
        """Kind and classes of the labels."""
        return LabelSpec.from_config(self.values)

    def with_settings(self, settings: Mapping[str, Any]) -> 'TrainerInputs':
        """Returns a copy with settings that the Tuner chose; they are also recorded in the group `tuned`.

        Args:
            settings: values by dotted path, as `training.learning_rate`.
        """
        # Through JSON: a deep copy, so that the groups of this object stay as they are.
        values = {**json.loads(json.dumps(self.values)), 'tuned': dict(settings)}
        for path, value in settings.items():
            group, name = path.split('.')
            values[group][name] = value
        return dataclasses.replace(self, values=values)

    def fingerprint(self) -> str:
        """Identifies the training: network, labels, settings, vocabulary, files and code.

        The recovery settings are not part of it.
        """
        training = dataclasses.asdict(self.training)
        settings = {name: value for name, value in training.items() if name not in RECOVERY_SETTINGS}
        # Name and length identify a file: reading all examples again would take too long.
        paths = *self.train_files, *self.eval_files, *self.teacher_files
        files = [(file, tf.io.gfile.stat(file).length) for file in paths]
        network, labels = dataclasses.asdict(self.network), dataclasses.asdict(self.labels)
        vectors = None if self.vectors is None else self.vectors.record
        return fingerprint(network, labels, settings, self.values['text'], self.vocabulary, files, vectors)

    def recovery_settings(self) -> dict[str, float]:
        """The settings that may change after a training diverged."""
        return {name: getattr(self.training, name) for name in RECOVERY_SETTINGS}


def read_inputs(fn_args: Any, transform: tft.TFTransformOutput) -> TrainerInputs:
    """Reads the inputs of a training.

    Args:
        fn_args: arguments from TFX; `custom_config['config']` is the configuration as JSON.
        transform: output of Transform, which contains the vocabulary.
    """
    # The copy that Transform made: the ids of the examples refer to it.
    vocabulary_path = f'{transform.transform_savedmodel_dir}/assets/{VOCABULARY_FILE}'
    with tf.io.gfile.GFile(vocabulary_path) as file:
        vocabulary = file.read().splitlines()
    train_files = _match(fn_args.train_files)
    teacher_files = tuple(
        path for path in train_files if os.path.basename(os.path.dirname(path)) == TEACHER_FOLDER
    )
    return TrainerInputs(
        json.loads(fn_args.custom_config['config']),
        vocabulary_path,
        tuple(vocabulary),
        tuple(path for path in train_files if path not in teacher_files),
        _match(fn_args.eval_files),
        teacher_files,
        read_vectors(f'{os.path.dirname(transform.transform_savedmodel_dir)}/{VECTORS_FILE}'),
    )


def _match(patterns: Sequence[str]) -> tuple[str, ...]:
    """Lists the files of TFX's patterns, one pattern per split."""
    return tuple(sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern)))
