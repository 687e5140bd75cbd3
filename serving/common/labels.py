"""Labels of a table: their normal form for comparison, and the usual spellings of the classes."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal

# Normalized by `label_key`; English and Spanish.
NEGATIVE = ('0', '-1', 'negative', 'neg', 'false', 'negativo', 'negativa', 'falso')
POSITIVE = ('1', 'positive', 'pos', 'true', 'positivo', 'positiva', 'verdadero')
# What pandas, R, SQL and Excel write for a missing value.
MISSING = ('', 'none', 'null', 'nan', 'na', 'n/a', '<na>', '#n/a')
UNLABELLED = (*MISSING, 'unlabelled', 'unlabeled', 'sin etiqueta')

# Words that mean the same class, whatever other classes there are.
_SYNONYMS = (
    frozenset({'negative', 'neg', 'negativo', 'negativa'}),
    frozenset({'neutral', 'neu', 'neutro', 'neutra'}),
    frozenset({'positive', 'pos', 'positivo', 'positiva'}),
)
# Spellings within one set mean the same. Two sets of one class in one column usually do not: 0 beside -1 is neutral.
_SAME_MEANING = (
    _SYNONYMS[0],
    frozenset({'0', 'false', 'falso'}),
    frozenset({'-1'}),
    _SYNONYMS[2],
    frozenset({'1', 'true', 'verdadero'}),
)

# A leading zero makes a code, not a number. The exponent is bounded, so that a label cannot become a million digits.
_NUMBER = re.compile(r'[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?')


def nfc(text: str) -> str:
    """The text in Unicode normalisation form C."""
    return text if text.isascii() else unicodedata.normalize('NFC', text)


def label_key(label: str) -> str:
    """Normalizes a label for comparison.

    The normal form is NFC, stripped and case folded. Numbers compare as numbers, because csv, JSON and parquet write
    the same number differently.

    Args:
        label: as it is written in a file or on the command line.

    Example:
        label_key(' Positivo ')  # 'positivo'
        label_key('+1.0') == label_key('1') == label_key('1e0')  # '1'
        label_key('01')  # '01', a code
    """
    return _short_label_key(label) if len(label) <= _MAX_CACHED_LENGTH else _label_key(label)


def _label_key(label: str) -> str:
    # Case folding can undo the normal form.
    key = nfc(nfc(label).strip().casefold())
    number = key.replace('\N{MINUS SIGN}', '-')
    if not _NUMBER.fullmatch(number):
        return key
    plain = format(Decimal(number), 'f')
    if '.' in plain:
        plain = plain.rstrip('0').rstrip('.')
    return '0' if plain in ('-0', '+0') else plain


# Most labels of a table are the same few thousand. With two labels a row, this saves a fifth of the reading time.
_MAX_CACHED, _MAX_CACHED_LENGTH = 10_000, 100
_short_label_key = functools.lru_cache(_MAX_CACHED)(_label_key)


def is_missing(label: str | None) -> bool:
    """Whether a label is missing: an empty field, or what programs write for a missing value."""
    return label is None or label_key(label) in MISSING


def usual_class(label: str) -> str | None:
    """Returns `negative`, `positive` or `unlabelled` for the usual spellings; None for any other label."""
    key = label_key(label)
    for name, keys in (('negative', NEGATIVE), ('positive', POSITIVE), ('unlabelled', UNLABELLED)):
        if key in keys:
            return name
    return None


def different_meanings(labels: Iterable[str]) -> bool:
    """Whether labels of one class, by the usual spellings, probably mean different things.

    Args:
        labels: of one class, by `usual_class`; others are ignored.

    Example:
        different_meanings(['neg', 'Negative'])  # False
        different_meanings(['-1', '0'])  # True: 0 is usually neutral there
    """
    keys = set(map(label_key, labels))
    return sum(not keys.isdisjoint(same) for same in _SAME_MEANING) > 1


def synonyms(key: str) -> frozenset[str]:
    """Returns the keys of all labels that mean the same as a label, including its own.

    Args:
        key: a label by `label_key`.

    Example:
        synonyms('pos')  # {'positive', 'pos', 'positivo', 'positiva'}
        synonyms('billing')  # {'billing'}
    """
    return next((words for words in _SYNONYMS if key in words), frozenset({key}))


def sentiment_rank(key: str) -> int | None:
    """Returns 0, 1 or 2 for a word that means negative, neutral or positive; None for any other label.

    Args:
        key: a label by `label_key`.
    """
    return next((rank for rank, words in enumerate(_SYNONYMS) if key in words), None)


def class_indices(classes: Sequence[str]) -> dict[str, int]:
    """Maps the `label_key` of each label that a list of classes understands to the index of its class.

    Args:
        classes: names of the classes, none of them equal to another by `label_key`. The name of a class wins over a
            synonym of another one.

    Example:
        class_indices(['negativo', 'neutral'])['neg']  # 0
    """
    keys = [label_key(name) for name in classes]
    indices = {key: index for index, key in enumerate(keys)}
    for index, key in enumerate(keys):
        for synonym in sorted(synonyms(key)):
            indices.setdefault(synonym, index)
    return indices
