"""Guesses what the columns of a table are used for, from their names and values."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from vaiven.components.text_example_gen.column_profiles import ColumnProfile, TableProfile
from vaiven.label_spec import MAX_CLASSES

# Words in the names of columns, in English and Spanish without accents, the most telling first.
_NAMES = {
    'label': (
        'label', 'labels', 'etiqueta', 'etiquetas', 'class', 'clase', 'target', 'sentiment', 'sentimiento', 'category',
        'categoria', 'categories', 'topic', 'tema', 'intent', 'polarity', 'polaridad', 'tags', 'tag', 'stars', 'star',
        'estrellas', 'rating', 'valoracion', 'puntuacion', 'score',
    ),
    'rating': (
        'rating', 'stars', 'star', 'score', 'estrellas', 'valoracion', 'puntuacion', 'calificacion', 'nota', 'grade',
    ),
    'group': (
        'group', 'grupo', 'film', 'movie', 'pelicula', 'author', 'autor', 'autora', 'user', 'usuario', 'usuaria',
        'customer', 'cliente', 'product', 'producto', 'item', 'book', 'libro', 'thread', 'conversation',
    ),
    'language': ('language', 'lang', 'idioma', 'lengua', 'locale'),
    'time': ('time', 'date', 'timestamp', 'created', 'published', 'fecha', 'hora', 'day', 'dia', 'year', 'ano'),
    'split': ('split', 'splits', 'partition', 'particion', 'subset', 'fold'),
}  # fmt: skip
_SPLITS = {'train', 'training', 'eval', 'validation', 'valid', 'val', 'dev', 'test', 'testing'}
# A share of the values; the others may be mistakes.
_MOST = 0.95
# A label without a telling name is in this many rows on average.
_MIN_ROWS_PER_LABEL = 10
_MAX_LABEL_LENGTH = 40
_MAX_LANGUAGES = 200
# With fewer groups, a split may stay without rows.
_MIN_GROUPS = 50


class Guess(NamedTuple):
    """What the columns are used for.

    Attributes:
        settings: value by setting, such as `data.text_column`.
        suggestions: the same for columns whose use changes the training or the splits, and may not be wanted.
    """

    settings: dict[str, Any]
    suggestions: dict[str, Any]


def guess_columns(table: TableProfile, named: Mapping[str, str]) -> Guess:
    """Guesses the columns of text, label, group, language, rating, split and time.

    Args:
        table: the columns.
        named: column by part (`text`, `label`, …) of those that the user has named.
    """
    by_name = {column.name: column for column in table.columns}
    left = [column for column in table.columns if column.name not in named.values() and column.filled]
    columns = {part: by_name[name] for part, name in named.items() if name in by_name}

    def take(part: str, candidates: Sequence[ColumnProfile]) -> None:
        if part not in named and candidates:
            columns[part] = candidates[0]
            left.remove(candidates[0])

    # The column `text`, or else the one with the longest values.
    take(
        'text',
        sorted(filter(_is_text, left), key=lambda c: (c.name != 'text', -c.mean_length)),
    )
    take('split', [c for c in left if _is_split(c)])
    take('language', [c for c in left if _is_language(c)])
    labels = sorted(filter(_is_label, left), key=lambda c: (_rank('label', c), len(c.values)))
    # A column of this name is the label also if its values are not classes; the check of the data says why.
    take('label', labels or [c for c in left if c.name == 'label'])
    take('time', sorted(filter(_is_time, left), key=lambda c: _rank('time', c)))
    take('rating', _named('rating', filter(_is_number, left)))
    take(
        'group', [c for c in _named('group', left) if 2 * len(c.values) <= c.filled and not c.has_more_values]
    )
    return _guess(columns, named)


def _guess(columns: Mapping[str, ColumnProfile], named: Mapping[str, str]) -> Guess:
    settings: dict[str, Any] = {f'data.{part}_column': column for part, column in named.items()}
    suggestions: dict[str, Any] = {}
    for part, column in columns.items():
        is_optional = part in ('time', 'rating') or (part == 'group' and len(column.values) < _MIN_GROUPS)
        target = suggestions if is_optional and part not in named else settings
        target[f'data.{part}_column'] = column.name
        # Numbers around zero are probably from −1 to 1, the default, also if no row has the extremes.
        if part == 'rating' and column.low < column.high and not -1 <= column.low < 0 < column.high <= 1:
            target['data.rating_range'] = (column.low, column.high)
    return Guess(settings, suggestions)


def _is_text(column: ColumnProfile) -> bool:
    return column.texts > 0 and max(column.numbers, column.dates) < _MOST * column.filled


def _is_number(column: ColumnProfile) -> bool:
    return column.numbers >= _MOST * column.filled


def _is_label(column: ColumnProfile) -> bool:
    values = len(column.values)
    if values < 2 or column.mean_length > _MAX_LABEL_LENGTH or column.dates >= _MOST * column.filled:
        return False
    if _rank('label', column) < len(_NAMES['label']):
        return 2 * values <= column.filled  # also combinations of several labels
    return values <= MAX_CLASSES and _MIN_ROWS_PER_LABEL * values <= column.filled


def _is_split(column: ColumnProfile) -> bool:
    values = {value.casefold() for value in column.values}
    return len(values) >= 2 and values <= _SPLITS


def _is_language(column: ColumnProfile) -> bool:
    if column.has_more_values or not 0 < len(column.values) <= _MAX_LANGUAGES:
        return False
    is_named = bool(_named('language', [column]))
    return is_named and all(len(value) <= 20 for value in column.values)


def _is_time(column: ColumnProfile) -> bool:
    is_named = bool(_named('time', [column]))
    return column.dates >= _MOST * column.filled or (is_named and _is_number(column))


def _named(part: str, columns: Iterable[ColumnProfile]) -> list[ColumnProfile]:
    """The columns whose names have one of the words of a part, the most telling first."""
    named = [column for column in columns if _rank(part, column) < len(_NAMES[part])]
    return sorted(named, key=lambda column: _rank(part, column))


def _rank(part: str, column: ColumnProfile) -> int:
    """Position of the most telling word in the name of a column; the number of words if it has none."""
    words = _words(column.name)
    return next((rank for rank, word in enumerate(_NAMES[part]) if word in words), len(_NAMES[part]))


def _words(name: str) -> set[str]:
    """The words of a name, as of `film_id`, `createdAt` and `Año de publicación`, in lower case without accents."""
    spaced = re.sub(r'(?<=[a-z0-9])(?=[A-Z])', ' ', name)
    letters = unicodedata.normalize('NFD', spaced.casefold())
    plain = ''.join(sign for sign in letters if not unicodedata.combining(sign))
    return set(re.split(r'[\W_]+', plain))
