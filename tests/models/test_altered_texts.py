"""The altered copies of training texts that a teacher scores."""

from collections import Counter

import pytest

from vaiven.models.teacher.altered_texts import MAX_WORDS, altered_texts

TEXTS = ['¿qué tal la película?', 'una película muy buena 😀', 'a film that is not bad at all', 'سيئ جدا']


def test_the_same_seed_makes_the_same_copies_and_another_seed_others():
    assert list(altered_texts(TEXTS, 3, 1)) == list(altered_texts(TEXTS, 3, 1))
    assert list(altered_texts(TEXTS, 3, 1)) != list(altered_texts(TEXTS, 3, 2))


@pytest.mark.parametrize('copies', [0, 1, 2, 3, 7])
def test_each_text_has_as_many_copies_as_are_asked_for_and_all_words_are_of_the_texts(copies):
    made = list(altered_texts(TEXTS, copies, 0))
    assert len(made) == copies * len(TEXTS)
    assert {word for text in made for word in text.split()} <= {
        word for text in TEXTS for word in text.split()
    }
    assert all(made)


def test_the_three_alterations_take_turns():
    texts = [f'{"a" * n} {"b" * n} {"c" * n} {"d" * n} {"e" * n}' for n in range(1, 60)]
    made = list(altered_texts(texts, 3, 0))
    # Copy c of text n has alteration (c + n) % 3.
    joined, runs, replaced = (
        [made[(alteration - n) % 3 * 59 + n] for n in range(59)] for alteration in range(3)
    )
    for text, run, other in zip(texts, runs, replaced, strict=True):
        assert run in text
        assert len(other.split()) == len(text.split())
    assert sum(text.split()[0][0] == 'a' for text in joined) == 59, 'a joined text starts like its first text'
    assert sum(text.split()[-1][0] == 'e' for text in joined) == 59, 'and ends like its second one'
    changed = Counter(
        old != new
        for text, other in zip(texts, replaced, strict=True)
        for old, new in zip(text.split(), other.split(), strict=True)
    )
    assert 0.1 < changed[True] / changed.total() < 0.3


def test_of_too_many_copies_a_random_part_is_made():
    texts = [f'{number} a b c' for number in range(100)]
    made = list(altered_texts(texts, 3, 0, limit=60))
    assert len(made) == 60
    assert len({text.split()[0] for text in made} & {str(number) for number in range(50, 100)}) > 5
    assert len(list(altered_texts(texts, 3, 0, limit=300))) == 300


def test_long_texts_are_cut_and_texts_without_words_are_left_out():
    long = ' '.join(f'w{number}' for number in range(1000))
    made = list(altered_texts([long, '', ' \n'], 3, 0))
    assert len(made) == 3
    assert max(len(text.split()) for text in made) == MAX_WORDS
    assert list(altered_texts(['', '   '], 3, 0)) == list(altered_texts([], 3, 0)) == []
