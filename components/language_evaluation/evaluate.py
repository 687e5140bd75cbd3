"""Measures a language model on held-out texts and compares it with the thresholds."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.language_evaluation.baselines import compressor_bits, unigram_bits
from vaiven.components.language_evaluation.measurements import LanguageModel
from vaiven.components.language_evaluation.originality import distinct_n, longest_copied_passage
from vaiven.models.text.config import MAX_TOKENS, TextConfig
from vaiven.models.text.tokenization import normalize

# Samples that the model generates from an empty prompt, with a fixed seed: the same model generates the same texts.
SAMPLES, SAMPLE_TOKENS, TEMPERATURE, TOP_P, SEED = 4, 500, 0.8, 0.95, 1


@dataclasses.dataclass
class LanguageEvaluation:
    """The outcome of an evaluation; `language.json` has the same keys.

    Attributes:
        texts: number of held-out texts.
        characters: number of their characters, with one more for the end of each text.
        tokens: number of their tokens.
        bits_per_character: of the candidate.
        perplexity: of the candidate, per token.
        before: bits per character of the baseline model; None without one.
        unigram: bits per character by character frequencies.
        compressor: bits per character by a compressor (xz).
        distinct: distinct-1, distinct-2 and distinct-3 of the generated texts (Li et al. 2016).
        copied: the longest passage of the generated texts that occurs in the training texts.
        written: the generated texts.
        reason: why the model is not blessed; empty if it is.
    """

    texts: int
    characters: int
    tokens: int
    bits_per_character: float
    perplexity: float
    before: float | None
    unigram: float
    compressor: float
    distinct: tuple[float, float, float]
    copied: str
    written: list[str]
    reason: str

    def to_json(self) -> str:
        """The evaluation as JSON; numbers that are not finite become null."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2, ensure_ascii=False)


def evaluate(
    folder: str,
    baseline: str | None,
    train: Sequence[str],
    test: Sequence[str],
    config: EvaluationConfig,
    text: TextConfig,
) -> LanguageEvaluation:
    """Measures a SavedModel.

    Args:
        folder: of the candidate.
        baseline: folder of the model that it is compared with; None without one.
        train: texts that the model learned from.
        test: held-out texts. Texts after the first `config.max_texts` are skipped, and each text is cut to the
            `MAX_TOKENS` characters that are sure to be scored.
        config: the thresholds.
        text: how texts are normalised.
    """
    train_texts = _normalized(train, text)
    # A token has at least one character, so MAX_TOKENS characters are never more than MAX_TOKENS tokens.
    test_texts = [passage[:MAX_TOKENS] for passage in _normalized(test[: config.max_texts], text)]
    characters = sum(len(passage) + 1 for passage in test_texts)
    model = LanguageModel(folder)
    metrics = model.measure(test_texts, characters)
    baseline_bits = (
        LanguageModel(baseline).measure(test_texts, characters).bits_per_character if baseline else None
    )
    samples = model.generate(SAMPLES, SAMPLE_TOKENS, TEMPERATURE, TOP_P, SEED)
    return LanguageEvaluation(
        texts=len(test_texts),
        characters=characters,
        tokens=metrics.tokens,
        bits_per_character=metrics.bits_per_character,
        perplexity=metrics.perplexity,
        before=baseline_bits,
        unigram=unigram_bits(train_texts, test_texts),
        compressor=compressor_bits(train_texts, test_texts),
        distinct=(distinct_n(samples, 1), distinct_n(samples, 2), distinct_n(samples, 3)),
        copied=longest_copied_passage(samples, train_texts),
        written=samples,
        reason=_reason(metrics.bits_per_character, baseline_bits, config),
    )


def _reason(bits: float, baseline_bits: float | None, config: EvaluationConfig) -> str:
    if not math.isfinite(bits):
        return f'the model returns no probabilities: {bits} bits per character'
    if bits > config.max_bits_per_character:
        return (
            f'{bits:.3f} bits per character on held-out text, more than '
            f'evaluation.max_bits_per_character={config.max_bits_per_character:g}'
        )
    if baseline_bits is not None and bits > baseline_bits + config.max_bits_rise:
        return (
            f'{bits:.3f} bits per character on held-out text, {bits - baseline_bits:.3f} more than the latest blessed '
            f'model; evaluation.max_bits_rise={config.max_bits_rise:g} is allowed'
        )
    return ''


def _normalized(texts: Sequence[str], config: TextConfig) -> list[str]:
    return [text.decode() for text in normalize(tf.constant(texts, tf.string), config).numpy()]


def _finite(value: Any) -> Any:
    # JSON has no infinity and no NaN.
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
