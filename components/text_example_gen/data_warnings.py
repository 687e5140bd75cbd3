"""Warnings about what is probably a mistake in the data."""

import math
from collections.abc import Iterator

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.learnable import named
from vaiven.components.text_example_gen.summary import Summary

# Share of the rows. Clean data sets lose a few percent to duplicates; more points to a wrong join or export.
MAX_DROPPED_SHARE = 0.1
# In public sentiment data sets, fewer than one percent of the texts have both labels.
MAX_CONFLICTING_SHARE = 0.01
MAX_EMPTY_SHARE = 0.9
# Share of the rows below which a class is hardly learned without weights; of many classes, a fifth of an equal share.
MIN_CLASS_SHARE, MIN_EQUAL_SHARE = 0.02, 0.2
# With fewer rows, the held-out splits have about two rows of the class.
MIN_CLASS_ROWS = 20
_BALANCE = '; to give all classes the same weight: --set training.class_weight=balanced'


def list_warnings(summary: Summary, config: DataConfig, files: DataFiles, split_groups: int = 0) -> list[str]:
    """One line per probable mistake, starting with `warning: `.

    Args:
        summary: counts of the rows.
        config: columns and labels.
        files: named in the lines.
        split_groups: number of groups with rows in several splits.
    """
    lines = [
        *_row_warnings(summary),
        *_column_warnings(summary.columns, config),
        *_label_warnings(summary, config),
        *summary.columns.notes.lines(),
    ]
    if split_groups:
        lines.append(
            f'{split_groups:,} groups of column {config.group_column!r} have rows in several splits: the model is '
            'tested on groups that it was trained on'
        )
    return [f'warning: {files.name}: {line}' for line in lines]


def _row_warnings(summary: Summary) -> Iterator[str]:
    dropped = summary.empty + summary.duplicates
    if dropped > MAX_DROPPED_SHARE * summary.rows:
        reason = f', {summary.empty:,} of them without text' if summary.empty else ' as duplicates'
        yield f'{_share(dropped, summary.rows)} rows are dropped{reason}'
    if summary.conflicting > MAX_CONFLICTING_SHARE * summary.rows:
        other = 'the other' if len(summary.classes) == 2 else 'another'
        yield (
            f'{summary.conflicting:,} rows have a text that other rows give {other} label; '
            'the label of most rows is kept, or else the first'
        )


def _column_warnings(columns: ColumnCounts, config: DataConfig) -> Iterator[str]:
    for part, name in config.named_columns().items():
        effect = 'are unlabelled' if part == 'label' else f'have no {part}'
        if part in ('split', 'time'):
            effect = 'are used as text only'
        if absent := columns.absent.get(part, 0):
            yield f'{_share(absent, columns.rows)} rows have no key {name!r} and {effect}'
        empty = columns.empty.get(part, 0)
        if empty > (0 if part in ('split', 'time') else MAX_EMPTY_SHARE * columns.rows):
            yield f'column {name!r} is empty in {_share(empty, columns.rows)} rows; they {effect}'


def _label_warnings(summary: Summary, config: DataConfig) -> Iterator[str]:
    labelled = summary.labelled()
    few = max(MIN_CLASS_ROWS, min(MIN_CLASS_SHARE, MIN_EQUAL_SHARE / len(summary.classes)) * labelled)
    rare = {
        name: rows for name in summary.classes if (rows := summary.rows_of_class(name)) < few and labelled
    }
    remedy = _BALANCE
    if len(summary.classes) > 2:
        remedy += f'; to use such rows as text only: --set data.min_class_rows={math.ceil(few)}'
    if len(rare) == 1:
        [(name, rows)] = rare.items()
        yield f'only {_share(rows, labelled)} labelled rows are {name}: too few to learn from{remedy}'
    elif rare:
        counted = [f'{name} {rows:,}' for name, rows in sorted(rare.items(), key=lambda item: item[1])]
        yield (
            f'{len(rare):,} of {len(summary.classes):,} classes have fewer than {math.ceil(few):,} of {labelled:,} '
            f'labelled rows, too few to learn from: {named(counted)}{remedy}'
        )
    for split, classes in summary.splits.items():
        if absent := [name for name, rows in classes.items() if not rows and labelled]:
            yield f'split {split!r} has no row of {named(absent)}'
    rated, contradicting = summary.columns.rated, summary.columns.contradicting
    if contradicting:
        low, high = config.rating_range
        question = (
            f'; are data.rating_range={low:g},{high:g} and the meaning of the labels right?'
            if 2 * contradicting > rated
            else ''
        )
        yield f'in {_share(contradicting, rated)} rows label and rating contradict each other{question}'


def _share(part: int, whole: int) -> str:
    return f'{part:,} of {whole:,}'
