"""The marks of negated words in the n-grams of the wide path."""

import pytest
import tensorflow as tf

from vaiven.configuration import ConfigError
from vaiven.models.export.explain import ngram_parts
from vaiven.models.text.config import TextConfig
from vaiven.models.text.negation import negated_words
from vaiven.models.text.ngrams import negated_ids, ngram_ids
from vaiven.models.text.tokenization import normalize, words
from vaiven.pipeline.config import configure

SCOPED = TextConfig(negation_scope=4)


def words_of(*texts: str) -> tf.RaggedTensor:
    return words(normalize(tf.constant(texts), SCOPED))


def marked(text: str, scope: int = 4) -> str:
    found = words_of(text)
    pairs = zip(found.values.numpy().tolist(), negated_words(found, scope).numpy().tolist(), strict=True)
    return ' '.join('¬' * is_negated + word.decode() for word, is_negated in pairs)


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
    assert marked('') == ''


def test_a_negation_at_the_end_of_a_text_does_not_reach_the_next_text() -> None:
    assert negated_words(words_of('not', 'bad', '', 'not bad'), 4).numpy().tolist() == [False] * 3 + [True]
    assert not negated_words(words_of('far', 'from here'), 4).numpy().any()


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
    # "Never football" is about football.
    assert scope('data.label_kind=multiclass', 'data.classes=football,tennis,chess') == 0
    assert scope('data.label_kind=binary', 'data.classes=ham,spam') == 0
    assert scope('data.label_kind=ordinal', 'data.classes=1,2,3') == 4
    language = configure(settings=['training.task=language', 'text.max_tokens=2500'])
    assert (language.text.scope, language.training.augment) == (0, ())
    assert scope('training.augment=names') == 0
    assert scope('training.augment=negation') == 4
    assert scope('training.augment=names,negation', 'text.negation_scope=0') == 0
    assert scope('text.negation_scope=2') == 2
    with pytest.raises(ConfigError, match=r'text\.negation_scope must be null or lie between 0 and 20'):
        TextConfig(negation_scope=21)


def test_the_ids_after_a_negation_are_other_ids_of_the_same_kind() -> None:
    ids = tf.concat(
        [tf.range(1, 2001, dtype=tf.int64), tf.range(2**31 - 2002, 2**31 - 1, dtype=tf.int64)], axis=0
    )
    negated = negated_ids(ids).numpy()
    assert len(set(negated.tolist())) == len(ids)
    assert not set(negated.tolist()) & set(ids.numpy().tolist())
    assert (negated % 2 == ids.numpy() % 2).all()
    assert negated.min() >= 1
    assert negated.max() <= 2**31 - 2
