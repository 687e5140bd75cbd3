"""Measures a language model on held-out texts, and says whether it is good enough."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from vaiven.components.evaluation.config import EvaluationConfig
from vaiven.components.language_evaluation.baselines import compressor_bits, unigram_bits
from vaiven.components.language_evaluation.measurements import LanguageModel
from vaiven.components.language_evaluation.originality import distinct, longest_copied
from vaiven.models.text.config import MAX_TOKENS, TextConfig
from vaiven.models.text.tokenization import normalize

# What the model writes to be looked at: begun from nothing, the same draws each time.
SAMPLES, SAMPLE_TOKENS, TEMPERATURE, TOP_P, SEED = 4, 500, 0.8, 0.95, 1


@dataclasses.dataclass
class Evaluation:
    """What came out.

    Attributes:
        texts, characters, tokens: how much held-out text was foreseen.
        bits_per_character, perplexity: of the model; the perplexity is that of a token.
        before: bits a character of the latest blessed other model; None where there is none.
        unigram, compressor: bits a character without a network, see `simple`.
        distinct: distinct-1, -2 and -3 of what the model wrote.
        copied: the longest stretch of that which stands in the training text.
        written: what it wrote.
        reason: why the model is not blessed; empty where it is.
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
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2, ensure_ascii=False)


def evaluate(
    folder: str,
    before: str | None,
    train: Sequence[str],
    test: Sequence[str],
    config: EvaluationConfig,
    text: TextConfig,
) -> Evaluation:
    """Measures a SavedModel.

    Args:
        folder: of the model.
        before: that of the model it is compared with; None for none.
        train: texts that it learned from.
        test: texts that it did not; those beyond `config.max_texts` are passed over, and so is what a text has
            beyond the characters that are surely scored.
        config: the bounds.
        text: how texts are normalised.
    """
    plain_train = _normalized(train, text)
    # A token has a character at least.
    plain_test = [each[:MAX_TOKENS] for each in _normalized(test[: config.max_texts], text)]
    characters = sum(len(each) + 1 for each in plain_test)
    model = LanguageModel(folder)
    fit = model.fit_to(plain_test, characters)
    other = LanguageModel(before).fit_to(plain_test, characters).bits_per_character if before else None
    written = model.write(SAMPLES, SAMPLE_TOKENS, TEMPERATURE, TOP_P, SEED)
    return Evaluation(
        texts=len(plain_test),
        characters=characters,
        tokens=fit.tokens,
        bits_per_character=fit.bits_per_character,
        perplexity=fit.perplexity,
        before=other,
        unigram=unigram_bits(plain_train, plain_test),
        compressor=compressor_bits(plain_train, plain_test),
        distinct=(distinct(written, 1), distinct(written, 2), distinct(written, 3)),
        copied=longest_copied(written, plain_train),
        written=written,
        reason=_reason(fit.bits_per_character, other, config),
    )


def _reason(bits: float, before: float | None, config: EvaluationConfig) -> str:
    if not math.isfinite(bits):
        return f'the model gives no probabilities: {bits} bits a character'
    if bits > config.max_bits_per_character:
        return (
            f'{bits:.3f} bits a character on held-out text, more than '
            f'evaluation.max_bits_per_character={config.max_bits_per_character:g}'
        )
    if before is not None and bits > before + config.max_bits_rise:
        return (
            f'{bits:.3f} bits a character on held-out text, {bits - before:.3f} more than the blessed model before it; '
            f'evaluation.max_bits_rise={config.max_bits_rise:g} are allowed'
        )
    return ''


def _normalized(texts: Sequence[str], config: TextConfig) -> list[str]:
    return [text.decode() for text in normalize(tf.constant(texts, tf.string), config).numpy()]


def _finite(value: Any) -> Any:
    """JSON knows no infinity."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
