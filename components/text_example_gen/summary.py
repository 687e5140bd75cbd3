"""What was found in the data, and whether a model can be learnt from it."""

import dataclasses
import json

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.rows import CLASSES, SPLITS, UNLABELLED_SPLIT

_DIVIDED = tuple(split for split in SPLITS if split != UNLABELLED_SPLIT)


def _no_rows() -> dict[str, dict[str, int]]:
    return {split: dict.fromkeys(CLASSES, 0) for split in _DIVIDED}


def _no_texts() -> dict[str, int]:
    return dict.fromkeys(_DIVIDED, 0)


@dataclasses.dataclass
class Summary:
    """Counts of rows.

    Attributes:
        rows: all that were read.
        empty: those without a text; they are left out.
        duplicates: those whose text had been there before; they are left out.
        conflicting: those among the duplicates whose label differs from that of the row that was kept.
        unlabelled: rows kept in the split of that name.
        splits: labelled rows kept, `splits['train']['positive']`.
        texts: passages, and rows of data without labels, kept, `texts['train']`.
    """

    rows: int = 0
    empty: int = 0
    duplicates: int = 0
    conflicting: int = 0
    unlabelled: int = 0
    splits: dict[str, dict[str, int]] = dataclasses.field(default_factory=_no_rows)
    texts: dict[str, int] = dataclasses.field(default_factory=_no_texts)

    def labelled(self) -> int:
        return sum(sum(classes.values()) for classes in self.splits.values())

    def of_class(self, name: str) -> int:
        return sum(classes[name] for classes in self.splits.values())

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> 'Summary':
        return cls(**json.loads(text))

    def line(self) -> str:
        """One plain line for people."""
        splits = ', '.join(
            f'{name} {sum(classes.values()) + self.texts[name]}' for name, classes in self.splits.items()
        )
        return (
            f'{self.rows} rows: {splits}, unlabelled {self.unlabelled}; '
            f'left out: {self.duplicates} duplicates ({self.conflicting} with another label), '
            f'{self.empty} empty'
        )


def conflicts(counts: dict[int | None, int], label: int | None) -> int:
    """How many rows of one text carry the other label than the row that was kept; no label is no conflict."""
    return sum(count for other, count in counts.items() if other is not None and other != label)


def require_learnable(summary: Summary, config: DataConfig, files: DataFiles) -> None:
    """Raises DataError unless each split has enough rows, of both classes where the data have labels."""
    if summary.rows == 0:
        raise DataError(
            f'{files.name}: there is no {"text" if files.are_texts else "row"} in it; name another file'
        )
    if summary.empty == summary.rows:
        raise DataError(
            f'{files.name}: column {config.text_column!r} is empty in all {summary.rows} rows; '
            'name another with --text-column=NAME'
        )
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
