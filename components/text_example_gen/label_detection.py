"""Finds the kind and the classes of labels when all of them have been counted."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from vaiven.components.text_example_gen.column_counts import LabelCount
from vaiven.components.text_example_gen.config import DataConfig, Kind
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.label_proposal import word_sense
from vaiven.components.text_example_gen.ordered_labels import have_order, label_values
from vaiven.label_spec import SENTIMENT
from vaiven.serving.common.labels import (
    class_indices,
    different_meanings,
    sentiment_rank,
    synonyms,
    usual_class,
)

# `synonyms` of a label, as one of them: labels with the same one are one class.
_Group = dict[str, list[str]]


def resolve_labels(
    counts: Mapping[str, LabelCount], config: DataConfig, has_several: bool, name: str
) -> DataConfig:
    """The configuration with the kind and the classes of the labels.

    Args:
        counts: all labels of the data, by `label_key`.
        config: what it sets is kept.
        has_several: whether a row has several labels, or an empty list.
        name: start of a message.

    Returns:
        The configuration with `label_kind` and `classes`. It is unchanged if the data has no labels.

    Raises:
        DataError: if the labels do not fit the kind that is set.
    """
    unlabelled = config.labels_of('unlabelled') - set(class_indices(config.classes))
    keys = sorted(key for key in counts if key not in unlabelled)
    if not keys:
        return config
    if not config.finds_classes():
        # The meaning of labels was set.
        return (
            dataclasses.replace(config, label_kind='binary', classes=SENTIMENT)
            if not config.classes
            else config
        )
    kind = config.label_kind if config.label_kind != 'auto' else _kind(keys, config, has_several)
    if config.classes:
        return dataclasses.replace(config, label_kind=kind)
    groups = _groups(keys)
    if kind == 'binary' and (_are_sentiment(keys) or len(groups) != 2):
        return dataclasses.replace(config, label_kind=kind, classes=SENTIMENT)
    if len(groups) == 1:
        rows = sum(counts[key].rows for key in keys)
        raise DataError(
            f'{name}: all {rows:,} labelled rows are {_class_name(keys, counts)!r}; a classifier needs at least two '
            'classes: add rows of another class, or name another column with --label-column=NAME'
        )
    if kind == 'ordinal':
        ordered = _by_value(groups, counts, config, name)
    elif kind == 'binary':
        ordered = _negative_first(list(groups))
    else:
        ordered = _sorted(list(groups))
    classes = tuple(_class_name(groups[key], counts) for key in ordered)
    return dataclasses.replace(config, label_kind=kind, classes=classes)


def _kind(keys: Sequence[str], config: DataConfig, has_several: bool) -> Kind:
    if has_several:
        return 'multilabel'
    if len(config.classes or _groups(keys)) == 2 or (not config.classes and _are_sentiment(keys)):
        return 'binary'
    named = config.classes
    in_order = not named or _increases(list(class_indices(named)))
    if in_order and have_order(keys, config.label_column or '', config.rating_column == config.label_column):
        return 'ordinal'
    return 'multiclass'


def _are_sentiment(keys: Sequence[str]) -> bool:
    """Whether all labels are usual spellings of negative and positive.

    Numbers with a negative one and a zero are not: 0 is neutral beside -1 and 1. Words beside numbers of another
    meaning are, so that they are refused: nobody knows whether `0` is neutral beside `neg` and `pos`.
    """
    senses = {usual_class(key) for key in keys}
    if not senses <= {'negative', 'positive'}:
        return False
    are_numbers = label_values(keys) is not None
    merged = any(different_meanings(key for key in keys if usual_class(key) == sense) for sense in senses)
    return not (merged and are_numbers)


def _groups(keys: Iterable[str]) -> _Group:
    """Labels by class: `pos` and `positive` are one."""
    groups: _Group = {}
    for key in keys:
        groups.setdefault(min(synonyms(key)), []).append(key)
    return groups


def _class_name(keys: Sequence[str], counts: Mapping[str, LabelCount]) -> str:
    """The most frequent spelling of a class; of a number, its key."""
    key = min(keys, key=lambda key: (-counts[key].rows, key))
    return key if label_values([key]) == {key: _float(key)} else counts[key].usual_spelling()


def _float(key: str) -> float | None:
    try:
        return float(key)
    except ValueError:
        return None


def _negative_first(keys: list[str]) -> list[str]:
    if all(_float(key) is not None for key in keys):
        return _sorted(keys)
    ranks = {None: 1, 'unlabelled': 1, 'negative': 0, 'positive': 2}
    return sorted(_sorted(keys), key=lambda key: ranks[word_sense(key, keys)])


def _sorted(keys: list[str]) -> list[str]:
    """Numbers by value; negative, neutral, positive in this order; others by code point."""
    values = label_values(keys)
    if values is not None:
        return sorted(keys, key=values.__getitem__)
    ranks = {key: sentiment_rank(key) for key in keys}
    if None not in ranks.values():
        return sorted(keys, key=lambda key: ranks[key] or 0)
    return sorted(keys)


def _by_value(groups: _Group, counts: Mapping[str, LabelCount], config: DataConfig, name: str) -> list[str]:
    values = label_values(groups)
    if values is not None:
        return sorted(groups, key=values.__getitem__)
    if None not in (ranks := {key: sentiment_rank(key) for key in groups}).values():
        return sorted(groups, key=lambda key: ranks[key] or 0)
    shown = [_class_name(groups[key], counts) for key in sorted(groups)]
    raise DataError(
        f'{name}: the labels in column {config.label_column!r} are not numbers, so their order is unknown: '
        f'{", ".join(map(repr, shown[:12]))}{", …" if len(shown) > 12 else ""}; '
        'name them from the lowest to the highest: --set data.classes=low,medium,high'
    )


def _increases(keys: list[str]) -> bool:
    values = label_values(keys)
    return values is not None and list(values.values()) == sorted(values.values())
