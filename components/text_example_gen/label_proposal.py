"""Proposes what the labels of unknown data mean, as settings that can be pasted."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vaiven.components.text_example_gen.config import DataConfig, LabelKind
from vaiven.serving.common.labels import usual_class

# Parts of words in the labels of public data sets, English and Spanish.
_STEMS: dict[LabelKind, str] = {
    'unlabelled': r'neu|mix|ambig|irrel|unknown|unsure|desconocid|so-so|regular|normal|average|other|otr[oa]',
    'negative': r'neg|^n[+-]?$|bad|poor|awful|terrible|hate|dislike|mal[oa]|peor|p[eé]sim|odi|^no\b|^not\b|down',
    'positive': r'pos|^p[+-]?$|good|great|excellent|love|like|buen[oa]|mejor|excelente|am[oa]r|^yes$|^s[ií]$|up$',
}
_CLASSES: tuple[LabelKind, ...] = ('negative', 'positive')
# What makes the opposite of a label that is there too: unlike, non-positive, no recomendado, desfavorable.
_NEGATION = re.compile(r'(?:(?:not?|sin)[ _-]|(?:non|un|dis|in|des)[ _-]?)(.+)')
# A hyphen inside a word is not a sign: class-1, class-2.
_NUMBER = re.compile(r'(?:(?<!\S)[+-])?[0-9]+(?:\.[0-9]+)?')


class Proposal(NamedTuple):
    """Labels by what they probably mean.

    Attributes:
        labels: keys of labels by kind.
        is_guess: whether some label could not be understood and was only put somewhere, or a class has no label.
    """

    labels: dict[LabelKind, list[str]]
    is_guess: bool


def propose(keys: Iterable[str], config: DataConfig) -> Proposal:
    """What labels probably mean.

    Labels that settings name keep their meaning. Numbers are divided at the middle between the lowest and the highest;
    the middle itself is unlabelled. Words are compared with those of common data sets.

    Args:
        keys: labels by `label_key`, without the missing one.
        config: names some of them, perhaps.
    """
    labels: dict[LabelKind, list[str]] = {'positive': [], 'negative': [], 'unlabelled': []}
    unplaced = []
    keys = list(keys)
    named = dict(_named(config))
    numbers = _numbers(keys)
    words = {_by_word(key, keys) for key in keys if key not in numbers}
    for key in sorted(keys, key=lambda key: (numbers.get(key, 0.0), key)):
        kind = named.get(key) or _by_number(key, numbers, words) or _by_word(key, keys)
        if kind:
            labels[kind].append(key)
        else:
            unplaced.append(key)
    for key in unplaced:
        # A class without a label cannot be learned, so it comes first.
        place = next((labels[kind] for kind in _CLASSES if not labels[kind]), labels['unlabelled'])
        place.append(key)
    return Proposal(labels, bool(unplaced) or not (labels['negative'] and labels['positive']))


def settings_for(proposal: Proposal, spellings: Mapping[str, str]) -> Iterator[str]:
    """Options for a shell, `--set data.positive_labels=4,5` and so on.

    Args:
        proposal: what is set.
        spellings: of labels, by their keys.
    """
    for kind, keys in proposal.labels.items():
        if keys:
            yield f'--set {shlex.quote(f"data.{kind}_labels={_value([spellings[key] for key in keys])}")}'


def _value(labels: list[str]) -> str:
    joined = ','.join(labels)
    plain = joined.isprintable() and not joined.startswith('[') and not any(',' in label for label in labels)
    return joined if plain else json.dumps(labels)


def _named(config: DataConfig) -> Iterator[tuple[str, LabelKind]]:
    for kind in _STEMS:
        if config.is_set(kind):
            yield from ((key, kind) for key in config.labels_of(kind))


def _numbers(keys: list[str]) -> dict[str, float]:
    """The number in each label, as `4 stars` or `__label__2`; where some have none, only labels that are numbers."""
    found = {key: _NUMBER.findall(key) for key in keys}
    if all(len(numbers) == 1 for numbers in found.values()):
        return {key: float(numbers[0]) for key, numbers in found.items()}
    return {key: float(key) for key in keys if _NUMBER.fullmatch(key)}


def _by_number(key: str, numbers: Mapping[str, float], words: set[LabelKind | None]) -> LabelKind | None:
    if key not in numbers:
        return None
    distance = 2 * numbers[key] - min(numbers.values()) - max(numbers.values())
    if len(numbers) > 1:
        return 'unlabelled' if distance == 0 else 'positive' if distance > 0 else 'negative'
    # Beside words for both classes, a zero is what they leave open.
    return 'unlabelled' if numbers[key] == 0 and {'negative', 'positive'} <= words else None


def _by_word(key: str, keys: list[str]) -> LabelKind | None:
    if usual_class(key) is None and (match := _NEGATION.fullmatch(key)) and match[1] in keys:
        return 'positive' if _by_word(match[1], keys) == 'negative' else 'negative'
    for kind, stems in _STEMS.items():
        if usual_class(key) == kind or (usual_class(key) is None and re.search(stems, key)):
            return kind
    return None
