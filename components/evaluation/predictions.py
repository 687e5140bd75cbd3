"""The predictions of a SavedModel, compared with labels by the names of the classes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_model_analysis.proto import config_pb2
from tfx.types import Artifact
from tfx.utils import path_utils

from vaiven.components.evaluation.shared_model import take_model
from vaiven.components.examples import TEXT_FEATURE
from vaiven.label_spec import MULTILABEL_THRESHOLD, LabelSpec
from vaiven.serving.common.model_labels import of_model

_BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class CorrectPredictions:
    """Whether a model predicts the label of each row.

    Attributes:
        correct: bool (n).
        unknown_classes: classes of the labels that the model does not have.
        unknown_rows: number of rows with such a class; they are not correct.
    """

    correct: np.ndarray
    unknown_classes: tuple[str, ...] = ()
    unknown_rows: int = 0


class Classifier:
    """A SavedModel that classifies texts.

    Attributes:
        classes: names of its classes, in the order of its probabilities.
    """

    def __init__(
        self,
        model: Artifact,
        spec: LabelSpec,
        model_spec: config_pb2.ModelSpec,
        text_feature: str = TEXT_FEATURE,
    ) -> None:
        """Loads the model.

        Args:
            model: a Model artifact in the layout of TFX's Trainer.
            spec: the labels, whose classes a model that does not name its own is taken to have.
            model_spec: gives the signature and the key of its predictions.
            text_feature: name of the signature's input.
        """
        folder = path_utils.serving_model_path(model.uri)
        # The signature does not keep the model, and its variables, alive.
        self._loaded = take_model(folder) or tf.saved_model.load(folder)
        self._signature = self._loaded.signatures[model_spec.signature_name]
        self._model_spec, self._text_feature = model_spec, text_feature
        # A configuration says what the classes of a model without the output `classes` are.
        configured = of_model(Path(folder))
        self.classes: tuple[str, ...] = configured.spec.classes if configured else spec.classes

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """The probabilities of all classes.

        Args:
            texts: texts (n), n > 0.

        Returns:
            float (n, classes).
        """
        parts = []
        for start in range(0, len(texts), _BATCH_SIZE):
            outputs = self._signature(
                **{self._text_feature: tf.constant(list(texts[start : start + _BATCH_SIZE]))}
            )
            if 'classes' in outputs:
                self.classes = tuple(name.decode() for name in outputs['classes'][0].numpy().tolist())
            parts.append(_probabilities(outputs, self._model_spec))
        return np.concatenate(parts)


def correct_predictions(
    classifier: Classifier, texts: Sequence[str], labels: np.ndarray, spec: LabelSpec
) -> CorrectPredictions:
    """Compares the predictions of a model with labels; the model may have other classes than the labels.

    Args:
        classifier: the model.
        texts: texts (n), n > 0.
        labels: index of the class of each text, int (n); multilabel: bool (n, k).
        spec: the kind of the labels, and the names of their classes.
    """
    probabilities = classifier.probabilities(texts)
    predicted, is_other = _translate(probabilities, classifier.classes, spec)
    correct = (predicted == labels).reshape(len(texts), -1).all(axis=1) & ~is_other
    unknown = [index for index, name in enumerate(spec.classes) if name not in classifier.classes]
    of_unknown = (
        labels[:, unknown] if spec.kind == 'multilabel' else labels[:, None] == unknown
    )  # (n, unknown)
    return CorrectPredictions(
        np.asarray(correct),
        tuple(spec.classes[index] for index, rows in zip(unknown, of_unknown.T, strict=True) if rows.any()),
        int(of_unknown.any(axis=1).sum()),
    )


def _probabilities(outputs: dict[str, tf.Tensor], model_spec: config_pb2.ModelSpec) -> np.ndarray:
    """The probabilities of all classes, float (n, classes of the model)."""
    key = next(key for key in ('probabilities', model_spec.prediction_key, 'probability') if key in outputs)
    values = outputs[key].numpy()
    if values.ndim == 2 and values.shape[1] > 1:
        return np.asarray(values)
    positive = values.ravel()
    return np.stack([1 - positive, positive], axis=1)


def _translate(
    probabilities: np.ndarray, classes: Sequence[str], spec: LabelSpec
) -> tuple[np.ndarray, np.ndarray]:
    """The predictions as labels of `spec`, and whether a class that `spec` does not have is predicted, bool (n)."""
    if spec.kind != 'multilabel':
        indices = np.array([spec.classes.index(name) if name in spec.classes else -1 for name in classes])
        predicted = indices[probabilities.argmax(axis=1)]
        return predicted, predicted < 0
    likely = probabilities >= MULTILABEL_THRESHOLD
    predicted = np.zeros((len(likely), spec.size), bool)
    is_other = np.zeros(len(likely), bool)
    for name, column in zip(classes, likely.T, strict=True):
        if name in spec.classes:
            predicted[:, spec.classes.index(name)] = column
        else:
            is_other |= column
    return predicted, is_other
