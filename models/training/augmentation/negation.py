"""Labelled sentences with a negation, from short lists of words and frames: "it is not boring" is positive.

The rows of a data set seldom show that "not" turns the word that follows: 10,000 film sentences have "not bad" in a
handful. Each frame is filled with words of both polarities, so that neither its own words nor the filled ones tell the
label without each other.
"""

import contextlib
import logging
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
import yaml

from vaiven.label_spec import LabelSpec
from vaiven.models.data.dataset import read_features
from vaiven.models.data.preprocessing import IDS, LABEL, NGRAMS
from vaiven.models.data.targets import has_target
from vaiven.models.text.config import TextConfig
from vaiven.models.text.ngrams import ngram_ids
from vaiven.models.text.tokenization import token_table, tokenize, tokens_to_ids
from vaiven.models.training.config import TrainingConfig

progress = logging.getLogger('vaiven.progress')

# Sentences for each labelled row, and their maximum.
SHARE, MAX_SENTENCES = 0.1, 2000
_SLOTS = {'adjectives': 'adjective', 'verbs': 'verb', 'effects': 'effect', 'nouns': 'noun'}
_FUNCTION_WORDS = {'en': ('the', 'of', 'and', 'is', 'that'), 'es': ('el', 'que', 'los', 'una', 'del')}
# A vocabulary is in the order of the counts; the function words of its language are at its start.
_FREQUENT_TOKENS = 150


class Sentence(NamedTuple):
    """A sentence and the number of its class: 0 negative, 1 positive."""

    text: str
    label: int


def negation_sentences(language: str, count: int, seed: int) -> list[Sentence]:
    """Draws sentences; no two are equal.

    Args:
        language: `en` or `es`.
        count: number of draws; equal sentences are left out.
        seed: of the draws.
    """
    words: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(f'{language}.yaml').read_text('utf-8'))
    frames = [
        (frame, kind, effect == 'flip')
        for effect in ('keep', 'flip')
        for kind in _SLOTS
        for frame in words[effect][kind]
    ]
    left_out = {text.lower() for text in words['left_out']}
    draws = random.Random(seed)
    sentences: dict[str, Sentence] = {}
    for _ in range(count):
        frame, kind, is_flipped = draws.choice(frames)
        polarity = draws.choice(('negative', 'positive'))
        first, second = draws.sample(words[kind][polarity], 2)
        text = frame.format(
            **{_SLOTS[kind]: first, 'other': second, 'subject': draws.choice(words['subjects'])}
        )
        if text.lower() in left_out:
            continue
        text = f'{text[0].upper()}{text[1:]}{draws.choice(("", ".", ".", "!"))}'
        sentences[text] = Sentence(text, int((polarity == 'positive') != is_flipped))
    return list(sentences.values())


def languages_of(vocabulary: Sequence[str]) -> list[str]:
    """The languages among English and Spanish whose function words are frequent in a vocabulary.

    Args:
        vocabulary: the tokens, the most frequent ones first.
    """
    frequent = set(vocabulary[:_FREQUENT_TOKENS])
    return [name for name, words in _FUNCTION_WORDS.items() if sum(word in frequent for word in words) >= 3]


@contextlib.contextmanager
def augmentation_files(
    training: TrainingConfig,
    train_files: Sequence[str],
    vocabulary: Sequence[str],
    config: TextConfig,
    labels: LabelSpec,
) -> Iterator[list[str]]:
    """Further training examples, in a temporary file.

    Args:
        training: settings of the training.
        train_files: examples that Transform wrote.
        vocabulary: the tokens, in the order of their ids.
        config: settings of the tokeniser.
        labels: kind and classes.

    Yields:
        Paths; empty without negation in `training.augment`, or where labels or language have no sentences.
    """
    if 'negation' not in training.augment:
        yield []
        return
    labelled = read_features(train_files, labels).filter(has_target)
    rows = int(labelled.reduce(0, lambda count, _: count + 1))
    with tempfile.TemporaryDirectory(prefix='vaiven-negation-') as folder:
        path = f'{folder}/negation.gz'
        sentences = write_negations(path, rows, vocabulary, config, labels, training.seed)
        if sentences:
            progress.info('%d sentences with a negation are added to %d labelled rows', sentences, rows)
        yield [path] if sentences else []


def write_negations(
    path: str, rows: int, vocabulary: Sequence[str], config: TextConfig, labels: LabelSpec, seed: int
) -> int:
    """Writes sentences as examples in the form of Transform: a gzipped TFRecord file.

    Args:
        path: of the file.
        rows: number of labelled training rows.
        vocabulary: the tokens, in the order of their ids.
        config: settings of the tokeniser.
        labels: of the model; others than those of sentiment get no sentences.
        seed: of the draws.

    Returns:
        The number of sentences; 0 if the labels or the language have none or the rows are too few: then no file is
        written.
    """
    languages = languages_of(vocabulary) if labels.is_sentiment else []
    count = min(round(SHARE * rows), MAX_SENTENCES) // max(len(languages), 1)
    sentences = [one for name in languages for one in negation_sentences(name, count, seed)]
    if not sentences:
        return 0
    texts, table = tf.constant([one.text for one in sentences]), token_table(vocabulary)
    ids = tokens_to_ids(tokenize(texts, config, table), table).to_list()
    ngrams = ngram_ids(texts, config).to_list()
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions('GZIP')) as writer:
        for row_ids, row_ngrams, one in zip(ids, ngrams, sentences, strict=True):
            features = {IDS: row_ids, NGRAMS: row_ngrams, LABEL: [one.label]}
            feature = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
                for name, values in features.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    return len(sentences)
