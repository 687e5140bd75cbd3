"""What was found in the data, and whether a model can be learnt from it."""

import dataclasses
import json
from collections.abc import Mapping

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.label_check import require_keys, require_labels
from vaiven.components.text_example_gen.rows import CLASSES, SPLITS, UNLABELLED_SPLIT

_DIVIDED = tuple(split for split in SPLITS if split != UNLABELLED_SPLIT)


def _no_rows() -> dict[str, dict[str, int]]:
    return {split: dict.fromkeys(CLASSES, 0) for split in _DIVIDED}


def _no_texts() -> dict[str, int]:
    return dict.fromkeys(_DIVIDED, 0)


def _of_classes() -> dict[str, int]:
    return dict.fromkeys(CLASSES, 0)


@dataclasses.dataclass
class Summary:
    """Counts of rows.

    Attributes:
        rows: all that were read.
        empty: those without a text; they are dropped.
        duplicates: those whose text another row has as well, which stands for all; they are dropped.
        outvoted: those among the duplicates whose label is not the one that was kept, by class.
        unlabelled: rows kept in the split of that name.
        splits: labelled rows kept, `splits['train']['positive']`.
        texts: passages, and rows of data without labels, kept, `texts['train']`.
        columns: what the columns of `--data` hold.
    """

    rows: int = 0
    empty: int = 0
    duplicates: int = 0
    outvoted: dict[str, int] = dataclasses.field(default_factory=_of_classes)
    unlabelled: int = 0
    splits: dict[str, dict[str, int]] = dataclasses.field(default_factory=_no_rows)
    texts: dict[str, int] = dataclasses.field(default_factory=_no_texts)
    columns: ColumnCounts = dataclasses.field(default_factory=ColumnCounts)

    @property
    def conflicting(self) -> int:
        """Duplicates whose label is not the one that was kept."""
        return sum(self.outvoted.values())

    def labelled(self) -> int:
        return sum(sum(classes.values()) for classes in self.splits.values())

    def of_class(self, name: str) -> int:
        return sum(classes[name] for classes in self.splits.values())

    def lines(self) -> list[str]:
        """One to three plain lines: how many rows are in which split, the classes, and what was dropped."""
        splits = {name: sum(classes.values()) + self.texts[name] for name, classes in self.splits.items()}
        parts = [f'{name} {rows:,}' for name, rows in (*splits.items(), ('unlabelled', self.unlabelled))]
        lines = [f'{self.rows:,} rows: {", ".join(parts)}']
        if self.labelled():
            lines.append('labels: ' + ', '.join(f'{name} {self.of_class(name):,}' for name in CLASSES))
        dropped = [f'{self.empty:,} without text'] if self.empty else []
        if self.duplicates:
            classes = ', '.join(f'{name} {rows:,}' for name, rows in self.outvoted.items())
            other = f' ({self.conflicting:,} with the other label: {classes})' if self.conflicting else ''
            dropped.append(f'{self.duplicates:,} duplicates{other}')
        if dropped:
            lines.append(f'dropped: {", ".join(dropped)}')
        return lines

    def line(self) -> str:
        """All of `lines` in one."""
        return '; '.join(self.lines())

    def to_json(self) -> str:
        return json.dumps({**dataclasses.asdict(self), 'conflicting': self.conflicting}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> 'Summary':
        values = json.loads(text)
        del values['conflicting']
        return cls(**{**values, 'columns': ColumnCounts.from_dict(values['columns'])})


def outvoted(labels: Mapping[int | None, int], kept: int | None) -> dict[str, int]:
    """How many rows of one text carry another label than the one that was kept, by class; no label is no conflict."""
    return {CLASSES[label]: rows for label, rows in labels.items() if label is not None and label != kept}


def require_learnable(summary: Summary, config: DataConfig, files: DataFiles) -> None:
    """Raises DataError unless all labels are known and each split has enough rows, of both classes with labels."""
    if summary.rows == 0:
        raise DataError(
            f'{files.name}: there is no {"text" if files.are_texts else "row"} in it; name another file'
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
    if files.are_texts or config.label_column is None:
        _require_texts(summary, config, files)
    else:
        _require_classes(summary, config, files.name)


def _require_texts(summary: Summary, config: DataConfig, files: DataFiles) -> None:
    what, advice = 'rows', 'add rows'
    if files.are_texts:
        what = f'passages of at most {config.passage_characters} characters'
        advice = 'bring more text, or shorter passages with --set data.passage_characters=N'
    kept = sum(summary.texts.values())
    if kept < config.min_rows:
        raise DataError(
            f'{files.name}: {kept} {what} are left of {summary.rows} '
            f'({summary.duplicates} duplicates, {summary.empty} empty); '
            f'at least {config.min_rows} are needed (data.min_rows): {advice}'
        )
    for split, count in summary.texts.items():
        if count == 0:
            raise DataError(
                f'{files.name}: split {split!r} has none of the {kept} {what}; {advice}, '
                f'or give the split more with --set data.{split}_buckets=N'
            )


def _require_classes(summary: Summary, config: DataConfig, name: str) -> None:
    if summary.labelled() == 0:
        raise DataError(
            f'{name}: no row has a label in column {config.label_column!r}; '
            'name another with --label-column=NAME'
        )
    for present, absent in (CLASSES, CLASSES[::-1]):
        if summary.of_class(absent) == 0:
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
                    + (', or take a finer --set data.group_column' if config.group_column else '')
                    + f', or give the split more with --set data.{split}_buckets=N'
                )
