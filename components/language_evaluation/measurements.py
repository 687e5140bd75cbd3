"""Calls the signatures of an exported language model: scores texts and generates samples."""

import dataclasses
import math
from collections.abc import Sequence

import tensorflow as tf

# Registers the tokeniser's ops.
import tensorflow_text  # noqa: F401

_BATCH_SIZE = 16


@dataclasses.dataclass(frozen=True)
class LanguageMetrics:
    """How well a model predicts texts.

    Attributes:
        bits_per_character: over all characters of the normalised texts and the end of each text.
        perplexity: per token.
        tokens: number of tokens that were predicted.
    """

    bits_per_character: float
    perplexity: float
    tokens: int


class LanguageModel:
    """A SavedModel with the signatures `score` and `generate`.

    Args:
        folder: of the SavedModel.
    """

    def __init__(self, folder: str) -> None:
        self._signatures = tf.saved_model.load(folder).signatures

    def measure(self, texts: Sequence[str], characters: int) -> LanguageMetrics:
        """Scores texts.

        Args:
            texts: normalised texts.
            characters: their number of characters, with one more for the end of each text.
        """
        nats, tokens = 0.0, 0
        # Texts of similar length share a batch, which keeps the padding small.
        ordered = sorted(texts, key=len)
        for start in range(0, len(ordered), _BATCH_SIZE):
            outputs = self._signatures['score'](text=tf.constant(ordered[start : start + _BATCH_SIZE]))
            nats -= float(tf.reduce_sum(tf.cast(outputs['log_probability'], tf.float64)))
            tokens += int(tf.reduce_sum(outputs['tokens']))
        # A diverged network returns NaN or huge values; math.exp overflows above about 709.
        is_representable = math.isfinite(nats) and nats / tokens < 700
        return LanguageMetrics(
            nats / math.log(2) / characters, math.exp(nats / tokens) if is_representable else math.inf, tokens
        )

    def generate(self, count: int, length: int, temperature: float, top_p: float, seed: int) -> list[str]:
        """Generates texts from an empty prompt.

        Args:
            count: number of texts.
            length: tokens of each text.
            temperature: divides the logits; 0 takes the most probable token.
            top_p: probability mass of nucleus sampling (Holtzman et al. 2020).
            seed: of the random numbers.
        """
        outputs = self._signatures['generate'](
            text=tf.fill([count], ''),
            length=tf.constant(length),
            temperature=tf.constant(temperature),
            top_p=tf.constant(top_p),
            top_k=tf.constant(0),
            no_repeat=tf.constant(0),
            seed=tf.constant(seed),
        )
        return [text.decode() for text in outputs['generated'].numpy()]
