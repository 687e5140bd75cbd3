"""What the label, group, language and rating columns of the data hold, counted while the rows are read."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from vaiven.serving.common.tables.notes import Notes

# Data with more labels than this are refused in any case; so many are counted one by one.
MAX_DISTINCT = 1000
_MAX_SHOWN = 100


@dataclasses.dataclass
class LabelCount:
    """One label of the data.

    Attributes:
        rows: rows with it.
        spelling: as it stands in its first row; cut where it is long.
        where: file and line of its first row.
    """

    rows: int
    spelling: str
    where: str


@dataclasses.dataclass
class ColumnCounts:
    """Counts over rows that were read, those without a text and duplicates too.

    Attributes:
        rows: all of them.
        labels: of rows with a text, by `label_key`.
        unknown: those of `labels` that no setting names.
        more_labels: rows with labels beyond the first `MAX_DISTINCT`.
        no_label: rows with a text and an empty label, null or NaN.
        absent: rows that lack the key of a part (`label`, `group`, `language`, `rating`), by part.
        empty: rows whose field of a part is there and empty, by part.
        rated: rows with a label and a rating on either side of the middle of its range.
        contradicting: those of `rated` whose rating is on the other side than the label.
        notes: what the reader of the files noticed, in those of `--unlabelled` too.
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
        """Counts a label of a row.

        Args:
            key: by `label_key`.
            spelling: as it stands in the row.
            where: file and line of the row.
            known: whether the configuration names it.
        """
        if not known:
            # A text in the label column may have megabytes.
            key, spelling = _cut(key), _cut(spelling)
        if key in self.labels:
            self.labels[key].rows += 1
        else:
            self._add(key, LabelCount(1, spelling, where), known)

    def add_fields(self, fields: Mapping[str, str | None], parts: tuple[str, ...]) -> None:
        """Counts a row, and which of `parts` it lacks."""
        self.rows += 1
        for part in parts:
            if part not in fields:
                self.absent[part] = self.absent.get(part, 0) + 1
            elif not (fields[part] or '').strip():
                self.empty[part] = self.empty.get(part, 0) + 1

    def add_rating(self, label: int | None, rating: float | None) -> None:
        if label is not None and rating:
            self.rated += 1
            self.contradicting += (rating > 0) != (label == 1)

    def merge(self, later: 'ColumnCounts') -> None:
        """Adds what was counted in a file that comes later in the data."""
        for key, label in later.labels.items():
            if key in self.labels:
                self.labels[key].rows += label.rows
            else:
                self._add(key, dataclasses.replace(label), key not in later.unknown)
        for mine, others in ((self.absent, later.absent), (self.empty, later.empty)):
            for part, count in others.items():
                mine[part] = mine.get(part, 0) + count
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
        labels = {key: LabelCount(**label) for key, label in values['labels'].items()}
        return cls(**{**values, 'labels': labels, 'notes': Notes(**values['notes'])})


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + '…'
