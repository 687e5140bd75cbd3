"""Warnings about what is probably a mistake in the data."""

from collections.abc import Iterator

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.rows import CLASSES
from vaiven.components.text_example_gen.summary import Summary

# Share of the rows. Clean data sets lose a few percent to duplicates; more points to a wrong join or export.
MAX_DROPPED_SHARE = 0.1
# In public sentiment data sets, fewer than one percent of the texts have both labels.
MAX_CONFLICTING_SHARE = 0.01
MAX_EMPTY_SHARE = 0.9
# Below this share, always predicting the other class is correct in 95 of 100 rows.
MIN_CLASS_SHARE = 0.05
# With fewer rows, the held-out splits have about two rows of the class.
MIN_CLASS_ROWS = 20


def list_warnings(summary: Summary, config: DataConfig, files: DataFiles) -> list[str]:
    """One line per probable mistake, starting with `warning: `.

    Args:
        summary: counts of the rows.
        config: columns and labels.
        files: named in the lines.
    """
    lines = (
        *_row_warnings(summary),
        *_column_warnings(summary.columns, config),
        *_label_warnings(summary, config),
        *summary.columns.notes.lines(),
    )
    return [f'warning: {files.name}: {line}' for line in lines]


def _row_warnings(summary: Summary) -> Iterator[str]:
    dropped = summary.empty + summary.duplicates
    if dropped > MAX_DROPPED_SHARE * summary.rows:
        reason = f', {summary.empty:,} of them without text' if summary.empty else ' as duplicates'
        yield f'{_share(dropped, summary.rows)} rows are dropped{reason}'
    if summary.conflicting > MAX_CONFLICTING_SHARE * summary.rows:
        yield (
            f'{summary.conflicting:,} rows have a text that other rows give the other label; '
            'the label of most rows is kept, or else the first'
        )


def _column_warnings(columns: ColumnCounts, config: DataConfig) -> Iterator[str]:
    for part, name in config.named_columns().items():
        effect = 'are unlabelled' if part == 'label' else f'have no {part}'
        if absent := columns.absent.get(part, 0):
            yield f'{_share(absent, columns.rows)} rows have no key {name!r} and {effect}'
        empty = columns.empty.get(part, 0)
        if empty > MAX_EMPTY_SHARE * columns.rows:
            yield f'column {name!r} is empty in {_share(empty, columns.rows)} rows; they {effect}'


def _label_warnings(summary: Summary, config: DataConfig) -> Iterator[str]:
    for name in CLASSES:
        rows = summary.rows_of_class(name)
        if rows < max(MIN_CLASS_ROWS, MIN_CLASS_SHARE * summary.labelled()) and summary.labelled():
            yield f'only {_share(rows, summary.labelled())} labelled rows are {name}: too few to learn from'
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
