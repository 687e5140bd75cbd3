"""Asks a served model, and the same model in this process, the same questions."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

# Registers the operations of the tokeniser.
import tensorflow_text  # noqa: F401

Answers = dict[str, np.ndarray]

# One text as keyboards, phones, word processors and styled posts write it; a model must read them alike.
SPELLINGS = (
    "I don't like it",
    'I don’t like it',
    'I do\u00adn\u02bct like\u200b it',
    'Ｉ ｄｏｎ＇ｔ ｌｉｋｅ ｉｔ',
)
# Where texts break programs: nothing, white space, accents in both Unicode forms, right-to-left, emoji with joiners.
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
# A model of characters refuses to go on with some that it never saw, which is no fault of a server.
BEGINS = ('', ' ')
# Inputs beside the texts. Text is written on without chance: temperature 0.
_SCALARS = {'k': 3, 'length': 5, 'temperature': 0.0, 'top_p': 1.0, 'top_k': 0, 'no_repeat': 0, 'seed': 1}


class InProcess:
    """The SavedModel called directly."""

    def __init__(self, folder: str) -> None:
        self._loaded = tf.saved_model.load(folder)

    def signatures(self) -> list[str]:
        return sorted(self._loaded.signatures)

    def inputs(self, signature: str, texts: Sequence[str]) -> dict[str, Any]:
        """Values for all inputs of a signature: the texts, as strings or as serialized tf.Examples, and numbers."""
        _, specs = self._loaded.signatures[signature].structured_input_signature
        values: dict[str, Any] = {}
        for name, spec in specs.items():
            if name == 'text':
                values[name] = np.array([text.encode() for text in texts], dtype=object)
            elif spec.dtype == tf.string:
                values[name] = np.array([_example(text) for text in texts], dtype=object)
            else:
                values[name] = np.array(_SCALARS.get(name, 1), dtype=spec.dtype.as_numpy_dtype)
        return values

    def predict(self, signature: str, inputs: dict[str, Any]) -> Answers:
        function = self._loaded.signatures[signature]
        _, specs = function.structured_input_signature
        tensors = {name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
        return {name: _array(tensor) for name, tensor in function(**tensors).items()}

    def spelling_difference(self) -> float:
        """How far the answers of `serving_default` to `SPELLINGS` lie from the one to the first of them."""
        plain, *others = (
            self.predict('serving_default', self.inputs('serving_default', [text])) for text in SPELLINGS
        )
        return max(difference(plain, other) for other in others)


def difference(expected: Answers, received: Answers) -> float:
    """The largest difference of numbers, relative above 1; infinite where names, shapes or strings differ."""
    if expected.keys() != received.keys():
        return float('inf')
    return max(_difference(expected[name], received[name]) for name in expected)


def batches(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
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


def _strings(values: np.ndarray) -> list[bytes]:
    return [value.encode() if isinstance(value, str) else bytes(value) for value in values.ravel().tolist()]


def _array(tensor: tf.Tensor) -> np.ndarray:
    return np.asarray(tensor.numpy())


def _example(text: str) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
    return bytes(tf.train.Example(features=tf.train.Features(feature={'text': feature})).SerializeToString())
