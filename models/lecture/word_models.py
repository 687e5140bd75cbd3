"""Word-level language models of a text in both directions, and their candidates for gaps."""

import dataclasses
import itertools
import logging
from collections.abc import Mapping

import numpy as np

from vaiven.models.lecture import candidates
from vaiven.models.lecture.candidates import GapCandidates
from vaiven.models.lecture.config import LectureConfig
from vaiven.models.lecture.corpus import Corpus, Vocabulary, require_min_tokens, words
from vaiven.models.lecture.language_model import (
    Budget,
    LanguageModel,
    bits_per_token,
    frequency_bits,
    train,
    windows,
)
from vaiven.models.text.tokenization import UNK_ID

progress = logging.getLogger('vaiven.progress')


@dataclasses.dataclass(frozen=True)
class WordCorpus:
    """A text as the word models read it.

    Attributes:
        name: name of the text.
        vocabulary: its most frequent words.
        training: ids, int (tokens).
        stopping: the tenth after them, int (tokens): tells when to stop the training.
        held_out: ids, int (tokens).
        training_words: number of words, without `[BOS]` and `[EOS]`.
    """

    name: str
    vocabulary: Vocabulary
    training: np.ndarray
    stopping: np.ndarray
    held_out: np.ndarray
    training_words: int


@dataclasses.dataclass(frozen=True)
class WordModels:
    """The results of the word models of one text.

    Attributes:
        name: name of the text.
        vocabulary_size: number of ids.
        training_words: number of words in the training part.
        unknown_share: share of `[UNK]` in the held-out part.
        passes: how many times the forward model has read the training part.
        perplexity: on the held-out part: `forward`, `backward`, and `frequency` of the word frequencies alone.
        gaps: candidates for the gap of each sentence.
        skipped_sentences: sentences with too many unknown words.
    """

    name: str
    vocabulary_size: int
    training_words: int
    unknown_share: float
    passes: float
    perplexity: Mapping[str, float]
    gaps: tuple[GapCandidates, ...]
    skipped_sentences: tuple[str, ...]


def word_corpus(corpus: Corpus, config: LectureConfig) -> WordCorpus:
    """Splits a text into words and converts them to ids.

    Raises:
        CorpusError: the text has too few words.
    """
    training, held_out = words(corpus.training), words(corpus.held_out)
    vocabulary = Vocabulary(itertools.chain.from_iterable(training), config.word_vocabulary)
    ids, held_out_ids = vocabulary.encode(training), vocabulary.encode(held_out)
    window = config.word_window
    require_min_tokens(corpus.name, 'words', 2 * window + 1, training=ids)
    require_min_tokens(corpus.name, 'words', window, held_out=held_out_ids)
    start = len(ids) - max(len(ids) // 10, window + 1)
    return WordCorpus(
        corpus.name, vocabulary, ids[:start], ids[start:], held_out_ids, sum(map(len, training))
    )


def word_models(corpus: WordCorpus, config: LectureConfig) -> WordModels:
    """Trains a forward and a backward word model, and predicts the gaps of the sentences in the text's language."""
    vocabulary, training, held_out = corpus.vocabulary, corpus.training, corpus.held_out
    budget = Budget(
        config.word_steps,
        config.batch_size,
        config.word_window,
        config.word_learning_rate,
        config.word_measurements,
    )
    # The backward model reads the same ids from the end: each passage from [EOS] to [BOS].
    parts = (training, corpus.stopping, held_out)
    splits = {'forward': parts, 'backward': tuple(ids[::-1] for ids in parts)}
    models, perplexity, steps = {}, {}, {}
    for direction, (train_ids, stopping_ids, held_out_ids) in splits.items():
        model = LanguageModel(
            'lstm',
            len(vocabulary),
            units=config.word_units,
            embedding_size=config.word_units,
            seed=config.seed,
        )
        rows = windows(held_out_ids, config.word_window, config.held_out_windows)
        stopping_rows = windows(stopping_ids, config.word_window, config.held_out_windows)
        curve = train(model, train_ids, stopping_rows, budget, config.seed, patience=config.word_patience)
        # The weights are those of the best measurement.
        steps[direction] = curve.steps[int(np.argmin(curve.bits))]
        models[direction], perplexity[direction] = model, 2 ** bits_per_token(model, rows)
        progress.info(
            '%s, %s words: perplexity %.0f after %d steps (%.0f s)',
            corpus.name,
            direction,
            perplexity[direction],
            steps[direction],
            curve.seconds,
        )
    rows = windows(held_out, config.word_window, config.held_out_windows)
    perplexity['frequency'] = 2 ** frequency_bits(training, rows, len(vocabulary))
    frequencies = np.bincount(training, minlength=len(vocabulary)) / len(training)
    known = {s: candidates.known_word_share(s, vocabulary) for s in candidates.SENTENCES}
    # A sentence in another language has few words of this vocabulary.
    sentences = [sentence for sentence, share in known.items() if share > 0.7]
    return WordModels(
        corpus.name,
        len(vocabulary),
        corpus.training_words,
        float((held_out == UNK_ID).mean()),
        steps['forward'] * config.batch_size * config.word_window / len(training),
        perplexity,
        tuple(
            candidates.fill_gap(
                sentence, vocabulary, models['forward'], models['backward'], frequencies, config.candidates
            )
            for sentence in sentences
        ),
        tuple(sentence for sentence in candidates.SENTENCES if sentence not in sentences),
    )
