"""Counts of the values in the label, group, language and rating columns, taken while the rows are read."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from vaiven.serving.common.tables.notes import Notes

# Labels that are counted one by one. Data with more labels is refused in any case.
MAX_DISTINCT = 1000
# Characters of an unknown label that are kept.
_MAX_LABEL_LENGTH = 100


@dataclasses.dataclass
class LabelCount:
    """One label of the data.

    Attributes:
        rows: number of rows with it.
        spelling: the label as its first row spells it; cut if it is long.
        where: file and line of its first row.
    """

    rows: int
    spelling: str
    where: str


@dataclasses.dataclass
class ColumnCounts:
    """Counts over all rows, including rows without text and duplicates.

    A part is what a column is used for: `label`, `group`, `language` or `rating`.

    Attributes:
        rows: number of rows.
        labels: labels of rows with text, by `label_key`.
        unknown: keys of the labels that the configuration does not name.
        more_labels: rows whose label is not among the first `MAX_DISTINCT` labels.
        no_label: rows with text whose label is empty, null or NaN.
        absent: by part, rows that do not have its key.
        empty: by part, rows that have its key with an empty value.
        rated: rows with a label and a rating other than the middle of its range.
        contradicting: rated rows whose rating and label disagree.
        notes: irregularities of the files, including those of `--unlabelled`.
    """

    rows: int = 0
    labels: dict[str, LabelCount] = dataclasses.field(default_factory=dict)
    unknown: list[str] = dataclasses.field(default_factory=list)
    more_labels: int = 0
    no_label: int = 0
    absent: dict[str, int] = dataclasses.field(default_factory=dict)
    empty: dict[str, int] = dataclasses.field(default_factory=dict)
    rated: int = 0
    contradicting: int = 0
    notes: Notes = dataclasses.field(default_factory=Notes)

    def add_label(self, key: str, spelling: str, where: str, known: bool) -> None:
        """Counts the label of a row.

        Args:
            key: the label's `label_key`.
            spelling: the label as the row spells it.
            where: file and line of the row.
            known: whether the configuration names it.
        """
        if not known:
            # The label column may by mistake hold texts of megabytes.
            key, spelling = _cut(key), _cut(spelling)
        if key in self.labels:
            self.labels[key].rows += 1
        else:
            self._add(key, LabelCount(1, spelling, where), known)

    def add_fields(self, fields: Mapping[str, str | None], parts: tuple[str, ...]) -> None:
        """Counts a row, and the parts that it does not have.

        Args:
            fields: values of the row by part.
            parts: the parts that the configuration names.
        """
        self.rows += 1
        for part in parts:
            if part not in fields:
                self.absent[part] = self.absent.get(part, 0) + 1
            elif not (fields[part] or '').strip():
                self.empty[part] = self.empty.get(part, 0) + 1

    def add_rating(self, label: int | None, rating: float | None) -> None:
        """Counts whether label and rating of a row agree.

        Args:
            label: 0 negative, 1 positive, None unlabelled.
            rating: from -1 to 1.
        """
        if label is not None and rating:
            self.rated += 1
            self.contradicting += (rating > 0) != (label == 1)

    def merge(self, later: 'ColumnCounts') -> None:
        """Adds the counts of a file that comes later in the data."""
        for key, label in later.labels.items():
            if key in self.labels:
                self.labels[key].rows += label.rows
            else:
                self._add(key, dataclasses.replace(label), key not in later.unknown)
        for counts, later_counts in ((self.absent, later.absent), (self.empty, later.empty)):
            for part, count in later_counts.items():
                counts[part] = counts.get(part, 0) + count
        for name, count in later.notes.counts().items():
            setattr(self.notes, name, getattr(self.notes, name) + count)
        if later.notes.first:
            self.notes.first = {**later.notes.first, **(self.notes.first or {})}
        self.rows += later.rows
        self.more_labels += later.more_labels
        self.no_label += later.no_label
        self.rated += later.rated
        self.contradicting += later.contradicting

    def _add(self, key: str, label: LabelCount, known: bool) -> None:
        if len(self.labels) == MAX_DISTINCT:
            self.more_labels += label.rows
            return
        self.labels[key] = label
        if not known:
            self.unknown.append(key)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> 'ColumnCounts':
        """The counts from the values of `dataclasses.asdict`."""
        labels = {key: LabelCount(**label) for key, label in values['labels'].items()}
        return cls(**{**values, 'labels': labels, 'notes': Notes(**values['notes'])})


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LABEL_LENGTH else text[:_MAX_LABEL_LENGTH] + '…'
