"""Proposes the classes of unknown labels, as command-line options to paste."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vaiven.components.text_example_gen.config import DataConfig, LabelSense
from vaiven.serving.common.labels import usual_class

# Regular expressions of word stems in the labels of public English and Spanish data sets.
_STEMS: dict[LabelSense, str] = {
    'unlabelled': r'neu|mix|ambig|irrel|unknown|unsure|desconocid|so-so|regular|normal|average|other|otr[oa]',
    'negative': r'neg|^n[+-]?$|bad|poor|awful|terrible|hate|dislike|mal[oa]|peor|p[eé]sim|odi|^no\b|^not\b|down',
    'positive': r'pos|^p[+-]?$|good|great|excellent|love|like|buen[oa]|mejor|excelente|am[oa]r|^yes$|^s[ií]$|up$',
}
_CLASSES: tuple[LabelSense, ...] = ('negative', 'positive')
# Prefixes that negate another label of the data: unlike, non-positive, no recomendado, desfavorable.
_NEGATION = re.compile(r'(?:(?:not?|sin)[ _-]|(?:non|un|dis|in|des)[ _-]?)(.+)')
# A hyphen inside a word is not a sign: class-1, class-2.
_NUMBER = re.compile(r'(?:(?<!\S)[+-])?[0-9]+(?:\.[0-9]+)?')


class LabelProposal(NamedTuple):
    """Labels by their probable class.

    Attributes:
        labels: keys of the labels by kind.
        is_guess: whether a label was not understood and was placed arbitrarily, or a class has no label.
    """

    labels: dict[LabelSense, list[str]]
    is_guess: bool


def propose_labels(keys: Iterable[str], config: DataConfig) -> LabelProposal:
    """Proposes a class for each label.

    Labels that the configuration names keep their class. Numbers are split at the middle of their range; the middle
    itself is unlabelled. Words are compared with the labels of common data sets.

    Args:
        keys: labels by `label_key`, without the empty label.
        config: may name some of the labels.
    """
    labels: dict[LabelSense, list[str]] = {'positive': [], 'negative': [], 'unlabelled': []}
    unknown = []
    keys = list(keys)
    named = dict(_named(config))
    numbers = _numbers(keys)
    words = {word_sense(key, keys) for key in keys if key not in numbers}
    for key in sorted(keys, key=lambda key: (numbers.get(key, 0.0), key)):
        kind = named.get(key) or _by_number(key, numbers, words) or word_sense(key, keys)
        if kind:
            labels[kind].append(key)
        else:
            unknown.append(key)
    for key in unknown:
        # A class without a label cannot be learned, so it is filled first.
        target = next((labels[kind] for kind in _CLASSES if not labels[kind]), labels['unlabelled'])
        target.append(key)
    return LabelProposal(labels, bool(unknown) or not (labels['negative'] and labels['positive']))


def label_options(proposal: LabelProposal, spellings: Mapping[str, str]) -> Iterator[str]:
    """Shell-quoted options such as `--set data.positive_labels=4,5`.

    Args:
        proposal: the labels by kind.
        spellings: spelling of each label by its key.
    """
    for kind, keys in proposal.labels.items():
        if keys:
            yield f'--set {shlex.quote(f"data.{kind}_labels={setting_value([spellings[key] for key in keys])}")}'


def setting_value(labels: Sequence[str]) -> str:
    """A list of labels as the value of a setting, not quoted for the shell."""
    joined = ','.join(labels)
    plain = joined.isprintable() and not joined.startswith('[') and not any(',' in label for label in labels)
    return joined if plain else json.dumps(labels, ensure_ascii=False)


def _named(config: DataConfig) -> Iterator[tuple[str, LabelSense]]:
    for kind in _STEMS:
        if config.is_set(kind):
            yield from ((key, kind) for key in config.labels_of(kind))


def _numbers(keys: list[str]) -> dict[str, float]:
    """The number in each label, as in `4 stars` or `__label__2`; if one has none, only labels that are numbers."""
    matches = {key: _NUMBER.findall(key) for key in keys}
    if all(len(numbers) == 1 for numbers in matches.values()):
        return {key: float(numbers[0]) for key, numbers in matches.items()}
    return {key: float(key) for key in keys if _NUMBER.fullmatch(key)}


def _by_number(key: str, numbers: Mapping[str, float], words: set[LabelSense | None]) -> LabelSense | None:
    if key not in numbers:
        return None
    distance = 2 * numbers[key] - min(numbers.values()) - max(numbers.values())
    if len(numbers) > 1:
        return 'unlabelled' if distance == 0 else 'positive' if distance > 0 else 'negative'
    # Beside words for both classes, a zero means neither.
    return 'unlabelled' if numbers[key] == 0 and {'negative', 'positive'} <= words else None


def word_sense(key: str, keys: Sequence[str]) -> LabelSense | None:
    """The meaning of a word by the stems of the labels of common data sets; None if it has none of them.

    Args:
        key: a label by `label_key`.
        keys: all labels of the data: `unlike` is the opposite of `like`, if both are there.
    """
    if usual_class(key) is None and (match := _NEGATION.fullmatch(key)) and match[1] in keys:
        return 'positive' if word_sense(match[1], keys) == 'negative' else 'negative'
    for kind, stems in _STEMS.items():
        if usual_class(key) == kind or (usual_class(key) is None and re.search(stems, key)):
            return kind
    return None
