"""Tells people what in the data is probably a mistake."""

from collections.abc import Iterator

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.rows import CLASSES
from vaiven.components.text_example_gen.summary import Summary

# Shares of the rows. Clean data sets lose a few percent to duplicates; above that a join or an export went wrong.
MAX_DROPPED_SHARE = 0.1
# Public sentiment data sets have below one percent of texts with both labels.
MAX_OUTVOTED_SHARE = 0.01
MAX_EMPTY_SHARE = 0.9
# Below this share a model that always says the other class is right in 95 of 100 rows.
MIN_CLASS_SHARE = 0.05
# With fewer rows the held-out splits have about two of the class.
MIN_CLASS_ROWS = 20


def warnings_of(summary: Summary, config: DataConfig, files: DataFiles) -> list[str]:
    """A line for each thing that is probably a mistake, starting with `warning: `."""
    lines = (
        *_of_rows(summary),
        *_of_columns(summary.columns, config),
        *_of_labels(summary, config),
        *summary.columns.notes.lines(),
    )
    return [f'warning: {files.name}: {line}' for line in lines]


def _of_rows(summary: Summary) -> Iterator[str]:
    dropped = summary.empty + summary.duplicates
    if dropped > MAX_DROPPED_SHARE * summary.rows:
        reason = f', {summary.empty:,} of them without text' if summary.empty else ' as duplicates'
        yield f'{_share(dropped, summary.rows)} rows are dropped{reason}'
    if summary.conflicting > MAX_OUTVOTED_SHARE * summary.rows:
        yield (
            f'{summary.conflicting:,} rows have a text that other rows give the other label; '
            'kept is the label of most, or else the first'
        )


def _of_columns(columns: ColumnCounts, config: DataConfig) -> Iterator[str]:
    for part, name in config.named_columns().items():
        effect = 'are unlabelled' if part == 'label' else f'have no {part}'
        if absent := columns.absent.get(part, 0):
            yield f'{_share(absent, columns.rows)} rows have no key {name!r} and {effect}'
        empty = columns.empty.get(part, 0)
        if empty > MAX_EMPTY_SHARE * columns.rows:
            yield f'column {name!r} is empty in {_share(empty, columns.rows)} rows; they {effect}'


def _of_labels(summary: Summary, config: DataConfig) -> Iterator[str]:
    for name in CLASSES:
        rows = summary.of_class(name)
        if rows < max(MIN_CLASS_ROWS, MIN_CLASS_SHARE * summary.labelled()) and summary.labelled():
            yield f'only {_share(rows, summary.labelled())} labelled rows are {name}: too few to learn from'
    rated, contradicting = summary.columns.rated, summary.columns.contradicting
    if contradicting:
        low, high = config.rating_range
        most = (
            f'; are data.rating_range={low:g},{high:g} and the meaning of the labels right?'
            if 2 * contradicting > rated
            else ''
        )
        yield f'in {_share(contradicting, rated)} rows label and rating contradict each other{most}'


def _share(part: int, whole: int) -> str:
    return f'{part:,} of {whole:,}'
