"""Invariance tests that need no labels: held-out texts, and the same texts with a change that means nothing."""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from vaiven.components.evaluation.behaviour.cases import Case

_ROWS = 50
# Longer texts are cut: the tests of a run on long documents must take seconds, too.
_MAX_CHARACTERS = 600
_WORD = re.compile(r'[^\W\d_]{5,}')
_ENDING = re.compile(r'[\s.!?…]+$')
# Two capitalised words inside a sentence: first name and surname.
_FULL_NAME = re.compile(
    r'(?<=[^\W\d_,;:] )(?!(?:The|An|El|La|Los|Las|Una?) )([A-ZÁÉÍÓÚÑ][a-záéíóúñü]+) ([A-ZÁÉÍÓÚÑ][a-záéíóúñü]+)(?![\w-])'
)
_NAMES = (
    'Mary Johnson', 'Jamal Washington', 'Fatima Hassan', 'Diego Romero', 'Mei Chen', 'Rajesh Patel',
    'Olga Petrova', 'Peter Miller', 'Lucía García', 'Hiroshi Tanaka',
)  # fmt: skip
_FUNCTION_WORDS = {
    'en': frozenset({'the', 'of', 'and', 'is', 'it', 'this', 'that', 'with', 'for', 'was', 'are'}),
    'es': frozenset({'el', 'la', 'los', 'las', 'de', 'que', 'y', 'en', 'es', 'una', 'un', 'del'}),
}
_MIN_SHARE = 0.1


def invariance_cases(texts: Sequence[str]) -> list[Case]:
    """Texts with typos, in capitals, with other punctuation, with other names, and with decomposed characters.

    Args:
        texts: held-out texts; at most 50 of them are used, always the same ones.
    """
    step = max(1, len(texts) // _ROWS)
    sample = [text[:_MAX_CHARACTERS] for text in list(texts)[::step][:_ROWS] if text.strip()]
    named = [text[:_MAX_CHARACTERS] for text in texts if _FULL_NAME.search(text[:_MAX_CHARACTERS])]
    changes: tuple[tuple[str, Sequence[str], Callable[[str], str]], ...] = (
        ('typos', sample, _with_typo),
        ('case', sample, str.upper),
        ('punctuation', sample, _with_other_ending),
        ('accents', sample, lambda text: unicodedata.normalize('NFD', text)),
        ('names', named[:: max(1, len(named) // _ROWS)][:_ROWS], _with_other_names),
    )
    return [
        Case(test, text, None, variant)
        for test, rows, change in changes
        for text in rows
        if (variant := change(text)) != text
    ]


def languages(texts: Sequence[str]) -> list[str]:
    """The languages of texts among English and Spanish, by their function words.

    Args:
        texts: held-out texts.

    Returns:
        `en`, `es`, both or none; a language has at least 10 % of the function words found.
    """
    words = Counter(word for text in texts for word in re.findall(r'\w+', text[:_MAX_CHARACTERS].lower()))
    counts = {
        name: sum(words[word] for word in function_words) for name, function_words in _FUNCTION_WORDS.items()
    }
    # Texts of another language have the odd "la" or "is".
    least = max(_MIN_SHARE * sum(counts.values()), 0.02 * words.total(), 1)
    return [name for name, count in counts.items() if count >= least]


def _draws(text: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(text.encode()))


def _with_typo(text: str) -> str:
    """Swaps two neighbouring inner letters of one word."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    draws = _draws(text)
    word = words[draws.integers(len(words))]
    place = word.start() + 1 + int(draws.integers(len(word[0]) - 3))
    return f'{text[:place]}{text[place + 1]}{text[place]}{text[place + 2 :]}'


def _with_other_ending(text: str) -> str:
    """Removes the punctuation at the end, or adds a full stop."""
    return _ENDING.sub('', text) if _ENDING.search(text) else f'{text}.'


def _with_other_names(text: str) -> str:
    draws = _draws(text)
    return _FULL_NAME.sub(lambda match: _NAMES[draws.integers(len(_NAMES))], text)
