"""The marks of negated words in the n-grams of the wide path."""

import pytest
import tensorflow as tf

from vaiven.configuration import ConfigError
from vaiven.models.export.explain import ngram_parts
from vaiven.models.text.config import TextConfig
from vaiven.models.text.negation import mark_negated
from vaiven.models.text.ngrams import ngram_ids
from vaiven.models.text.tokenization import normalize, words
from vaiven.pipeline.config import configure

SCOPED = TextConfig(negation_scope=4)


def words_of(*texts: str) -> tf.RaggedTensor:
    return words(normalize(tf.constant(texts), SCOPED))


def marked(text: str, scope: int = 4) -> str:
    found = mark_negated(words_of(text), scope)
    return b' '.join(found.to_list()[0]).decode()


def test_words_after_a_negation_are_marked_up_to_the_next_punctuation_or_but() -> None:
    assert marked('It is not bad.') == 'it is not ¬bad .'
    assert marked("It isn't a good film, I fear") == "it isn't ¬a ¬good ¬film , i fear"
    assert marked('not good but bad') == 'not ¬good but bad'
    assert marked('No está mal, pero nunca divierte') == 'no ¬está ¬mal , pero nunca ¬divierte'
    assert marked('a b not c d e f g') == 'a b not ¬c ¬d ¬e ¬f g'
    assert marked('not a good film', 1) == 'not ¬a good film'
    assert marked('no one never liked it') == 'no ¬one never ¬liked ¬it'
    assert marked('it is far from good, but not far') == 'it is far from ¬good , but not ¬far'
    assert marked('Anything but a bad film') == 'anything but ¬a ¬bad ¬film'
    assert marked('está lejos de aburrir') == 'está lejos de ¬aburrir'
    assert marked('far', 4) == 'far'
    assert marked('not bad', 0) == 'not bad'
    assert marked('') == ''


def test_a_negation_at_the_end_of_a_text_does_not_reach_the_next_text() -> None:
    found = words_of('not', 'bad', '', 'not bad')
    assert mark_negated(found, 4).to_list() == [[b'not'], [b'bad'], [], [b'not', '¬bad'.encode()]]
    assert mark_negated(words_of('far', 'from here'), 4).to_list() == [[b'far'], [b'from', b'here']]


def test_negated_words_have_n_grams_of_their_own_and_all_others_are_unchanged() -> None:
    def distinct(text: str, config: TextConfig) -> set[int]:
        return set(ngram_ids(tf.constant([text]), config).to_list()[0])

    plain, scoped = distinct('a bad film', TextConfig()), distinct('a bad film', SCOPED)
    assert plain == scoped
    # Of "not bad" only the word "not", the pair and the subwords of "not" are shared.
    shared = distinct('not bad', TextConfig()) & distinct('not bad', SCOPED)
    assert shared == distinct('not', TextConfig()) | (
        distinct('not bad', TextConfig()) - distinct('not', TextConfig()) - distinct('bad', TextConfig())
    )
    # The mark is on subwords, too, so that "¬badly" has some of "¬bad".
    assert len(distinct('not badly', SCOPED) & distinct('not bad', SCOPED) - distinct('not', SCOPED)) >= 3


def test_an_explanation_lists_the_n_grams_of_the_wide_path() -> None:
    text = "It isn't a good film, no?"
    parts = ngram_parts(words_of(text).flat_values, SCOPED.scope)
    assert set(parts.ids.numpy().tolist()) == set(ngram_ids(tf.constant([text]), SCOPED).to_list()[0])
    assert '¬good'.encode() in parts.strings.numpy().tolist()


def test_negation_sentences_come_with_marks_unless_the_setting_says_otherwise() -> None:
    def scope(*settings: str) -> int:
        return configure(settings=settings).text.scope

    assert configure().training.augment == ('negation', 'names')
    assert scope() == 4
    assert scope('training.augment=') == 0
    assert scope('training.augment=names') == 0
    assert scope('training.augment=negation') == 4
    assert scope('training.augment=names,negation', 'text.negation_scope=0') == 0
    assert scope('text.negation_scope=2') == 2
    with pytest.raises(ConfigError, match=r'text\.negation_scope must be null or lie between 0 and 20'):
        TextConfig(negation_scope=21)
