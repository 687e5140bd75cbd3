"""The state of a training after its last complete epoch, in a file that survives a kill of the process."""

import dataclasses
import hashlib
import io
import json
import logging
import math
import pathlib
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vaiven.errors import UserError

progress = logging.getLogger('vaiven.progress')

# Settings that may change when a training resumes after its loss was NaN or infinite.
RECOVERY_SETTINGS = ('learning_rate', 'clip_norm')
# Name of the JSON header among the arrays of the file.
_HEADER = 'about'


class CheckpointError(UserError):
    """A checkpoint does not fit the network."""

    exit_status = 1


def fingerprint(*description: Any) -> str:
    """Computes a digest that identifies a training, from plain values, the code of `models/` and the library versions.

    Args:
        description: settings and data, as values that JSON can express.
    """
    digest = hashlib.sha256(
        json.dumps([*description, tf.__version__, keras.__version__], sort_keys=True).encode()
    )
    for path in sorted(pathlib.Path(__file__).parents[1].rglob('*.py')):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@dataclasses.dataclass
class BestWeights:
    """The best result on the validation split so far in a phase.

    Attributes:
        value: lowest value of the monitored metric.
        epochs_since: epochs after the best one.
        weights: weights of the network at the end of the best epoch.
    """

    value: float = math.inf
    epochs_since: int = 0
    weights: list[np.ndarray] = dataclasses.field(default_factory=list)


class Checkpoint:
    """One file with the weights, seeds, optimizer state and best weights after the last complete epoch.

    The file is replaced atomically. It contains arrays and JSON, no pickled objects.

    Args:
        path: path of the file, local or a URI that TensorFlow can write to.
        training: fingerprint of the training (settings, data, code). A checkpoint of another training is ignored.
        recovery_settings: settings that are not part of the fingerprint. After its loss was NaN or infinite, a training
            may resume with other values; otherwise a change of them makes it another training.
    """

    def __init__(self, path: str, training: str, recovery_settings: Mapping[str, float]) -> None:
        self.path = path
        self.changes: list[dict[str, Any]] = []
        # The keys of the header are the format of the file.
        self._header: dict[str, Any] = {
            'subject': training,
            'rates': dict(recovery_settings),
            'phases': [],
            'failed': False,
        }
        self._saved: dict[str, Any] | None = None
        self._arrays: dict[str, list[np.ndarray]] = {}
        self._load()

    def is_finished(self, phase: str) -> bool:
        """Starts a phase; returns whether the checkpoint is of a later one. To be called once per phase, in order."""
        self._header['phases'].append(phase)
        return self._saved is not None and phase in self._saved['phases'][:-1]

    def restore(self, network: keras.Model, best: BestWeights) -> int:
        """Restores the state of the network and its optimizer, if the checkpoint is of the current phase.

        Args:
            network: built, and so is its optimizer.
            best: receives the best weights so far.

        Returns:
            The number of finished epochs; 0 without a checkpoint of this phase.

        Raises:
            CheckpointError: the arrays have other shapes than the network.
        """
        if self._saved is None or self._saved['phases'] != self._header['phases']:
            return 0
        variables = {'network': network.variables, 'optimizer': network.optimizer.variables}
        for name, group in variables.items():
            if [array.shape for array in self._arrays[name]] != [tuple(v.shape) for v in group]:
                raise CheckpointError(
                    f'the checkpoint {self.path} does not fit the {name}. Delete it to train from the start'
                )
        for name, group in variables.items():
            for variable, array in zip(group, self._arrays.pop(name), strict=True):
                variable.assign(array)
        best.value, best.epochs_since = self._saved['best'], self._saved['epochs_since']
        best.weights = self._arrays.pop('best')
        epochs, self._saved = self._saved['epochs'], None
        return int(epochs)

    def save(self, epochs: int, network: keras.Model, best: BestWeights) -> None:
        """Replaces the file, unless a weight is NaN or infinite. A full disk does not stop the training.

        Args:
            epochs: number of finished epochs.
            network: network with its optimizer.
            best: the best weights so far.
        """
        arrays = {
            'network': [keras.ops.convert_to_numpy(variable) for variable in network.variables],
            'optimizer': [keras.ops.convert_to_numpy(variable) for variable in network.optimizer.variables],
            'best': best.weights,
        }
        if not all(np.isfinite(array).all() for array in arrays['network']):
            return
        self._header |= {'epochs': epochs, 'best': best.value, 'epochs_since': best.epochs_since}
        self._write(self._header, arrays)

    def mark_failed(self) -> str | None:
        """Marks the checkpoint so that the training may resume with other recovery settings.

        A file of another training is not changed.

        Returns:
            The epoch and phase from which the training would resume; None without a checkpoint of this training.
        """
        contents = self._read_file()
        if contents is None or not self._is_same_training(contents[0]):
            return None
        header, arrays = contents
        self._write(header | {'failed': True}, arrays)
        return f'epoch {header["epochs"] + 1} of the phase {header["phases"][-1]}'

    def remove(self) -> None:
        """Deletes the file, after the training has succeeded."""
        if tf.io.gfile.exists(self.path):
            tf.io.gfile.remove(self.path)

    def _load(self) -> None:
        contents = self._read_file()
        if contents is None:
            return
        saved, arrays = contents
        if not self._is_same_training(saved):
            progress.info('the checkpoint is of another training, so this one starts from the beginning')
            return
        self.changes = saved.get('changes', [])
        if saved['rates'] != self._header['rates']:
            self.changes.append(
                {'phase': saved['phases'][-1], 'epochs': saved['epochs'], 'before': saved['rates']}
            )
        self._header['changes'] = self.changes
        self._saved, self._arrays = saved, arrays

    def _is_same_training(self, saved: dict[str, Any]) -> bool:
        same_settings = saved['rates'] == self._header['rates']
        return bool(saved['subject'] == self._header['subject'] and (same_settings or saved['failed']))

    def _read_file(self) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]] | None:
        if not tf.io.gfile.exists(self.path):
            return None
        try:
            with tf.io.gfile.GFile(self.path, 'rb') as file:
                stored = np.load(io.BytesIO(file.read()), allow_pickle=False)
            header = json.loads(str(stored[_HEADER]))
            counts: dict[str, int] = header.pop('counts')
            arrays = {
                name: [stored[f'{name}/{number}'] for number in range(count)]
                for name, count in counts.items()
            }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, tf.errors.OpError):
            progress.info(
                'the checkpoint %s is damaged, so the training starts from the beginning', self.path
            )
            return None
        return header, arrays

    def _write(self, header: dict[str, Any], arrays: dict[str, list[np.ndarray]]) -> None:
        buffer = io.BytesIO()
        header = header | {'counts': {name: len(group) for name, group in arrays.items()}}
        members = {
            f'{name}/{number}': array for name, group in arrays.items() for number, array in enumerate(group)
        }
        members[_HEADER] = np.array(json.dumps(header))
        np.savez(buffer, **members)  # type: ignore[arg-type]  # the stub takes any keyword for `allow_pickle`
        # Written beside the file and renamed, so that a kill leaves the old file or the new one.
        partial = f'{self.path}.part'
        try:
            tf.io.gfile.makedirs(self.path.rpartition('/')[0])
            with tf.io.gfile.GFile(partial, 'wb') as file:
                file.write(buffer.getvalue())
            tf.io.gfile.rename(partial, self.path, overwrite=True)
        except (OSError, tf.errors.OpError) as error:
            progress.info('no checkpoint could be written to %s: %s', self.path, error)
