"""Labels of a table: their normal form for comparison, and the usual spellings of the classes."""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal

# Normalized by `label_key`; English and Spanish.
NEGATIVE = ('0', '-1', 'negative', 'neg', 'false', 'negativo', 'negativa', 'falso')
POSITIVE = ('1', 'positive', 'pos', 'true', 'positivo', 'positiva', 'verdadero')
# What pandas, R, SQL and Excel write for a missing value.
MISSING = ('', 'none', 'null', 'nan', 'na', 'n/a', '<na>', '#n/a')
UNLABELLED = (*MISSING, 'unlabelled', 'unlabeled', 'sin etiqueta')

# Spellings within one set mean the same. Two sets of one class in one column usually do not: 0 beside -1 is neutral.
_SAME_MEANING = (
    frozenset({'negative', 'neg', 'negativo', 'negativa'}),
    frozenset({'0', 'false', 'falso'}),
    frozenset({'-1'}),
    frozenset({'positive', 'pos', 'positivo', 'positiva'}),
    frozenset({'1', 'true', 'verdadero'}),
)

# A leading zero makes a code, not a number. The exponent is bounded, so that a label cannot become a million digits.
_NUMBER = re.compile(r'[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?')


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
    # Case folding can undo the normal form.
    key = unicodedata.normalize('NFC', unicodedata.normalize('NFC', label).strip().casefold())
    number = key.replace('\N{MINUS SIGN}', '-')
    if not _NUMBER.fullmatch(number):
        return key
    plain = format(Decimal(number), 'f')
    if '.' in plain:
        plain = plain.rstrip('0').rstrip('.')
    return '0' if plain in ('-0', '+0') else plain


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
