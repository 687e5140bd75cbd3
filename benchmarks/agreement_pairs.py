"""Spanish minimal pairs of agreement in number and gender, made from word lists.

A pair is a sentence with two words for one place, of which one agrees with the subject:

    number, none:  la casa también                                   era      | *eran      pequeña .
    number, one:   la casa de los hermanos                           era      | *eran      pequeña .
    number, two:   la carta que dejaron los hermanos , cerca de los libros ,   era | *eran  hermosa .
    gender, one:   la casa del hermano era muy                       pequeña  | *pequeño   y blanca .

The following words agree with the subject in both sentences, so the sentences differ in one word.
Nouns between the subject and that word, the distractors, have the other number, or the other gender and the same
number (Linzen et al. 2016 call them attractors). The nearest noun is therefore misleading; the subject decides.
"""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

WORD_LISTS = Path(__file__).parent / 'word_lists'
SEED = 11
PAIRS_A_CELL = 400
FEATURES = ('number', 'gender')
DISTRACTORS = (0, 1, 2)
Part = Literal['test', 'validation']

# By the subject's kind. {h} is the subject, {p} and {q} are people, {t} is an object or a place.
_FRAMES: dict[int, dict[str, tuple[str, ...]]] = {
    0: dict.fromkeys(
        ('own', 'person', 'place', 'object'),
        ('{h}', '{h} no', '{h} ya no', '{h} también', '{h} siempre', '{h} , sin embargo ,'),
    ),
    1: {
        'own': ('{h} de {p}',),
        'person': ('{h} de {p}', '{h} , junto a {t} ,', '{h} , cerca de {t} ,'),
        'place': ('{h} de {p}', '{h} , junto a {t} ,', '{h} , detrás de {t} ,', '{h} , lejos de {t} ,'),
        'object': ('{h} de {p}', '{h} que trajo:p {p}', '{h} que dejó:p {p}', '{h} , junto a {t} ,'),
    },
    2: {
        'own': ('{h} de {p} de {q}', '{h} de {p} y de {q}'),
        'person': ('{h} de {p} de {q}', '{h} de {p} y de {q}', '{h} de {p} , junto a {t} ,'),
        'place': ('{h} de {p} de {q}', '{h} de {p} y de {q}', '{h} de {p} , lejos de {t} ,'),
        'object': (
            '{h} de {p} de {q}', '{h} de {p} y de {q}', '{h} que dejó:p {p} , cerca de {t} ,',
            '{h} que trajo:p {p} de {q}',
        ),
    },
}  # fmt: skip
_INNER_VERBS = {'trajo:p': ('trajo', 'trajeron'), 'dejó:p': ('dejó', 'dejaron')}
_COPULAS = (('era', 'eran'), ('es', 'son'), ('parecía', 'parecían'), ('parece', 'parecen'))
_DEGREES = ('', ' muy', ' tan', ' más')
# Masculine and feminine singular, masculine and feminine plural. Most subjects and all distractors have the first.
_DETERMINERS = (
    ('el', 'la', 'los', 'las'), ('aquel', 'aquella', 'aquellos', 'aquellas'), ('este', 'esta', 'estos', 'estas'),
    ('su', 'su', 'sus', 'sus'), ('mi', 'mi', 'mis', 'mis'),
)  # fmt: skip
_WEIGHTS = (6, 1, 1, 1, 1)
_CONTRACTED = {' de el ': ' del ', ' a el ': ' al '}


class Noun(NamedTuple):
    """`forms` are singular and plural; `gender` is 0 for masculine, 1 for feminine; `kind` as in the list."""

    forms: tuple[str, str]
    gender: int
    kind: str


class Pair(NamedTuple):
    """A minimal pair: the sentence before and after the critical word, as tokens joined by spaces, and two words."""

    feature: str
    distractors: int
    prefix: str
    right: str
    wrong: str
    suffix: str


class WordLists(NamedTuple):
    """Verbs are singular and plural; adjectives have four forms, in the order of the determiners."""

    nouns: list[Noun]
    verbs: list[tuple[str, ...]]
    adjectives: list[tuple[str, ...]]


def word_lists(part: Part = 'test') -> WordLists:
    """Every third noun is used to choose settings (`validation`), the others for measurements."""
    nouns = [
        Noun((singular, plural), 'mf'.index(gender), kind)
        for number, (singular, plural, gender, kind) in enumerate(_rows('nouns.txt'))
        if (part == 'validation') == (number % 3 == 0)
    ]
    return WordLists(nouns, list(_rows('verbs.txt')), list(_rows('adjectives.txt')))


def _rows(name: str) -> Iterator[tuple[str, ...]]:
    for line in (WORD_LISTS / name).read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('#'):
            yield tuple(line.split())


def pairs(lists: WordLists, a_cell: int = PAIRS_A_CELL, seed: int = SEED) -> list[Pair]:
    """Generates the same number of distinct pairs for each feature and number of distractors. Half of the subjects are
    plural, and half of the words with a tested gender are feminine."""
    draw = random.Random(seed)
    made: list[Pair] = []
    for feature in FEATURES:
        for distractors in DISTRACTORS:
            cell: dict[Pair, None] = {}
            while len(cell) < a_cell:
                # The four kinds of subject in turns.
                plural, feminine = len(cell) % 2, len(cell) // 2 % 2
                cell.setdefault(_pair(draw, lists, feature, distractors, plural, feminine))
            made += cell
    return made


def _pair(
    draw: random.Random, lists: WordLists, feature: str, distractors: int, plural: int, feminine: int
) -> Pair:
    subject = draw.choice([noun for noun in lists.nouns if noun.gender == feminine])
    frame = draw.choice(_FRAMES[distractors][subject.kind])
    other_number = 1 - plural if feature == 'number' else plural
    others = [
        noun
        for noun in lists.nouns
        if noun.forms != subject.forms and (feature == 'number' or noun.gender != feminine)
    ]
    people = draw.sample([noun for noun in others if noun.kind == 'person'], 2)
    thing = draw.choice([noun for noun in others if noun.kind in ('place', 'object')])
    determiner = draw.choices(_DETERMINERS, _WEIGHTS)[0]
    prefix = frame.format(
        h=_phrase(determiner, subject, plural),
        p=_phrase(_DETERMINERS[0], people[0], other_number),
        q=_phrase(_DETERMINERS[0], people[1], other_number),
        t=_phrase(_DETERMINERS[0], thing, other_number),
    )
    for name, forms in _INNER_VERBS.items():
        prefix = prefix.replace(name, forms[other_number])
    adjective, another = draw.sample(lists.adjectives, 2)
    agreeing = adjective[2 * plural + feminine]
    if feature == 'number':
        verb = draw.choice(lists.verbs)
        right, wrong, end = verb[plural], verb[1 - plural], f'{agreeing} .'
    else:
        prefix = f'{prefix} {draw.choice(_COPULAS)[plural]}{draw.choice(_DEGREES)}'
        right, wrong = agreeing, adjective[2 * plural + 1 - feminine]
        end = f'y {another[2 * plural + feminine]} .'
    for written, contracted in _CONTRACTED.items():
        prefix = prefix.replace(written, contracted)
    return Pair(feature, distractors, prefix, right, wrong, end)


def _phrase(determiner: tuple[str, ...], noun: Noun, plural: int) -> str:
    return f'{determiner[2 * plural + noun.gender]} {noun.forms[plural]}'


def words_of(made: Iterable[Pair]) -> set[str]:
    return {
        word for pair in made for word in (*pair.prefix.split(), pair.right, pair.wrong, *pair.suffix.split())
    }
