"""Counts of the rows of a run."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.rows import SPLITS, UNLABELLED_SPLIT, Label, indices
from vaiven.components.text_example_gen.teacher_rows import teacher_line
from vaiven.label_spec import LabelKind, LabelSpec

_LABELLED_SPLITS = tuple(split for split in SPLITS if split != UNLABELLED_SPLIT)
# Classes that a line lists.
_MAX_LISTED = 12


@dataclasses.dataclass
class Summary:
    """Counts of rows.

    Attributes:
        kind: kind of the labels.
        classes: names of the classes.
        rows: all rows that were read.
        empty: dropped rows without text.
        duplicates: dropped rows whose text is the same as that of the row that was kept.
        conflicting: duplicates whose label differs from the label that was kept.
        conflicting_by_class: the same by class; a row with several labels counts for each.
        unlabelled: rows in the split `unlabelled`.
        splits: labelled rows by split and class, `splits['train']['positive']`; a row with several labels counts for
            each of them.
        labelled_by_split: labelled rows by split.
        texts: by split, passages of running text and rows of data without labels.
        columns: counts of the values in the columns of `--data`.
        teacher: rows of `--teacher` files, which the other counts leave out: all `rows`, those that are `kept`, and the
            dropped ones as for `teacher_line`; empty without such files.
    """

    kind: LabelKind
    classes: tuple[str, ...]
    rows: int = 0
    empty: int = 0
    duplicates: int = 0
    conflicting: int = 0
    conflicting_by_class: dict[str, int] = dataclasses.field(default_factory=dict)
    unlabelled: int = 0
    splits: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    labelled_by_split: dict[str, int] = dataclasses.field(default_factory=dict)
    texts: dict[str, int] = dataclasses.field(default_factory=dict)
    columns: ColumnCounts = dataclasses.field(default_factory=ColumnCounts)
    teacher: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, spec: LabelSpec) -> 'Summary':
        """The counts before a row has been counted.

        Args:
            spec: kind and classes of the labels.
        """
        zeros = dict.fromkeys(spec.classes, 0)
        return cls(
            spec.kind,
            spec.classes,
            conflicting_by_class=dict(zeros),
            splits={split: dict(zeros) for split in _LABELLED_SPLITS},
            labelled_by_split=dict.fromkeys(_LABELLED_SPLITS, 0),
            texts=dict.fromkeys(_LABELLED_SPLITS, 0),
        )

    def add_kept(self, label: Label, split: str, rows: int) -> None:
        """Counts rows that are kept.

        Args:
            label: index or indices of their classes.
            split: their split.
            rows: number of rows.
        """
        if split == UNLABELLED_SPLIT:
            self.unlabelled += rows
        elif label is None:
            self.texts[split] += rows
        else:
            self.labelled_by_split[split] += rows
            for name in self.names(label):
                self.splits[split][name] += rows

    def add_conflicting(self, labels: Mapping[Label, int], kept: Label) -> None:
        """Counts the rows with one text whose label differs from the one that is kept. No label is not a conflict.

        Args:
            labels: label → number of rows.
            kept: the label that is kept.
        """
        for label, rows in labels.items():
            if label is not None and label != kept:
                self.conflicting += rows
                for name in self.names(label):
                    self.conflicting_by_class[name] += rows

    def names(self, label: Label) -> tuple[str, ...]:
        """The names of the classes of a label.

        Args:
            label: index or indices of the classes.
        """
        return tuple(self.classes[index] for index in indices(label))

    def labelled(self) -> int:
        """Number of labelled rows."""
        return sum(self.labelled_by_split.values())

    def rows_of_class(self, name: str) -> int:
        """Number of labelled rows of a class.

        Args:
            name: of the class.
        """
        return sum(classes[name] for classes in self.splits.values())

    def lines(self, remark: str = '') -> list[str]:
        """One to four lines: rows per split, rows per class, dropped rows, and rows of a teacher.

        Args:
            remark: follows the rows per class.
        """
        splits = {name: rows + self.texts[name] for name, rows in self.labelled_by_split.items()}
        parts = [f'{name} {rows:,}' for name, rows in (*splits.items(), ('unlabelled', self.unlabelled))]
        lines = [f'{self.rows:,} rows: {", ".join(parts)}']
        if self.labelled():
            lines.append(self._label_line() + (f'; {remark}' if remark else ''))
        dropped = [f'{self.empty:,} without text'] if self.empty else []
        if self.duplicates:
            conflicts = {
                name: rows for name, rows in self.conflicting_by_class.items() if rows or self._is_sentiment
            }
            classes = ', '.join(f'{name} {rows:,}' for name, rows in [*conflicts.items()][:_MAX_LISTED])
            more = ', …' if len(conflicts) > _MAX_LISTED else ''
            label = 'the other label' if len(self.classes) == 2 else 'another label'
            other = f' ({self.conflicting:,} with {label}: {classes}{more})' if self.conflicting else ''
            dropped.append(f'{self.duplicates:,} duplicates{other}')
        if dropped:
            lines.append(f'dropped: {", ".join(dropped)}')
        if self.teacher:
            lines.append(teacher_line(self.teacher))
        return lines

    @property
    def _is_sentiment(self) -> bool:
        return LabelSpec(self.kind, self.classes).is_sentiment

    def _label_line(self) -> str:
        """The classes: those of sentiment and ordered ones in their order, others by their rows."""
        counts = {name: self.rows_of_class(name) for name in self.classes}
        if self._is_sentiment:
            return 'labels: ' + ', '.join(f'{name} {rows:,}' for name, rows in counts.items())
        names = sorted(self.classes, key=lambda name: 0 if self.kind == 'ordinal' else -counts[name])
        listed = ' · '.join(f'{name} {counts[name]:,}' for name in names[:_MAX_LISTED])
        if len(names) > _MAX_LISTED:
            rows = [counts[name] for name in names[_MAX_LISTED:]]
            listed += f' · {len(rows):,} more with {min(rows):,} to {max(rows):,} rows'
        title = f'{len(names):,} classes'
        if self.kind == 'ordinal':
            title = f'{len(names):,} ordered classes'
        elif self.kind == 'multilabel':
            mean = sum(counts.values()) / self.labelled()
            title = f'{len(names):,} classes, several labels per row ({mean:.1f} on average)'
        verb = 'is' if self.unlabelled == 1 else 'are'
        unlabelled = f'{_rows(self.unlabelled)} without a label {verb} used as text only'
        return f'{title}: {listed}' + (f'; {unlabelled}' if self.unlabelled else '')

    def line(self) -> str:
        """The lines, joined to one."""
        return '; '.join(self.lines())

    def to_json(self) -> str:
        """The content of `ingest.json`."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> 'Summary':
        """Reads the content of `ingest.json`, also of earlier versions, which knew two classes."""
        values: dict[str, Any] = json.loads(text)
        if 'outvoted' in values:
            values['conflicting_by_class'] = values.pop('outvoted')
        values.setdefault('kind', 'binary')
        values['classes'] = tuple(values.get('classes') or next(iter(values['splits'].values())))
        values.setdefault(
            'labelled_by_split', {split: sum(classes.values()) for split, classes in values['splits'].items()}
        )
        return cls(**{**values, 'columns': ColumnCounts.from_dict(values['columns'])})


def _rows(count: int) -> str:
    return f'{count:,} row{"" if count == 1 else "s"}'
