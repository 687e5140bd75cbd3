"""Compares a network that is rebuilt from an exported model with the signature `score` of that model."""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (operations of the model)

from vaiven.models.export.restored_model import RestoredModel
from vaiven.models.language.config import AdaptationConfig
from vaiven.models.language.dynamic_evaluation import dynamic_log_probabilities, static_log_probabilities

TEXTS = [
    'a wonderful film',
    '',
    'una película horrible , pues I hated it .',
    'niño 👍🏽 superb unknown words',
]
NO_STEPS = AdaptationConfig(window=3, learning_rate=0)


def scores(folder: str | Path) -> dict[str, np.ndarray]:
    signature = tf.saved_model.load(str(folder)).signatures['score']
    return {name: value.numpy() for name, value in signature(text=tf.constant(TEXTS)).items()}


def require_signature_values(folder: str | Path) -> None:
    """The restored network gives the values of the signature `score`, with learning rate 0, too."""
    restored, outputs = RestoredModel(Path(folder)), scores(folder)
    texts = [restored.encode(text) for text in TEXTS]
    for values in (
        list(static_log_probabilities(restored.network, (text.ids for text in texts))),
        list(dynamic_log_probabilities(restored.network, (text.ids for text in texts), NO_STEPS)),
    ):
        np.testing.assert_allclose(np.concatenate(values), outputs['token_values'], atol=1e-4)
        assert [len(value) for value in values] == outputs['token_row_lengths'].tolist()
        bits = [
            -value.sum() / np.log(2) / (text.characters + 1)
            for value, text in zip(values, texts, strict=True)
        ]
        np.testing.assert_allclose(bits, outputs['bits_per_character'], rtol=1e-4)
