"""What two versions decide, counted by class: shares, recall, and which decisions have become which."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from vaiven.serving.common.labels import label_key
from vaiven.serving.common.model_labels import SEPARATOR, Label
from vaiven.serving.rollout.answers import Pair, same

SIDES = ('old', 'new')
# More classes are too many for a table.
MAX_CLASSES = 20
MAX_CHANGES = 10
# A long name would push the figures out of sight.
MAX_NAME_CHARACTERS = 40
NO_DECISION, NO_CLASS = '(nothing)', '(no class)'


class ClassCounts:
    """Counts decisions by class.

    Attributes:
        changes: how often a decision of the old version has become another of the new one; None is a missing decision.
        of_sets: whether a decision is a set of classes.
    """

    def __init__(self) -> None:
        self.changes: Counter[tuple[Label | None, Label | None]] = Counter()
        self.of_sets = False
        self._classes: dict[str, tuple[str, ...]] = dict.fromkeys(SIDES, ())
        self._rows = 0
        # By the key of the class.
        self._names: dict[str, str] = {}
        self._decided: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
        self._right: dict[str, Counter[str]] = {side: Counter() for side in SIDES}
        self._labelled: Counter[str] = Counter()

    def add(self, pair: Pair) -> None:
        """Counts a pair that both versions answered."""
        for side, answer in zip(SIDES, (pair.old, pair.new), strict=True):
            self._classes[side] = self._classes[side] or answer.classes
        label = None if pair.request.expected_label is None else self._keys(pair.request.expected_label)
        for row, decisions in enumerate(zip_longest(pair.old.decisions, pair.new.decisions)):
            self._rows += 1
            if not same(*decisions):
                self.changes[decisions] += 1
            for side, decision in zip(SIDES, decisions, strict=True):
                self.of_sets |= isinstance(decision, frozenset)
                keys = self._keys(decision)
                self._decided[side].update(keys)
                if row == 0 and label is not None:
                    self._right[side].update(keys & label)
        if label is not None and pair.old.decisions:
            self._labelled.update(label)

    def names(self) -> list[str]:
        """Returns the names of all classes: those of the new version in its order, then others."""
        known = [name for side in reversed(SIDES) for name in self._classes[side]]
        named = {label_key(name): name for name in reversed(known)}
        # Models that do not say their classes: those that were decided, or that rows are labelled with.
        return [*dict.fromkeys(named[label_key(name)] for name in known)] + [
            name for key, name in sorted(self._names.items()) if key not in named
        ]

    def report(self, drift: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the counts as JSON values.

        Args:
            drift: change of the mean probability of each class, as JSON values by name.
        """
        names = self.names()
        moved = {label_key(name): figure for name, figure in drift.items()}
        return {
            'class_differences': differences(*self._classes.values()),
            'classes': [self._figures(name, moved.get(label_key(name))) for name in names]
            if len(names) <= MAX_CLASSES
            else None,
            'changes': [
                {'old': values(old), 'new': values(new), 'count': count}
                for (old, new), count in self.changes.most_common(MAX_CHANGES)
            ],
        }

    def _figures(self, name: str, drift: Any) -> dict[str, Any]:
        key = label_key(name)
        labelled = self._labelled[key]
        return {
            'class': name,
            'decided': {side: self._decided[side][key] / max(self._rows, 1) for side in SIDES},
            'labelled': labelled,
            'recall': {side: self._right[side][key] / labelled for side in SIDES} if labelled else None,
            'drift': drift,
        }

    def _keys(self, decision: Label | None) -> frozenset[str]:
        if decision is None:
            return frozenset()
        keys = {
            label_key(name): name for name in (decision if isinstance(decision, frozenset) else (decision,))
        }
        self._names = keys | self._names
        return frozenset(keys)


def differences(old: Iterable[str], new: Iterable[str]) -> dict[str, Any] | None:
    """Returns how the classes of two versions differ.

    Args:
        old: names of the classes of the old version in their order; empty if it does not say them.
        new: those of the new version.

    Returns:
        `added` and `removed` names, and whether the others are `reordered`; None if they do not differ.
    """
    before, after = ({label_key(name): name for name in names} for names in (old, new))
    if not before or not after or list(before) == list(after):
        return None
    return {
        'added': [name for key, name in after.items() if key not in before],
        'removed': [name for key, name in before.items() if key not in after],
        'reordered': [key for key in before if key in after] != [key for key in after if key in before],
    }


def differences_line(found: Mapping[str, Any]) -> str:
    """Returns one line for the result of `differences`."""
    parts = [
        f'{what} {", ".join(map(_short, found[key][:MAX_CHANGES]))}'
        + (f' and {len(found[key]) - MAX_CHANGES} more' if len(found[key]) > MAX_CHANGES else '')
        for what, key in (('only the new version has', 'added'), ('only the old version has', 'removed'))
        if found[key]
    ]
    if found['reordered']:
        parts.append('their order differs')
    return f'{"; ".join(parts)}; classes are compared by name'


def class_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yields the classes of a report as lines of text, without indent; nothing of two classes, which flips show."""
    if report['class_differences']:
        yield f'classes       {differences_line(report["class_differences"])}'
    if report['classes'] is not None and len(report['classes']) <= 2:
        return
    if report['changes']:
        shown = ', '.join(
            f'{text(change["old"])} → {text(change["new"])} {change["count"]:,}'
            for change in report['changes'][:5]
        )
        yield f'changed       {shown}'
    for figures in report['classes'] or ():
        decided = figures['decided']
        line = f'{_short(figures["class"])}: {decided["new"]:.1%} of rows against {decided["old"]:.1%}'
        if figures['recall']:
            recall = figures['recall']
            line += f', recall {recall["new"]:.1%} against {recall["old"]:.1%} of {figures["labelled"]:,}'
        if figures['drift']:
            line += f', score drift {figures["drift"]["estimate"]:+.2%}'
        yield line


def values(decision: Label | None) -> str | list[str]:
    """Returns a decision as JSON values: a class, or the list of several; NO_DECISION if there is none."""
    if decision is None:
        return NO_DECISION
    return sorted(decision) if isinstance(decision, frozenset) else decision


def text(decision: str | list[str]) -> str:
    """Returns the JSON values of a decision as text."""
    if isinstance(decision, list):
        return _short(SEPARATOR.join(decision)) if decision else NO_CLASS
    return _short(decision)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_CHARACTERS else name[: MAX_NAME_CHARACTERS - 1] + '…'
