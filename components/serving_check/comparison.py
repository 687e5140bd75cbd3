"""The SavedModel in this process, the texts it is probed with, and the difference between two answers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# Registers the tokeniser's ops.
import tensorflow_text  # noqa: F401

from vaiven.label_spec import MULTILABEL_THRESHOLD

Answers = dict[str, np.ndarray]

# One text as keyboards, phones, word processors and styled posts spell it; a model must give the same answer to all.
SPELLINGS = (
    "I don't like it",
    'I don’t like it',
    'I do\u00adn\u02bct like\u200b it',
    'Ｉ ｄｏｎ＇ｔ ｌｉｋｅ ｉｔ',
)
# Texts that often break programs: empty, white space, accents in both Unicode forms, right-to-left, joined emoji.
PROBES = (
    '',
    ' ',
    'A moving film.',
    '¡Qué película más bonita!',
    'Que\u0301 peli\u0301cula',
    'فيلم رائع',
    '👩‍👩‍👧 ❤️ 10/10',
    'word ' * 400,
    *SPELLINGS,
)
# Prompts of `generate`: a character model refuses to continue characters that it never saw, which is not a fault.
PROMPTS = ('', ' ')
# Inputs besides the texts. A temperature of 0 makes generation deterministic.
_SCALAR_INPUTS = {
    'k': 3,
    'length': 5,
    'temperature': 0.0,
    'top_p': 1.0,
    'top_k': 0,
    'no_repeat': 0,
    'seed': 1,
}


class InProcessModel:
    """A SavedModel that is called in this process.

    Args:
        folder: of the SavedModel.
        text_feature: name of the text in serialized examples, and of inputs besides `text`.
    """

    def __init__(self, folder: str, text_feature: str = 'text') -> None:
        self._text_feature = text_feature
        self._loaded = tf.saved_model.load(folder)

    def signatures(self) -> list[str]:
        """Names of the signatures."""
        return sorted(self._loaded.signatures)

    def inputs(self, signature: str, texts: Sequence[str]) -> dict[str, Any]:
        """Values for all inputs of a signature.

        Args:
            signature: its name.
            texts: texts (n); they become the input `text`, or serialized tf.Examples for other string inputs.

        Returns:
            Arrays by input name; scalars for all inputs that are not strings.
        """
        _, specs = self._loaded.signatures[signature].structured_input_signature
        values: dict[str, Any] = {}
        for name, spec in specs.items():
            if name in ('text', self._text_feature):
                values[name] = np.array([text.encode() for text in texts], dtype=object)
            elif spec.dtype == tf.string:
                values[name] = np.array([_example(text, self._text_feature) for text in texts], dtype=object)
            else:
                values[name] = np.array(_SCALAR_INPUTS.get(name, 1), dtype=spec.dtype.as_numpy_dtype)
        return values

    def predict(self, signature: str, inputs: dict[str, Any]) -> Answers:
        """Calls a signature.

        Args:
            signature: its name.
            inputs: as `inputs` returns them.
        """
        function = self._loaded.signatures[signature]
        _, specs = function.structured_input_signature
        tensors = {name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
        return {name: _array(tensor) for name, tensor in function(**tensors).items()}

    def spelling_difference(self) -> float:
        """Maximum difference between the answers of `serving_default` to the first of `SPELLINGS` and the others."""
        plain, *others = (
            self.predict('serving_default', self.inputs('serving_default', [text])) for text in SPELLINGS
        )
        return max(max_difference(plain, other) for other in others)


def max_difference(expected: Answers, received: Answers) -> float:
    """The maximum difference between two answers.

    Args:
        expected: outputs by name.
        received: outputs by name.

    Returns:
        The maximum difference of numbers, relative for numbers above 1; infinite if names, shapes or strings differ. A
        label that differs counts as the distance of the probabilities that decide: of two classes that are equally
        probable but for rounding, either is right.
    """
    if expected.keys() != received.keys():
        return float('inf')
    return max(
        _label_difference(expected, received)
        if name == 'label' and 'probabilities' in expected
        else _labels_difference(expected, received)
        if name == 'labels' and 'probabilities' in expected
        else _difference(expected[name], received[name])
        for name in expected
    )


def batches(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Splits texts into batches of at most `size`."""
    for start in range(0, len(texts), size):
        yield texts[start : start + size]


def _difference(expected: np.ndarray, received: np.ndarray) -> float:
    if expected.shape != received.shape:
        return float('inf')
    if not np.issubdtype(expected.dtype, np.number):
        same = _strings(expected) == _strings(received)
        return 0.0 if same else float('inf')
    if expected.size == 0:
        return 0.0
    if not (np.isfinite(expected).all() and np.isfinite(received).all()):
        return float('inf')
    first, second = expected.astype(np.float64), received.astype(np.float64)
    return float((np.abs(first - second) / np.maximum(1.0, np.abs(first))).max())


def _label_difference(expected: Answers, received: Answers) -> float:
    """The largest distance between the probabilities of two labels that differ."""
    labels, others = (_strings(answers['label']) for answers in (expected, received))
    if len(labels) != len(others):
        return float('inf')
    gaps = [0.0]
    for label, other, row, names in zip(
        labels, others, expected['probabilities'], expected['classes'], strict=True
    ):
        if label != other:
            probabilities = dict(zip(_strings(names), row.tolist(), strict=True))
            gaps.append(abs(probabilities.get(label, np.inf) - probabilities.get(other, -np.inf)))
    return max(gaps)


def _labels_difference(expected: Answers, received: Answers) -> float:
    """The largest distance from 0.5 of the probability of a class that only one of two answers has."""
    if _strings(expected['labels']) == _strings(received['labels']):
        return 0.0
    if expected['probabilities'].shape != received['probabilities'].shape:
        return float('inf')
    decided = [answers['probabilities'] >= MULTILABEL_THRESHOLD for answers in (expected, received)]
    gaps = np.abs(expected['probabilities'] - MULTILABEL_THRESHOLD)[decided[0] != decided[1]]
    return float(gaps.max()) if gaps.size else float('inf')


def _strings(values: np.ndarray) -> list[bytes]:
    return [value.encode() if isinstance(value, str) else bytes(value) for value in values.ravel().tolist()]


def _array(tensor: tf.Tensor) -> np.ndarray:
    return np.asarray(tensor.numpy())


def _example(text: str, text_feature: str) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
    return bytes(
        tf.train.Example(features=tf.train.Features(feature={text_feature: feature})).SerializeToString()
    )
