"""Counts of the values in the label, group, language and rating columns, taken while the rows are read."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from vaiven.components.text_example_gen.config import MAX_NAME_LENGTH
from vaiven.label_spec import MAX_CLASSES
from vaiven.serving.common.tables.notes import Notes

# Labels that are counted one by one: all classes, and some labels of unlabelled rows. Data with more is refused.
MAX_DISTINCT = MAX_CLASSES + 50
# Spellings of one label that are counted one by one.
_MAX_SPELLINGS = 50


@dataclasses.dataclass
class LabelCount:
    """One label of the data.

    Attributes:
        rows: number of rows with it.
        spelling: the label as its first row spells it; cut if it is long.
        where: file and line of its first row.
        spellings: rows by spelling.
    """

    rows: int
    spelling: str
    where: str
    spellings: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, spelling: str) -> None:
        """Counts a row; the first spellings are counted one by one."""
        self.rows += 1
        self._add_spelling(spelling, 1)

    def merge(self, later: 'LabelCount') -> None:
        """Adds the rows of a file that comes later in the data."""
        self.rows += later.rows
        for spelling, rows in later.spellings.items():
            self._add_spelling(spelling, rows)

    def _add_spelling(self, spelling: str, rows: int) -> None:
        if spelling in self.spellings or len(self.spellings) < _MAX_SPELLINGS:
            self.spellings[spelling] = self.spellings.get(spelling, 0) + rows

    def usual_spelling(self) -> str:
        """The most frequent spelling; of several, the one that sorts first, whatever the order of the rows."""
        return min(self.spellings, key=lambda spelling: (-self.spellings[spelling], spelling))


@dataclasses.dataclass
class ColumnCounts:
    """Counts over all rows, including rows without text and duplicates.

    A part is what a column is used for: `label`, `group`, `language` and so on.

    Attributes:
        rows: number of rows.
        labels: labels of rows with text, by `label_key`.
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
    more_labels: int = 0
    no_label: int = 0
    absent: dict[str, int] = dataclasses.field(default_factory=dict)
    empty: dict[str, int] = dataclasses.field(default_factory=dict)
    rated: int = 0
    contradicting: int = 0
    notes: Notes = dataclasses.field(default_factory=Notes)

    def add_labels(self, labels: Iterable[tuple[str, str]] | None, where: str) -> None:
        """Counts the labels of a row.

        Args:
            labels: key and spelling of each; None if the label is missing.
            where: file and line of the row.
        """
        if labels is None:
            self.no_label += 1
            return
        for key, spelling in labels:
            count = self.labels.get(key)
            if count is not None:
                count.add(spelling)
            elif len(self.labels) < MAX_DISTINCT:
                self.labels[key] = LabelCount(1, spelling, where, {spelling: 1})
            else:
                self.more_labels += 1

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

    def add_rating(self, label: object, rating: float | None, rows: int = 1) -> None:
        """Counts whether label and rating of rows agree.

        Args:
            label: of binary labels: 0 negative, 1 positive, None unlabelled.
            rating: from -1 to 1.
            rows: number of rows.
        """
        if label is not None and rating:
            self.rated += rows
            self.contradicting += rows * ((rating > 0) != (label == 1))

    def merge(self, later: 'ColumnCounts') -> None:
        """Adds the counts of a file that comes later in the data."""
        for key, label in later.labels.items():
            if key in self.labels:
                self.labels[key].merge(label)
            elif len(self.labels) < MAX_DISTINCT:
                self.labels[key] = dataclasses.replace(label, spellings=dict(label.spellings))
            else:
                self.more_labels += label.rows
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

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> 'ColumnCounts':
        """The counts from the values of `dataclasses.asdict`."""
        labels = {key: LabelCount(**label) for key, label in values['labels'].items()}
        values = {name: value for name, value in values.items() if name != 'unknown'}  # of earlier versions
        return cls(**{**values, 'labels': labels, 'notes': Notes(**values['notes'])})


def cut_label(text: str) -> str:
    """A label, or its key, without what exceeds a name: the label column may by mistake hold texts of megabytes."""
    return text if len(text) <= MAX_NAME_LENGTH else text[:MAX_NAME_LENGTH] + '…'
