"""Recognises labels that have an order, such as stars from 1 to 5."""

import re
import unicodedata
from collections.abc import Iterable

from vaiven.serving.common.labels import label_key

# A leading zero makes a code.
_NUMBER = re.compile(r'-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?')
# `4 stars`, `3,5 estrellas`, `4/5`: a number, then words that are the same in all labels. `class 2` is a name.
_NUMBER_AND_WORDS = re.compile(r'([0-9]+(?:[.,][0-9]+)?)\s*([^\d\s]\D*|(?:/|(?:de|of|out of)\s)\s?[0-9]+)')
_STARS = re.compile('(?:[★⭐]\ufe0f?)+☆*|☆+')
# Words in the name of a column whose numbers have an order, without accents and the plural.
_RATING_NAMES = frozenset(
    (
        'rating',
        'star',
        'score',
        'rank',
        'rate',
        'estrella',
        'puntuacion',
        'nota',
        'valoracion',
        'calificacion',
    )
)
# A scale ends at one of these.
_SCALE_ENDS = (5.0, 10.0)
_MIN_LEVELS = 3


def label_values(keys: Iterable[str]) -> dict[str, float] | None:
    """The number that each label stands for: it is a number, starts with one, or repeats a star.

    Args:
        keys: labels by `label_key`.

    Returns:
        Number by key; None if a label has none, or two labels have the same.

    Example:
        label_values(['1 estrella', '3 estrellas'])  # {'1 estrella': 1.0, '3 estrellas': 3.0}
    """
    keys = list(keys)
    values = {key: float(key) for key in keys if _NUMBER.fullmatch(key)}
    if not values:
        values = {key: float(sum(key.count(star) for star in '★⭐')) for key in keys if _STARS.fullmatch(key)}
    if not values:
        matches = [(key, match) for key in keys if (match := _NUMBER_AND_WORDS.fullmatch(key))]
        if len({_singular(match[2]) for _, match in matches}) == 1:
            values = {key: float(match[1].replace(',', '.')) for key, match in matches}
    complete = len(values) == len(keys) == len(set(values.values()))
    return values if complete else None


def have_order(keys: Iterable[str], column: str, is_rating: bool) -> bool:
    """Whether at least three labels are numbers that are probably a scale and not the numbers of classes.

    Args:
        keys: labels by `label_key`.
        column: name of their column.
        is_rating: whether the column is the rating column, too.
    """
    keys = list(keys)
    values = label_values(keys)
    if values is None or len(values) < _MIN_LEVELS:
        return False
    are_plain = all(_NUMBER.fullmatch(key) for key in keys)
    low, high = min(values.values()), max(values.values())
    steps = {value % 1 for value in values.values()}
    if is_rating or not are_plain or low < 0 or _is_rating_name(column):
        return True
    # Half steps start below 1, too.
    starts = low == 1 if steps == {0.0} else steps == {0.0, 0.5} and low > 0
    return starts and high in _SCALE_ENDS


def _is_rating_name(column: str) -> bool:
    plain = unicodedata.normalize('NFD', label_key(re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', column)))
    letters = ''.join(character for character in plain if not unicodedata.combining(character))
    return any(_singular(word) in _RATING_NAMES for word in re.split(r'[\W_0-9]+', letters))


def _singular(words: str) -> str:
    return ' '.join(re.sub(r'(?<=[cs]ion)es$|s$', '', word) for word in words.split())
