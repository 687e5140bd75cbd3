"""Augmentation of the training rows: sentences with a negation, and other names."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml

from vaiven.components.evaluation.behaviour.cases import built_in_cases
from vaiven.configuration import ConfigError
from vaiven.label_spec import SENTIMENT_LABELS, LabelSpec
from vaiven.models.data.dataset import read_examples, read_features, training_batches
from vaiven.models.data.preprocessing import IDS, LABEL, NAMES, NGRAMS
from vaiven.models.text.config import TextConfig
from vaiven.models.text.names import names
from vaiven.models.text.ngrams import ngram_ids
from vaiven.models.text.tokenization import SPECIAL_TOKENS
from vaiven.models.training.augmentation import negation
from vaiven.models.training.augmentation.names import find_names, swap_names
from vaiven.models.training.config import TrainingConfig

CONFIG = TextConfig()
ENGLISH = [*SPECIAL_TOKENS, 'the', 'of', 'and', 'is', 'not', 'good', 'it', 'bad', '.']
SPANISH = [*SPECIAL_TOKENS, 'de', 'que', 'los', 'una', 'el', 'no', 'es', 'mala']


@pytest.mark.parametrize('language', ['en', 'es'])
def test_sentences_are_balanced_and_a_word_alone_does_not_tell_the_label(language: str) -> None:
    sentences = negation.negation_sentences(language, 20_000, seed=1)
    assert len({one.text for one in sentences}) == len(sentences) > 2500
    assert 0.45 < np.mean([one.label for one in sentences]) < 0.55
    assert sentences == negation.negation_sentences(language, 20_000, seed=1)
    assert sentences != negation.negation_sentences(language, 20_000, seed=2)
    # Every polar adjective is in positive and in negative sentences.
    words = yaml.safe_load(Path(negation.__file__).with_name(f'{language}.yaml').read_text('utf-8'))
    labels: dict[str, Counter[int]] = {}
    for one in sentences:
        for word in one.text.lower().rstrip('.!').replace(',', '').split():
            labels.setdefault(word, Counter())[one.label] += 1
    for word in (*words['adjectives']['positive'], *words['adjectives']['negative']):
        assert set(labels[word]) == {0, 1}, word


def test_what_a_sentence_says_is_its_label() -> None:
    english = {one.text.rstrip('.!'): one.label for one in negation.negation_sentences('en', 1_000_000, 0)}
    assert english['It is not boring'] == english['The idea is good'] == english['It lacks nonsense'] == 1
    assert english["It isn't good"] == english['Not funny'] == 0
    assert english['It does not fail to amuse'] == 1
    spanish = {one.text.rstrip('.!'): one.label for one in negation.negation_sentences('es', 60_000, 0)}
    assert spanish['Nunca es aburrida'] == spanish['No me decepcionó'] == 1
    assert spanish['No me gustó'] == spanish['Le falta ritmo'] == 0


@pytest.mark.parametrize('language', ['en', 'es'])
def test_no_behavioural_test_of_this_package_is_a_training_sentence(language: str) -> None:
    def plain(text: str) -> str:
        return text.lower().strip('.!¡ ')

    sentences = {plain(one.text) for one in negation.negation_sentences(language, 300_000, 0)}
    negations = {plain(case.text) for case in built_in_cases(language) if case.test == 'negation'}
    assert not negations & sentences


def write(path: Path, rows: list[tuple[str, int]], vocabulary: list[str]) -> str:
    """What Transform writes with `training.augment=names`."""
    numbers = {token: number for number, token in enumerate(vocabulary)}

    def feature(values: list[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    found_names = names(tf.constant([text for text, _ in rows]), CONFIG).to_list()
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions('GZIP')) as writer:
        for (text, label), found in zip(rows, found_names, strict=True):
            features = {
                IDS: feature([2, *(numbers.get(word, 1) for word in text.lower().split()), 3]),
                LABEL: feature([label]),
                NAMES: feature([numbers.get(word.decode(), 1) for word in found]),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return str(path)


def augmented(
    tmp_path: Path, vocabulary: list[str], labels: LabelSpec, augment: tuple[str, ...], rows: int = 2000
) -> list[dict]:
    train = write(tmp_path / 'train.gz', [('it is good', 1)] * rows, vocabulary)
    training = TrainingConfig(augment=augment)
    with negation.augmentation_files(training, [train], vocabulary, CONFIG, labels) as files:
        rows = list(read_features(files, labels).as_numpy_iterator()) if files else []
    assert not [file for file in files if Path(file).exists()]
    return rows


def test_sentences_are_added_in_the_languages_of_the_vocabulary_for_labels_of_sentiment(tmp_path) -> None:
    english = augmented(tmp_path, ENGLISH, SENTIMENT_LABELS, ('negation',))
    # A tenth of the rows; draws may be equal.
    assert 150 < len(english) <= 200
    assert all(row[IDS][0] == 2 and row[IDS][-1] == 3 and len(row[NGRAMS]) for row in english)
    assert {float(row[LABEL]) for row in english} == {0.0, 1.0}
    both = augmented(tmp_path, [*ENGLISH, *SPANISH[4:]], SENTIMENT_LABELS, ('negation',))
    assert 150 < len(both) <= 200
    assert augmented(tmp_path, SPANISH, SENTIMENT_LABELS, ('negation',))
    assert augmented(tmp_path, [*SPECIAL_TOKENS, 'der', 'und'], SENTIMENT_LABELS, ('negation',)) == []
    assert augmented(tmp_path, ENGLISH, LabelSpec('binary', ('no', 'yes')), ('negation',)) == []
    assert augmented(tmp_path, ENGLISH, SENTIMENT_LABELS, ('names',)) == []
    assert len(augmented(tmp_path, ENGLISH, SENTIMENT_LABELS, ('negation',), rows=40)) == 4
    assert augmented(tmp_path, ENGLISH, SENTIMENT_LABELS, ('negation',), rows=4) == []


def test_names_are_capitalised_words_inside_a_sentence() -> None:
    texts = [
        "The Rock met Ángel Ñandú, and I'm sure. Hollywood is bored: Why?",
        'Ein Film',
        'All Of This Is A Headline',
        '"Great" NASA',
        'steven spielberg שלום 👍',
        '',
    ]
    found = [[name.decode() for name in row] for row in names(tf.constant(texts), CONFIG).to_list()]
    assert found == [['rock', 'ángel', 'ñandú'], [], [], [], [], []]
    cased = dataclasses.replace(CONFIG, lowercase=False)
    assert names(tf.constant(texts[:1]), cased).to_list() == [[b'Rock', 'Ángel'.encode(), 'Ñandú'.encode()]]


def test_the_wide_path_sees_no_names_and_no_pairs_with_them_in_every_second_text() -> None:
    def distinct(*texts: str, skip: bool = False) -> list[set[int]]:
        return [set(row) for row in ngram_ids(tf.constant(texts), CONFIG, skip_names=skip).to_list()]

    texts = [f'film {number} by Woody Allen' for number in range(200)]
    with_names, without = distinct(*texts), distinct(*(text[: text.index(' Woody')] for text in texts))
    is_skipped = []
    for found, all_of_it, rest in zip(distinct(*texts, skip=True), with_names, without, strict=True):
        assert found in (all_of_it, rest)
        is_skipped.append(found == rest)
    assert 70 < sum(is_skipped) < 130
    assert distinct('', 'ok', skip=True) == distinct('', 'ok')


def test_names_of_every_second_text_are_replaced_by_other_names_and_nothing_else(tmp_path) -> None:
    vocabulary = [*SPECIAL_TOKENS, 'by', 'woody', 'jackie', 'rock', 'good', 'mei']
    rows = [('good by Woody', 1), ('good by Jackie', 0), ('Woody good', 1), ('good rock by Rock', 1)] * 20
    rows += [('good rock', 0)] * 30 + [('good by Mei', 1)]
    train = write(tmp_path / 'train.gz', rows, vocabulary)
    found = find_names([train], len(vocabulary), SENTIMENT_LABELS)
    assert [vocabulary[index] for index in np.flatnonzero(found.is_name)] == ['woody', 'jackie', 'mei']
    assert Counter(found.pool.tolist()) == {5: 20, 6: 20, 9: 1}
    examples = read_examples([train])

    def epoch(number: int) -> list[list[list[int]]]:
        made = swap_names(training_batches(examples, 64, 16, 0, number), found, 0, tf.constant(number))
        return [ids.tolist() for ids, _ in made.as_numpy_iterator()]

    plain = [ids.tolist() for ids, _ in training_batches(examples, 64, 16, 0, 0).as_numpy_iterator()]
    swapped = epoch(0)
    assert swapped == epoch(0) != epoch(1)
    for before, after in zip(
        np.concatenate([np.ravel(one) for one in plain]),
        np.concatenate([np.ravel(one) for one in swapped]),
        strict=True,
    ):
        assert (before == after) or found.is_name[[before, after]].all()
    assert plain != swapped
    lower = write(tmp_path / 'lower.gz', [('good by woody', 1)], vocabulary)
    assert find_names([lower], len(vocabulary), SENTIMENT_LABELS) is None


@pytest.mark.parametrize('value', [('other',), ('names', 'names')])
def test_an_unknown_augmentation_is_refused(value: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r'training\.augment must name negation or names or both'):
        TrainingConfig(augment=value)
