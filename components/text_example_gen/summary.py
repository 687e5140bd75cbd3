"""Counts of the rows, and the check that a model can be trained on them."""

import dataclasses
import json
from collections.abc import Mapping

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.label_check import require_keys, require_labels
from vaiven.components.text_example_gen.rows import CLASSES, SPLITS, UNLABELLED_SPLIT

_LABELLED_SPLITS = tuple(split for split in SPLITS if split != UNLABELLED_SPLIT)


def _zero_split_classes() -> dict[str, dict[str, int]]:
    return {split: dict.fromkeys(CLASSES, 0) for split in _LABELLED_SPLITS}


def _zero_splits() -> dict[str, int]:
    return dict.fromkeys(_LABELLED_SPLITS, 0)


def _zero_classes() -> dict[str, int]:
    return dict.fromkeys(CLASSES, 0)


@dataclasses.dataclass
class Summary:
    """Counts of rows.

    Attributes:
        rows: all rows that were read.
        empty: dropped rows without text.
        duplicates: dropped rows whose text is the same as that of the row that was kept.
        conflicting_by_class: duplicates whose label differs from the label that was kept, by class.
        unlabelled: rows in the split `unlabelled`.
        splits: labelled rows by split and class, `splits['train']['positive']`.
        texts: by split, passages of running text and rows of data without labels.
        columns: counts of the values in the columns of `--data`.
    """

    rows: int = 0
    empty: int = 0
    duplicates: int = 0
    conflicting_by_class: dict[str, int] = dataclasses.field(default_factory=_zero_classes)
    unlabelled: int = 0
    splits: dict[str, dict[str, int]] = dataclasses.field(default_factory=_zero_split_classes)
    texts: dict[str, int] = dataclasses.field(default_factory=_zero_splits)
    columns: ColumnCounts = dataclasses.field(default_factory=ColumnCounts)

    @property
    def conflicting(self) -> int:
        """Number of duplicates whose label differs from the label that was kept."""
        return sum(self.conflicting_by_class.values())

    def labelled(self) -> int:
        """Number of labelled rows."""
        return sum(sum(classes.values()) for classes in self.splits.values())

    def rows_of_class(self, name: str) -> int:
        """Number of labelled rows of a class.

        Args:
            name: negative or positive.
        """
        return sum(classes[name] for classes in self.splits.values())

    def lines(self) -> list[str]:
        """One to three lines: rows per split, rows per class, and dropped rows."""
        splits = {name: sum(classes.values()) + self.texts[name] for name, classes in self.splits.items()}
        parts = [f'{name} {rows:,}' for name, rows in (*splits.items(), ('unlabelled', self.unlabelled))]
        lines = [f'{self.rows:,} rows: {", ".join(parts)}']
        if self.labelled():
            lines.append('labels: ' + ', '.join(f'{name} {self.rows_of_class(name):,}' for name in CLASSES))
        dropped = [f'{self.empty:,} without text'] if self.empty else []
        if self.duplicates:
            classes = ', '.join(f'{name} {rows:,}' for name, rows in self.conflicting_by_class.items())
            other = f' ({self.conflicting:,} with the other label: {classes})' if self.conflicting else ''
            dropped.append(f'{self.duplicates:,} duplicates{other}')
        if dropped:
            lines.append(f'dropped: {", ".join(dropped)}')
        return lines

    def line(self) -> str:
        """The lines, joined to one."""
        return '; '.join(self.lines())

    def to_json(self) -> str:
        """The content of `ingest.json`."""
        return json.dumps({**dataclasses.asdict(self), 'conflicting': self.conflicting}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> 'Summary':
        """Reads the content of `ingest.json`."""
        values = json.loads(text)
        del values['conflicting']
        # Name of the key in earlier versions.
        if 'outvoted' in values:
            values['conflicting_by_class'] = values.pop('outvoted')
        return cls(**{**values, 'columns': ColumnCounts.from_dict(values['columns'])})


def conflicting_rows(labels: Mapping[int | None, int], kept: int | None) -> dict[str, int]:
    """By class, the rows with one text whose label differs from the one that was kept. No label is not a conflict.

    Args:
        labels: label → number of rows.
        kept: the label that was kept.
    """
    return {CLASSES[label]: rows for label, rows in labels.items() if label is not None and label != kept}


def require_learnable(summary: Summary, config: DataConfig, files: DataFiles) -> None:
    """Checks that all labels are known, and that each split has enough rows (of both classes, if there are labels).

    Args:
        summary: counts of the rows.
        config: names of columns and labels, and the minimum number of rows.
        files: named in the message.

    Raises:
        DataError: if a model cannot be trained on the data.
    """
    if summary.rows == 0:
        raise DataError(
            f'{files.name}: there is no {"text" if files.is_running_text else "row"} in it; name another file'
        )
    if summary.empty == summary.rows:
        raise DataError(
            f'{files.name}: column {config.text_column!r} is empty in all {summary.rows} rows; '
            'name another with --text-column=NAME'
        )
    require_keys(summary.columns, config, files.name)
    require_labels(summary.columns, config, files.name)
    kept = summary.labelled() + sum(summary.texts.values()) + summary.unlabelled
    if kept == 1 and summary.duplicates:
        raise DataError(
            f'{files.name}: all {summary.rows} rows have the same text; a model needs different ones'
        )
    if files.is_running_text or config.label_column is None:
        _require_texts(summary, config, files)
    else:
        _require_classes(summary, config, files.name)


def _require_texts(summary: Summary, config: DataConfig, files: DataFiles) -> None:
    unit, remedy = 'rows', 'add rows'
    if files.is_running_text:
        unit = f'passages of at most {config.passage_characters} characters'
        remedy = 'add text, or shorten the passages with --set data.passage_characters=N'
    kept = sum(summary.texts.values())
    if kept < config.min_rows:
        raise DataError(
            f'{files.name}: {kept} {unit} are left of {summary.rows} '
            f'({summary.duplicates} duplicates, {summary.empty} empty); '
            f'at least {config.min_rows} are needed (data.min_rows): {remedy}'
        )
    for split, count in summary.texts.items():
        if count == 0:
            raise DataError(
                f'{files.name}: split {split!r} has none of the {kept} {unit}; {remedy}, '
                f'or enlarge the split with --set data.{split}_buckets=N'
            )


def _require_classes(summary: Summary, config: DataConfig, name: str) -> None:
    if summary.labelled() == 0:
        raise DataError(
            f'{name}: no row has a label in column {config.label_column!r}; '
            'name another with --label-column=NAME'
        )
    for present, absent in (CLASSES, CLASSES[::-1]):
        if summary.rows_of_class(absent) == 0:
            raise DataError(
                f'{name}: all {summary.labelled()} labelled rows are {present}; a classifier needs both '
                f'classes: add {absent} rows or name their labels with --set data.{absent}_labels=A,B'
            )
    if summary.labelled() < config.min_rows:
        raise DataError(
            f'{name}: {summary.labelled()} labelled rows are left of {summary.rows} '
            f'({summary.duplicates} duplicates, {summary.empty} empty, {summary.unlabelled} unlabelled); '
            f'at least {config.min_rows} are needed (data.min_rows)'
        )
    for split, classes in summary.splits.items():
        for label, count in classes.items():
            if count == 0:
                raise DataError(
                    f'{name}: split {split!r} has {sum(classes.values())} rows, none of them {label}; '
                    + 'add rows'
                    + (', or set a finer data.group_column' if config.group_column else '')
                    + f', or enlarge the split with --set data.{split}_buckets=N'
                )
