"""The models that `vaiven evaluate` measures, and how its options name them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaiven.label_spec import MULTILABEL_THRESHOLD, LabelSpec
from vaiven.serving.commands.connecting import resolve_target
from vaiven.serving.commands.options import Target
from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import model_labels, running_servers, version_folders
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_VERSION
from vaiven.serving.common.model_labels import ModelLabels
from vaiven.serving.evaluation.evaluation import Predictions

if TYPE_CHECKING:
    from vaiven.serving.client import Client

SIGNATURE = 'serving_default', 'label'
SAVED_MODEL = 'saved-model:'
_ADDRESS = re.compile(r'https?://.+|unix:.+|(?:dns:///)?[^/\s]+:[0-9]{1,5}')


@dataclasses.dataclass(frozen=True)
class EvaluatedModel:
    """A version of a classifier.

    Attributes:
        target: where it is; the version is a number.
        client: sends its requests.
        version: its number.
        labels: its classes, and the labels that mean them.
        outputs: names of the outputs to request.
    """

    target: Target
    client: Client
    version: int
    labels: ModelLabels
    outputs: tuple[str, ...]

    @classmethod
    def connect(cls, target: Target, client: Client) -> EvaluatedModel:
        """Finds the version and its classes.

        Args:
            target: names the model, and perhaps a version or a label.
            client: of that server.

        Raises:
            ServingError: there is no such version, or it is not a classifier of this package.
        """
        selector = {'version': target.version, 'label': target.label}
        metadata = client.metadata(target.model, **selector)  # type: ignore[arg-type]
        # Each batch asks for this number: a version that appears meanwhile must not be measured as well.
        pinned = dataclasses.replace(target, version=metadata.version, label=None)
        signature = metadata.signatures.get(SIGNATURE[0])
        declared = frozenset() if signature is None else frozenset(signature.outputs)
        labels = None
        if SIGNATURE[1] in declared:
            answer = client.predict(target.model, {'text': [b'']}, version=metadata.version)
            labels = ModelLabels.from_outputs(answer)
        if labels is None:
            raise ServingError(
                f'version {metadata.version} of model {target.model!r} is not a classifier: it has no outputs '
                f'label and probabilities in the signature {SIGNATURE[0]}. Choose another with --model or --version'
            )
        probabilities = 'probabilities' if 'probabilities' in declared else 'probability'
        return cls(
            pinned,
            client,
            metadata.version,
            _with_synonyms(labels, pinned),
            (SIGNATURE[1], probabilities),
        )

    @property
    def spec(self) -> LabelSpec:
        """Kind and classes of its labels."""
        return self.labels.spec

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Classifies texts.

        Raises:
            ServingError: the request failed, or the answer does not fit the classes.
        """
        answer = self.client.predict(
            self.target.model,
            {'text': [text.encode() for text in texts]},
            version=self.version,
            outputs=self.outputs,
        )
        return self._predictions(answer, len(texts))

    def _predictions(self, answer: Mapping[str, NDArray[Any]], rows: int) -> Predictions:
        probabilities = answer[self.outputs[1]]
        if self.outputs[1] == 'probability':
            probabilities = np.stack([1 - probabilities, probabilities], axis=1)  # (n, 2)
        if probabilities.shape != (rows, self.spec.size) or not np.isfinite(probabilities).all():
            raise ServingError(
                f'version {self.version} of model {self.target.model!r} must answer {self.spec.size} finite '
                f'probabilities for each text. Received: {probabilities.shape} for {rows} texts'
            )
        if self.spec.kind == 'multilabel':
            return Predictions(
                probabilities, probabilities >= MULTILABEL_THRESHOLD, probabilities.max(axis=1)
            )
        places = {name.encode(): place for place, name in enumerate(self.spec.classes)}
        names = answer[SIGNATURE[1]].tolist()
        if unknown := set(names) - places.keys():
            raise ServingError(
                f'version {self.version} of model {self.target.model!r} answered the label '
                f'{min(unknown).decode(errors="replace")!r}, which is not one of its classes'
            )
        # The label, not the highest probability: a model may have a threshold of its own.
        predicted = np.array([places[name] for name in names], np.int64)
        return Predictions(probabilities, predicted, probabilities[np.arange(rows), predicted])

    def identity(self) -> dict[str, Any]:
        """Where the model is, for a JSON document."""
        return {'server': self.target.server, 'model': self.target.model, 'version': self.version}

    def __str__(self) -> str:
        place = self.target.server.removeprefix(SAVED_MODEL)
        return f'version {self.version} of model {self.target.model} ({printable(place)})'


def same_classes(model: EvaluatedModel, reference: EvaluatedModel) -> Sequence[int]:
    """The place of each class of a model among those of the model that it is compared with.

    Raises:
        ServingError: the models have different classes.
    """
    spec, other = model.spec, reference.spec
    is_same = spec.kind == other.kind and set(spec.classes) == set(other.classes)
    if not is_same or (spec.kind == 'ordinal' and spec.classes != other.classes):
        differing = sorted(set(spec.classes) ^ set(other.classes))[:3]
        named = f': {", ".join(map(repr, differing))} is not in both' if differing else ''
        raise ServingError(
            f'two models can be compared if their classes are the same. Received: {spec.kind} with {spec.size} classes '
            f'and {other.kind} with {other.size}{named}'
        )
    return [other.classes.index(name) for name in spec.classes]


def in_order(predictions: Predictions, places: Sequence[int]) -> Predictions:
    """Predictions with the columns in the order of `same_classes`."""
    if list(places) == list(range(len(places))):
        return predictions
    if predictions.predicted.ndim > 1:
        predicted = predictions.predicted[:, places]
    else:
        predicted = np.argsort(places)[predictions.predicted]
    return Predictions(predictions.probabilities[:, places], predicted, predictions.scores)


def compared_target(target: Target, name: str) -> Target:
    """The target that `--compare` names.

    Args:
        target: the model that is evaluated.
        name: number of a version or a label of the same model, the address of a server, or the folder of a SavedModel.

    Raises:
        ServingError: there is no such model.
    """
    # The other model has its own version; the timeout stays.
    other = dataclasses.replace(target, version=None, label=None, explicit=True)
    if name.isascii() and name.isdecimal() and int(name) <= MAX_VERSION:
        if not target.server.startswith(SAVED_MODEL):
            return dataclasses.replace(other, version=int(name))
        folder = _base_path(target)
        versions = version_folders.versions(folder)
        if int(name) not in versions:
            numbers = ', '.join(map(str, sorted(versions, reverse=True))) or 'none'
            raise ServingError(f'{folder} has no version {name} to compare with; it has: {numbers}')
        return dataclasses.replace(other, server=f'{SAVED_MODEL}{versions[int(name)]}')
    is_folder = name.startswith(SAVED_MODEL) or Path(name).is_dir()
    if is_folder or _ADDRESS.fullmatch(name):
        server = f'{SAVED_MODEL}{Path(name.removeprefix(SAVED_MODEL)).absolute()}' if is_folder else name
        # A token of one server is not sent to another one.
        model = '' if is_folder or target.server.startswith(SAVED_MODEL) else target.model
        moved = dataclasses.replace(other, server=server, model=model, connection={})
        return resolve_target(moved, *SIGNATURE)
    if '/' in name:
        raise ServingError(f'--compare: there is no folder {name}')
    if target.server.startswith(SAVED_MODEL):
        raise ServingError(
            f'--compare must name a version, the address of a server (HOST:PORT) or a folder; only a server knows '
            f'labels. Received: {name!r}'
        )
    return dataclasses.replace(other, label=name)


def _base_path(target: Target) -> Path:
    folder = Path(target.server.removeprefix(SAVED_MODEL))
    return folder.parent if version_folders.is_saved_model(folder) else folder


def _with_synonyms(labels: ModelLabels, target: Target) -> ModelLabels:
    """The labels with the spellings and the separator of the run, where the files of the model are on this machine."""
    folder = _folder(target)
    saved = None if folder is None else model_labels.of_model(folder)
    return saved if saved is not None and saved.spec.classes == labels.spec.classes else labels


def _folder(target: Target) -> Path | None:
    """The folder of the SavedModel of a target with a version; None if it is not known."""
    if target.server.startswith(SAVED_MODEL):
        folder = Path(target.server.removeprefix(SAVED_MODEL))
        if version_folders.is_saved_model(folder):
            return folder
    else:
        match = re.search(r'(?:localhost|127\.0\.0\.1|\[::1\]):([0-9]+)/?$', target.server)
        server = running_servers.at(int(match[1])) if match is not None else None
        if server is None or target.model not in server.models:
            return None
        folder = Path(server.models[target.model])
    try:
        return version_folders.versions(folder).get(target.version or 0)
    except OSError:
        return None
