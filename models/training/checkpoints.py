"""The state of a training after its last whole epoch, in a file that survives a kill."""

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

# Settings of the training that may change after the loss was no number.
RATES = ('learning_rate', 'clip_norm')
_ABOUT = 'about'


class CheckpointError(UserError):
    """A checkpoint that is none of this network."""

    exit_status = 1


def digest(*subject: Any) -> str:
    """Says what is trained: plain values, the code of the models, and the libraries' versions."""
    total = hashlib.sha256(json.dumps([*subject, tf.__version__, keras.__version__], sort_keys=True).encode())
    for path in sorted(pathlib.Path(__file__).parents[1].rglob('*.py')):
        total.update(path.read_bytes())
    return total.hexdigest()


@dataclasses.dataclass
class BestWeights:
    """What the validation split has said so far in a phase.

    Attributes:
        best: lowest value of what is monitored.
        epochs_since: epochs after that one.
        weights: of the network, at the end of the best epoch.
    """

    best: float = math.inf
    epochs_since: int = 0
    weights: list[np.ndarray] = dataclasses.field(default_factory=list)


class Checkpoint:
    """One file: weights, seeds, the optimizer's state and the best weights, after the last whole epoch.

    It is replaced at once or not at all, and holds arrays and JSON, no pickled objects.

    Args:
        path: of the file, local or an address that TensorFlow can write to.
        subject: says what is trained, on what, by which code. A checkpoint of another subject is not gone on from.
        rates: settings that do not belong to the subject. A training that was stopped as its loss was no number
            may go on with other ones; any other training begins anew where they changed.
    """

    def __init__(self, path: str, subject: str, rates: Mapping[str, float]) -> None:
        self.path = path
        self.changes: list[dict[str, Any]] = []
        self._about: dict[str, Any] = {
            'subject': subject,
            'rates': dict(rates),
            'phases': [],
            'failed': False,
        }
        self._saved: dict[str, Any] | None = None
        self._arrays: dict[str, list[np.ndarray]] = {}
        self._read()

    def is_over(self, phase: str) -> bool:
        """Whether the checkpoint is of a later phase. To be asked once for each phase, in order."""
        self._about['phases'].append(phase)
        return self._saved is not None and phase in self._saved['phases'][:-1]

    def restore(self, network: keras.Model, validated: BestWeights) -> int:
        """Gives the network and its optimizer, both built, the state of the checkpoint, if it is of this phase.

        Returns:
            epochs that the state has seen; 0 where there is no checkpoint of this phase.

        Raises:
            CheckpointError: where the state is of a network of other shapes.
        """
        if self._saved is None or self._saved['phases'] != self._about['phases']:
            return 0
        variables = {'network': network.variables, 'optimizer': network.optimizer.variables}
        for name, wanted in variables.items():
            if [value.shape for value in self._arrays[name]] != [tuple(v.shape) for v in wanted]:
                raise CheckpointError(
                    f'the checkpoint {self.path} does not fit the {name}. Delete it to train from the begin'
                )
        for name, wanted in variables.items():
            for variable, value in zip(wanted, self._arrays.pop(name), strict=True):
                variable.assign(value)
        validated.best, validated.epochs_since = self._saved['best'], self._saved['epochs_since']
        validated.weights = self._arrays.pop('best')
        epochs, self._saved = self._saved['epochs'], None
        return int(epochs)

    def save(self, epochs: int, network: keras.Model, validated: BestWeights) -> None:
        """Replaces the file, unless some weight is no number. A disk that is full does not end the training."""
        arrays = {
            'network': [keras.ops.convert_to_numpy(variable) for variable in network.variables],
            'optimizer': [keras.ops.convert_to_numpy(variable) for variable in network.optimizer.variables],
            'best': validated.weights,
        }
        if not all(np.isfinite(value).all() for value in arrays['network']):
            return
        self._about |= {'epochs': epochs, 'best': validated.best, 'epochs_since': validated.epochs_since}
        self._write(self._about, arrays)

    def mark_failed(self) -> str | None:
        """Allows going on with other rates, after a loss that is no number. Says from where, if from anywhere.

        A file that is neither of this training nor what it went on from stays as it is.
        """
        contents = self._contents()
        if contents is None or not self._is_own(contents[0]):
            return None
        about, arrays = contents
        self._write(about | {'failed': True}, arrays)
        return f'epoch {about["epochs"] + 1} of the phase {about["phases"][-1]}'

    def remove(self) -> None:
        """The training has ended well."""
        if tf.io.gfile.exists(self.path):
            tf.io.gfile.remove(self.path)

    def _read(self) -> None:
        contents = self._contents()
        if contents is None:
            return
        saved, arrays = contents
        rates = self._about['rates']
        if not self._is_own(saved):
            progress.info('the last training was another one, so this one begins anew')
            return
        self.changes = saved.get('changes', [])
        if saved['rates'] != rates:
            self.changes.append(
                {'phase': saved['phases'][-1], 'epochs': saved['epochs'], 'before': saved['rates']}
            )
        self._about['changes'] = self.changes
        self._saved, self._arrays = saved, arrays

    def _is_own(self, saved: dict[str, Any]) -> bool:
        same_rates = saved['rates'] == self._about['rates']
        return bool(saved['subject'] == self._about['subject'] and (same_rates or saved['failed']))

    def _contents(self) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]] | None:
        if not tf.io.gfile.exists(self.path):
            return None
        try:
            with tf.io.gfile.GFile(self.path, 'rb') as file:
                stored = np.load(io.BytesIO(file.read()), allow_pickle=False)
            about = json.loads(str(stored[_ABOUT]))
            counts: dict[str, int] = about.pop('counts')
            arrays = {
                name: [stored[f'{name}/{number}'] for number in range(count)]
                for name, count in counts.items()
            }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, tf.errors.OpError):
            progress.info('the checkpoint %s is damaged, so the training begins anew', self.path)
            return None
        return about, arrays

    def _write(self, about: dict[str, Any], arrays: dict[str, list[np.ndarray]]) -> None:
        buffer = io.BytesIO()
        about = about | {'counts': {name: len(values) for name, values in arrays.items()}}
        members = {
            f'{name}/{number}': value
            for name, values in arrays.items()
            for number, value in enumerate(values)
        }
        np.savez(buffer, **members, **{_ABOUT: np.array(json.dumps(about))})  # type: ignore[arg-type]
        part = f'{self.path}.part'
        try:
            tf.io.gfile.makedirs(self.path.rpartition('/')[0])
            with tf.io.gfile.GFile(part, 'wb') as file:
                file.write(buffer.getvalue())
            tf.io.gfile.rename(part, self.path, overwrite=True)
        except (OSError, tf.errors.OpError) as error:
            progress.info('no checkpoint could be written to %s: %s', self.path, error)
