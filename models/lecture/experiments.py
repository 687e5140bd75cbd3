"""What a lecture's page shows, computed: every cell on one text, and what words a gap gets in every text."""

import dataclasses
import itertools
import logging
import re
import time
from collections.abc import Mapping, Sequence

import numpy as np

from vaiven.models.lecture import candidates
from vaiven.models.lecture.candidates import Filled
from vaiven.models.lecture.config import LectureConfig
from vaiven.models.lecture.corpus import Corpus, Vocabulary, require_longer, words
from vaiven.models.lecture.gates import gate_activations
from vaiven.models.lecture.gradients import GradientNorms, gradient_norms, scaled_rnn_norms
from vaiven.models.lecture.language_model import (
    Budget,
    Curve,
    LanguageModel,
    bits_per_token,
    frequency_bits,
    train,
    windows,
)
from vaiven.models.text.tokenization import UNK_ID

progress = logging.getLogger('vaiven.progress')

GATED = ('lstm', 'peephole_lstm')
FACTORS = (0.5, 0.9, 1.1, 1.3, 1.6)
_MAX_CHARACTERS = 200  # a text has few signs that matter; the rest is [UNK]


@dataclasses.dataclass(frozen=True)
class CellRun:
    """One training of one cell."""

    curve: Curve
    parameters: int
    untrained: GradientNorms
    trained: GradientNorms


@dataclasses.dataclass(frozen=True)
class Reading:
    """The gates of one cell over a sentence: `gates[name]` is (tokens, units shown)."""

    tokens: tuple[str, ...]
    gates: Mapping[str, np.ndarray]
    units: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class WordText:
    """A text as word models read it: int (tokens), and the number of its words without begins and ends."""

    name: str
    vocabulary: Vocabulary
    training: np.ndarray
    held_out: np.ndarray
    training_words: int


@dataclasses.dataclass(frozen=True)
class WordModels:
    """What the word models of one text say, and how good they are on its held-out part."""

    name: str
    vocabulary_size: int
    training_words: int
    unknown_share: float
    passes: float
    perplexity: Mapping[str, float]
    filled: tuple[Filled, ...]
    not_asked: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Lecture:
    """Everything that the page shows.

    Attributes:
        runs: of each cell, one `CellRun` a seed.
        frequency_bits: bits per character of the characters' frequencies alone.
        scaled: gradients of simple RNNs by the factor of their recurrent matrix.
        seconds: of each part.
    """

    config: LectureConfig
    corpora: tuple[Corpus, ...]
    runs: Mapping[str, tuple[CellRun, ...]]
    alphabet: int
    frequency_bits: float
    scaled: Mapping[float, np.ndarray]
    readings: Mapping[str, Reading]
    words: tuple[WordModels, ...]
    seconds: Mapping[str, float]


def compute(corpora: Sequence[Corpus], config: LectureConfig) -> Lecture:
    """Trains and measures. The first text is the one that the cells are compared on.

    Raises:
        TextError: where a text is too short for what is asked of it, before anything is trained.
        DivergedError: if a loss is no longer a number.
    """
    seconds: dict[str, float] = {}
    began = time.monotonic()

    def note(part: str) -> None:
        nonlocal began
        seconds[part], began = time.monotonic() - began, time.monotonic()

    text = corpora[0]
    vocabulary = Vocabulary(itertools.chain.from_iterable(text.training), _MAX_CHARACTERS)
    stream, held_out = vocabulary.stream(text.training), vocabulary.stream(text.held_out)
    longest = max(config.window, config.distance)
    require_longer(text.name, 'characters', longest, training=stream, held_out=held_out)
    word_texts = [word_text(corpus, config) for corpus in corpora]
    rows = windows(held_out, config.window, config.held_out_windows)
    excerpts = windows(held_out, config.distance, config.excerpts)[:, : config.distance]
    budget = Budget(config.steps, config.batch_size, config.window, config.learning_rate, config.measurements)
    runs: dict[str, tuple[CellRun, ...]] = {}
    models: dict[str, LanguageModel] = {}
    for cell in config.cells:
        done = []
        for seed in range(config.seed, config.seed + config.runs):
            model = LanguageModel(
                cell, len(vocabulary), units=config.units, embedding_size=config.embedding_size, seed=seed
            )
            untrained = _norms(model, excerpts)
            curve = train(model, stream, rows, budget, seed)
            done.append(CellRun(curve, model.count_params(), untrained, _norms(model, excerpts)))
            models.setdefault(cell, model)
            progress.info(
                '%s, seed %d: %.2f bits per character after %d steps (%.0f s)',
                cell,
                seed,
                curve.bits[-1],
                config.steps,
                curve.seconds,
            )
        runs[cell] = tuple(done)
    noise = np.random.default_rng(config.seed).normal(
        size=(config.excerpts, config.distance, config.embedding_size)
    )
    scaled = scaled_rnn_norms(FACTORS, config.units, 0.1 * noise.astype('float32'), config.seed)
    note('cells')
    sentence = '\n' + demonstration(text.held_out)
    readings = {
        cell: read(models[cell], vocabulary, sentence, config.gate_units) for cell in GATED if cell in models
    }
    note('gates')
    answers = tuple(word_models(text, config) for text in word_texts)
    note('words')
    return Lecture(
        config,
        tuple(corpora),
        runs,
        len(vocabulary),
        frequency_bits(stream, rows, len(vocabulary)),
        dict(zip(FACTORS, scaled, strict=True)),
        readings,
        answers,
        seconds,
    )


def _norms(model: LanguageModel, ids: np.ndarray) -> GradientNorms:
    return gradient_norms(model.recurrent, np.asarray(model.embedding(ids)))


def demonstration(texts: Sequence[str], shortest: int = 40, longest: int = 62) -> str:
    """The first sentence of a readable length, or else the beginning of the longest text."""
    for text in texts:
        for part in re.split(r'(?<=[.!?]) ', text):
            if shortest <= len(part) <= longest and part[0].isalpha():
                return part.strip()
    return max(texts, key=len)[:longest].strip()


def read(model: LanguageModel, vocabulary: Vocabulary, sentence: str, count: int) -> Reading:
    """The gates over the characters of a sentence.

    Of the units, the `count` whose forget gates change most, ordered by how far these are open.
    """
    ids = np.array(vocabulary.ids(sentence))
    values = gate_activations(model.recurrent, np.asarray(model.embedding(ids)))
    most = np.argsort(-values['f'].std(axis=0), kind='stable')[:count]
    units = most[np.argsort(-values['f'][:, most].mean(axis=0), kind='stable')]
    # The line's beginning is read, as in training, and not shown.
    gates = {name: values[name][1:, units] for name in ('f', 'i', 'o')}
    return Reading(tuple(sentence[1:]), gates, tuple(map(int, units)))


def word_text(corpus: Corpus, config: LectureConfig) -> WordText:
    training, held_out = words(corpus.training), words(corpus.held_out)
    vocabulary = Vocabulary(itertools.chain.from_iterable(training), config.word_vocabulary)
    streams = {'training': vocabulary.stream(training), 'held_out': vocabulary.stream(held_out)}
    require_longer(corpus.name, 'words', config.word_window, **streams)
    return WordText(corpus.name, vocabulary, **streams, training_words=sum(map(len, training)))


def word_models(text: WordText, config: LectureConfig) -> WordModels:
    """Trains a forward and a backward word model and has them fill the gaps of the sentences that suit them."""
    vocabulary, stream, rest = text.vocabulary, text.training, text.held_out
    budget = Budget(
        config.word_steps, config.batch_size, config.word_window, config.word_learning_rate, measurements=1
    )
    # The backward model reads the same stream from its end: each text from [EOS] to [BOS].
    streams = {'forward': (stream, rest), 'backward': (stream[::-1], rest[::-1])}
    models, perplexity = {}, {}
    for direction, (learnt, measured) in streams.items():
        model = LanguageModel(
            'lstm',
            len(vocabulary),
            units=config.word_units,
            embedding_size=config.word_units,
            seed=config.seed,
        )
        rows = windows(measured, config.word_window, config.held_out_windows)
        curve = train(model, learnt, rows, budget, config.seed)
        models[direction], perplexity[direction] = model, 2 ** bits_per_token(model, rows)
        progress.info(
            '%s, %s words: perplexity %.0f (%.0f s)',
            text.name,
            direction,
            perplexity[direction],
            curve.seconds,
        )
    rows = windows(rest, config.word_window, config.held_out_windows)
    perplexity['frequency'] = 2 ** frequency_bits(stream, rows, len(vocabulary))
    frequencies = np.bincount(stream, minlength=len(vocabulary)) / len(stream)
    known = {s: candidates.known_share(s, vocabulary) for s in candidates.SENTENCES}
    # A sentence of another language has few words that this text knows.
    suited = [sentence for sentence, share in known.items() if share > 0.7]
    return WordModels(
        text.name,
        len(vocabulary),
        text.training_words,
        float((rest == UNK_ID).mean()),
        config.word_steps * config.batch_size * config.word_window / len(stream),
        perplexity,
        tuple(
            candidates.fill(
                sentence, vocabulary, models['forward'], models['backward'], frequencies, config.candidates
            )
            for sentence in suited
        ),
        tuple(sentence for sentence in candidates.SENTENCES if sentence not in suited),
    )
