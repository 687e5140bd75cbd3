"""The check that a model can be trained on the rows."""

from collections.abc import Sequence

from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.label_check import require_keys, require_labels
from vaiven.components.text_example_gen.summary import Summary

# Classes that a message names.
_MAX_NAMED = 6


def require_learnable(summary: Summary, config: DataConfig, files: DataFiles) -> None:
    """Checks that all labels are known, and that there are enough rows of each class, if there are labels.

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
                f'{files.name}: split {split!r} has none of the {kept} {unit}; {remedy}{_split_remedy(config, split)}'
            )


def _require_classes(summary: Summary, config: DataConfig, name: str) -> None:
    if summary.labelled() == 0:
        raise DataError(
            f'{name}: no row has a label in column {config.label_column!r}'
            + _without_split(config)
            + '; name another with --label-column=NAME'
        )
    counts = {label: summary.rows_of_class(label) for label in summary.classes}
    if config.is_sentiment():
        _require_both(summary, counts, name)
    elif missing := [label for label, rows in counts.items() if rows == 0]:
        raise DataError(
            f'{name}: no row is labelled {named(missing)}, which data.classes names; add rows, or leave it out'
        )
    if summary.labelled() < config.min_rows:
        raise DataError(
            f'{name}: {summary.labelled()} labelled rows are left of {summary.rows} '
            f'({summary.duplicates} duplicates, {summary.empty} empty, {summary.unlabelled} unlabelled); '
            f'at least {config.min_rows} are needed (data.min_rows)'
        )
    single = [label for label, rows in counts.items() if rows == 1 and not config.is_sentiment()]
    if single:
        plural = len(single) > 1
        where = '' if plural else f' ({_first_row(summary, single[0])})'
        # Numbers that are measured, not chosen, hardly occur twice.
        is_measured = config.label_kind == 'ordinal' and 2 * len(single) > len(counts)
        remedy = 'round the numbers to a few levels' if is_measured else 'add rows, correct the spelling'
        noun, have = ('classes', 'have one row each') if plural else ('class', 'has one row')
        raise DataError(
            f'{name}: the {noun} {named(single)} {have}{where}, and a class needs several; {remedy}, or use such '
            'rows as text only with --set data.min_class_rows=2 (or data.unlabelled_labels)'
        )
    for split, classes in summary.splits.items():
        absent = [label for label, count in classes.items() if count == 0]
        # Two classes cannot be evaluated without one of them; of more, the others can.
        is_required = split == 'train' or len(classes) == 2
        if absent and (is_required or summary.labelled_by_split[split] == 0):
            raise DataError(
                f'{name}: split {split!r} has {summary.labelled_by_split[split]} rows, none of them '
                f'{named(absent)}; add rows'
                + (', or set a finer data.group_column' if config.group_column else '')
                + _split_remedy(config, split)
            )


def _require_both(summary: Summary, counts: dict[str, int], name: str) -> None:
    for present, absent in (summary.classes, summary.classes[::-1]):
        if counts[absent] == 0:
            raise DataError(
                f'{name}: all {summary.labelled()} labelled rows are {present}; a classifier needs both '
                f'classes: add {absent} rows or name their labels with --set data.{absent}_labels=A,B'
            )


def _first_row(summary: Summary, label: str) -> str:
    return next(
        (count.where for count in summary.columns.labels.values() if label in count.spellings),
        'of several spellings',
    )


def _split_remedy(config: DataConfig, split: str) -> str:
    if config.split_column is not None:
        return f', or name more of them {split} in column {config.split_column!r}'
    return f', or enlarge the split with --set data.{split}_buckets=N'


def _without_split(config: DataConfig) -> str:
    column = config.split_column or config.time_column
    return '' if column is None else f' and a value in column {column!r}'


def named(labels: Sequence[str]) -> str:
    """Names of classes in a message, at most six of them.

    Args:
        labels: the names.
    """
    more = f' and {len(labels) - _MAX_NAMED:,} others' if len(labels) > _MAX_NAMED else ''
    return ', '.join(labels[:_MAX_NAMED]) + more
