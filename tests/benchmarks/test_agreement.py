"""The pairs of agreement, the models that are evaluated, and the figures."""

import collections
import itertools

import numpy as np
import pytest

from benchmarks import agreement_models
from benchmarks.agreement import OURS, cells_of, wilson
from benchmarks.agreement_models import FiveGram, OurModel, margins, read_corpus
from benchmarks.agreement_pairs import DISTRACTORS, FEATURES, Pair, pairs, word_lists, words_of
from benchmarks.baselines.kneser_ney import KneserNey, TokenKneserNey
from benchmarks.language import HELD_OUT, VALIDATION
from benchmarks.prepared import tokens_of
from vaiven.pipeline.config import configure

pytestmark = pytest.mark.slow

LISTS = word_lists()
MADE = pairs(LISTS, a_cell=80)


def test_every_cell_has_as_many_pairs_and_none_twice():
    cells = collections.Counter((pair.feature, pair.distractors) for pair in MADE)
    assert cells == {(feature, distractors): 80 for feature in FEATURES for distractors in DISTRACTORS}
    assert len(set(MADE)) == len(MADE)
    assert len(set(pairs(LISTS))) >= 500
    assert pairs(LISTS, a_cell=80) == MADE != pairs(LISTS, a_cell=80, seed=1)


def test_settings_are_chosen_on_other_nouns_than_are_measured():
    measured, chosen_on = ({noun.forms for noun in word_lists(part).nouns} for part in ('test', 'validation'))
    assert measured.isdisjoint(chosen_on)
    assert len(pairs(word_lists('validation'), a_cell=80)) == len(MADE)


def test_the_right_word_agrees_with_the_subject_and_the_distractors_do_not():
    plural_of = {noun.forms[0]: noun.forms[1] for noun in LISTS.nouns}
    number = {form: place for noun in LISTS.nouns for place, form in enumerate(noun.forms)}
    gender = {form: noun.gender for noun in LISTS.nouns for form in noun.forms}
    assert len(number) == 2 * len(LISTS.nouns) == 2 * len(plural_of)
    verb_number = {form: place for verb in LISTS.verbs for place, form in enumerate(verb)}
    adjective = {forms[place]: (place // 2, place % 2) for forms in LISTS.adjectives for place in range(4)}
    for pair in MADE:
        subject, *others = [word for word in pair.prefix.split() if word in number]
        # A word that is an adjective besides, as «criado», is none here: the prefixes hold no adjectives.
        assert len(others) == pair.distractors, pair
        assert adjective[pair.suffix.split()[-2]] == (number[subject], gender[subject]), pair
        if pair.feature == 'number':
            assert verb_number[pair.right] == number[subject] != verb_number[pair.wrong], pair
            assert all(number[other] != number[subject] for other in others), pair
        else:
            assert adjective[pair.right] == (number[subject], gender[subject]), pair
            assert adjective[pair.wrong] == (number[subject], 1 - gender[subject]), pair
            assert all((number[o], gender[o]) == adjective[pair.wrong] for o in others), pair


def test_determiners_agree_and_articles_are_contracted():
    gender = {form: noun.gender for noun in LISTS.nouns for form in noun.forms}
    for pair in MADE:
        words = pair.prefix.split()
        assert ' de el ' not in pair.prefix
        assert ' a el ' not in pair.prefix
        for determiner, noun in itertools.pairwise(words):
            if noun in gender and determiner in ('el', 'los', 'del', 'al', 'la', 'las'):
                assert (determiner in ('la', 'las')) == bool(gender[noun]), pair


def test_a_pairs_words_are_the_tokens_of_the_pipeline():
    prefixes = [pair.prefix for pair in MADE]
    assert tokens_of(prefixes, configure()) == [[w.encode() for w in prefix.split()] for prefix in prefixes]


def test_the_5_gram_over_tokens_is_the_one_over_characters_but_for_what_is_unseen():
    text, other = 'la casa es blanca y las casas son blancas', 'las ñ casas'
    points = [np.array([ord(c) for c in part]) for part in (text, other)]
    tokens = TokenKneserNey(4).fit(points[0]).probabilities(points[1])
    characters = KneserNey(4).fit(text).probabilities(other)
    seen = np.array([c in text for c in other])
    np.testing.assert_allclose(tokens[seen], characters[seen])
    assert (tokens[~seen] > 1000 * characters[~seen]).all()


# The number agrees over the distractor, as far as a 5-gram sees as well.
SENTENCES = [
    sentence
    for thing in ('casa', 'mesa')
    for animal in ('perro', 'gato')
    for sentence in (f'la {thing} de los {animal}s era así .', f'las {thing}s de un {animal} eran así .')
]
ASKED = [
    Pair('number', 1, 'la casa de los perros', 'era', 'eran', 'así .'),
    Pair('number', 1, 'las mesas de un gato', 'eran', 'era', 'así .'),
]


@pytest.mark.parametrize('unit', ['word', 'wordpiece'])
def test_both_models_learn_the_agreement_of_their_text(unit, tmp_path, monkeypatch):
    texts = dict.fromkeys((*HELD_OUT, *VALIDATION, 'A', 'B'), '\n'.join(SENTENCES * 20))
    settings = [
        f'text.unit={unit}', 'vocabulary.max_size=40', 'network.units=16', 'network.embedding_size=8',
        'network.dropout=0', 'training.batch_size=8', 'training.window=8', 'training.learning_rate=0.03',
        'training.epochs=12',
    ]  # fmt: skip
    config = configure(settings=[*OURS, *settings])
    corpus = read_corpus(texts, config, words=10**6, measured_words=400)
    assert len(corpus.validation) < len(corpus.train)
    if unit == 'word':
        five_gram = FiveGram(corpus)
        assert (margins(five_gram, ASKED, sentence=False) > 0).all()
        assert five_gram.perplexity(corpus.held_out) < 3
    ours = OurModel.fit(config, corpus, tmp_path)
    for sentence in (False, True):
        assert (margins(ours, ASKED, sentence=sentence) > 0).all()
    assert 1 <= ours.perplexity(corpus.held_out) < 3
    continuations = [('la casa', 'de los perros'), ('', 'las')]
    with monkeypatch.context() as patched:
        patched.delattr(agreement_models, 'train_language')
        again = OurModel.fit(config, corpus, tmp_path)
    np.testing.assert_allclose(
        again.log_probabilities(continuations), ours.log_probabilities(continuations), atol=1e-5
    )
    other = configure(settings=[*OURS, *settings, 'training.epochs=1'])
    retrained = OurModel.fit(other, corpus, tmp_path)
    assert (
        np.abs(retrained.log_probabilities(continuations) - ours.log_probabilities(continuations)).min()
        > 0.01
    )


def test_held_out_novels_are_not_learnt_from():
    texts = {name: f'texto de {name.lower()}' for name in (*HELD_OUT, *VALIDATION, 'A')}
    corpus = read_corpus(texts, configure(settings=OURS), words=10**6, measured_words=100)
    assert set(corpus.vocabulary[4:]) == {'texto', 'de', 'a'}


def test_figures_are_counted_for_each_cell():
    tested = [Pair('number', 0, 'a', 'b', 'c', '.')] * 3 + [Pair('gender', 2, 'a', 'b', 'c', '.')]
    cells = cells_of(tested, {'x': {'word': np.array([True, True, False, False])}})
    found = {(cell['feature'], cell['distractors']): cell for cell in cells}
    assert found['number', 0]['x']['word']['accuracy'] == pytest.approx(2 / 3)
    assert found['gender', 2]['x']['word']['accuracy'] == 0
    assert found['number', 1]['pairs'] == 0


def test_the_interval_is_wilsons():
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20)[0] == pytest.approx(0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_words_of_pairs_are_prefix_right_and_wrong():
    assert words_of(ASKED[:1]) == {'la', 'casa', 'de', 'los', 'perros', 'era', 'eran', 'así', '.'}
