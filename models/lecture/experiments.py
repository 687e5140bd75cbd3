"""The computations behind the lecture page: every cell on one text, and the candidates for gaps with every text."""

import dataclasses
import itertools
import logging
import re
import time
from collections.abc import Mapping, Sequence

import numpy as np

from vaiven.models.lecture.config import LectureConfig
from vaiven.models.lecture.corpus import Corpus, Vocabulary, require_min_tokens
from vaiven.models.lecture.gates import gate_activations
from vaiven.models.lecture.gradients import GradientNorms, gradient_norms, scaled_rnn_norms
from vaiven.models.lecture.language_model import (
    Budget,
    Curve,
    LanguageModel,
    frequency_bits,
    train,
    windows,
)
from vaiven.models.lecture.memory import copy_accuracy
from vaiven.models.lecture.word_models import WordModels, word_corpus, word_models

progress = logging.getLogger('vaiven.progress')

# Cells whose gates are shown.
GATED = ('lstm', 'peephole_lstm')
# Factors of the recurrent matrix in the experiment on vanishing and exploding gradients.
FACTORS = (0.5, 0.9, 1.1, 1.3, 1.6)
_MAX_VOCABULARY = 200  # few characters are frequent enough to matter; the others are [UNK]


@dataclasses.dataclass(frozen=True)
class CellRun:
    """One training of one cell.

    Attributes:
        curve: its learning curve.
        parameters: number of weights.
        untrained: gradient norms before training.
        trained: gradient norms after training.
    """

    curve: Curve
    parameters: int
    untrained: GradientNorms
    trained: GradientNorms


@dataclasses.dataclass(frozen=True)
class GateReading:
    """The gates of one cell over a sentence.

    Attributes:
        tokens: characters of the sentence.
        gates: activations (tokens, units shown) by the name of the gate, `f`, `i` or `o`.
        units: numbers of the units shown.
    """

    tokens: tuple[str, ...]
    gates: Mapping[str, np.ndarray]
    units: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Lecture:
    """All results that the page shows.

    Attributes:
        config: settings of the page.
        corpora: the texts; the cells are compared on the first one.
        runs: one `CellRun` per seed, by cell.
        alphabet: size of the vocabulary of the character models.
        frequency_bits: bits per character of a model that knows only the frequencies of the characters.
        scaled: gradient norms of simple RNNs (excerpts, T) by the factor of their recurrent matrix.
        readings: gates by cell.
        memory: accuracy in the copy task by delay, by cell.
        words: results of the word models, by text.
        seconds: computing time by part.
    """

    config: LectureConfig
    corpora: tuple[Corpus, ...]
    runs: Mapping[str, tuple[CellRun, ...]]
    alphabet: int
    frequency_bits: float
    scaled: Mapping[float, np.ndarray]
    readings: Mapping[str, GateReading]
    memory: Mapping[str, tuple[float, ...]]
    words: tuple[WordModels, ...]
    seconds: Mapping[str, float]


def compute(corpora: Sequence[Corpus], config: LectureConfig) -> Lecture:
    """Trains and measures all models.

    Args:
        corpora: the texts; the cells are compared on the first one.
        config: settings.

    Raises:
        CorpusError: a text is too short; raised before anything is trained.
        DivergedError: a loss is NaN or infinite.
    """
    seconds: dict[str, float] = {}
    started = time.monotonic()

    def record_time(part: str) -> None:
        nonlocal started
        seconds[part], started = time.monotonic() - started, time.monotonic()

    text = corpora[0]
    vocabulary = Vocabulary(itertools.chain.from_iterable(text.training), _MAX_VOCABULARY)
    training, held_out = vocabulary.encode(text.training), vocabulary.encode(text.held_out)
    longest = max(config.window, config.distance)
    require_min_tokens(text.name, 'characters', longest, training=training, held_out=held_out)
    word_corpora = [word_corpus(corpus, config) for corpus in corpora]
    rows = windows(held_out, config.window, config.held_out_windows)
    excerpts = windows(held_out, config.distance, config.excerpts)[:, : config.distance]
    budget = Budget(config.steps, config.batch_size, config.window, config.learning_rate, config.measurements)
    runs: dict[str, tuple[CellRun, ...]] = {}
    models: dict[str, LanguageModel] = {}
    for cell in config.cells:
        cell_runs = []
        for seed in range(config.seed, config.seed + config.runs):
            model = LanguageModel(
                cell, len(vocabulary), units=config.units, embedding_size=config.embedding_size, seed=seed
            )
            untrained = _norms(model, excerpts)
            curve = train(model, training, rows, budget, seed)
            cell_runs.append(CellRun(curve, model.count_params(), untrained, _norms(model, excerpts)))
            models.setdefault(cell, model)  # the gates are shown for the first seed
            progress.info(
                '%s, seed %d: %.2f bits per character after %d steps (%.0f s)',
                cell,
                seed,
                curve.bits[-1],
                config.steps,
                curve.seconds,
            )
        runs[cell] = tuple(cell_runs)
    noise = np.random.default_rng(config.seed).normal(
        size=(config.excerpts, config.distance, config.embedding_size)
    )
    scaled = scaled_rnn_norms(FACTORS, config.units, 0.1 * noise.astype('float32'), config.seed)
    record_time('cells')
    # Like a passage in training, the sentence starts with a token that is not part of it.
    sentence = '\n' + example_sentence(text.held_out)
    readings = {
        cell: read_gates(models[cell], vocabulary, sentence, config.gate_units)
        for cell in GATED
        if cell in models
    }
    record_time('gates')
    memory = {}
    for cell in config.cells:
        memory[cell] = copy_accuracy(cell, config.copy_task, config.seed)
        progress.info('%s: names %.0f %% of the symbols', cell, 100 * float(np.mean(memory[cell])))
    record_time('memory')
    word_results = tuple(word_models(corpus, config) for corpus in word_corpora)
    record_time('words')
    return Lecture(
        config,
        tuple(corpora),
        runs,
        len(vocabulary),
        frequency_bits(training, rows, len(vocabulary)),
        dict(zip(FACTORS, scaled, strict=True)),
        readings,
        memory,
        word_results,
        seconds,
    )


def _norms(model: LanguageModel, ids: np.ndarray) -> GradientNorms:
    return gradient_norms(model.recurrent, np.asarray(model.embedding(ids)))


def example_sentence(passages: Sequence[str], min_length: int = 40, max_length: int = 62) -> str:
    """Chooses the sentence for the heat maps.

    Args:
        passages: passages to choose from.
        min_length, max_length: number of characters.

    Returns:
        The first sentence of such a length, or else the start of the longest passage.
    """
    for passage in passages:
        for sentence in re.split(r'(?<=[.!?]) ', passage):
            if min_length <= len(sentence) <= max_length and sentence[0].isalpha():
                return sentence.strip()
    return max(passages, key=len)[:max_length].strip()


def read_gates(model: LanguageModel, vocabulary: Vocabulary, sentence: str, count: int) -> GateReading:
    """Computes the gates over the characters of a sentence.

    Args:
        model: a language model with a gated cell.
        vocabulary: its characters.
        sentence: text whose first character is read but not shown.
        count: number of units to show: those whose forget gates vary most, ordered by their mean.
    """
    ids = np.array(vocabulary.ids(sentence))
    values = gate_activations(model.recurrent, np.asarray(model.embedding(ids)))  # (tokens, units) each
    varying = np.argsort(-values['f'].std(axis=0), kind='stable')[:count]
    units = varying[np.argsort(-values['f'][:, varying].mean(axis=0), kind='stable')]
    gates = {name: values[name][1:, units] for name in ('f', 'i', 'o')}
    return GateReading(tuple(sentence[1:]), gates, tuple(map(int, units)))
