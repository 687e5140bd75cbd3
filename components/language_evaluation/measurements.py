"""Asks an exported language model about texts, and for texts."""

import dataclasses
import math
from collections.abc import Sequence

import tensorflow as tf

# Registers the operations of the tokeniser.
import tensorflow_text  # noqa: F401

_BATCH = 16


@dataclasses.dataclass(frozen=True)
class Fit:
    """How well a model foresees texts.

    Attributes:
        bits_per_character: over all characters of the normalised texts and their ends.
        perplexity: of a token.
        tokens: that were foreseen.
    """

    bits_per_character: float
    perplexity: float
    tokens: int


class LanguageModel:
    """A SavedModel with the signatures `score` and `generate`."""

    def __init__(self, folder: str) -> None:
        self._signatures = tf.saved_model.load(folder).signatures

    def fit_to(self, texts: Sequence[str], characters: int) -> Fit:
        """Scores texts that have so many characters in all, normalised and with their ends."""
        nats, tokens = 0.0, 0
        # Texts of like length share a batch, so that little of it is padding.
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), _BATCH):
            answer = self._signatures['score'](text=tf.constant(ordered[start : start + _BATCH]))
            nats -= float(tf.reduce_sum(tf.cast(answer['log_probability'], tf.float64)))
            tokens += int(tf.reduce_sum(answer['tokens']))
        # No number, or one beyond all others, is what a network gives that learned nothing.
        likely = math.isfinite(nats) and nats / tokens < 700
        return Fit(nats / math.log(2) / characters, math.exp(nats / tokens) if likely else math.inf, tokens)

    def write(self, count: int, length: int, temperature: float, top_p: float, seed: int) -> list[str]:
        """Texts written from nothing, `length` tokens each."""
        answer = self._signatures['generate'](
            text=tf.fill([count], ''),
            length=tf.constant(length),
            temperature=tf.constant(temperature),
            top_p=tf.constant(top_p),
            top_k=tf.constant(0),
            no_repeat=tf.constant(0),
            seed=tf.constant(seed),
        )
        return [text.decode() for text in answer['generated'].numpy()]
