"""Checks the labels of the data when all of them have been counted."""

import statistics
from collections.abc import Sequence

from vaiven.components.text_example_gen.column_counts import ColumnCounts, LabelCount
from vaiven.components.text_example_gen.config import DataConfig, LabelSense
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.label_proposal import label_options, propose_labels
from vaiven.serving.common.labels import different_meanings

# More labels than this are not classes: it allows for ratings from one to ten and a few spellings.
MAX_LISTED = 12
# If the labels have more characters than this on average, the column holds texts.
_MAX_MEAN_LENGTH = 30
# A key that a larger share of the rows lacks is a wrong name.
MAX_ABSENT_SHARE = 0.5


def require_keys(columns: ColumnCounts, config: DataConfig, name: str) -> None:
    """Checks that most rows have the key of each column that the configuration names.

    Args:
        columns: counts over all of the data.
        config: names of the columns.
        name: start of the message.

    Raises:
        DataError: if more than half of the rows lack a key.
    """
    for part, absent in columns.absent.items():
        if absent > MAX_ABSENT_SHARE * columns.rows:
            raise DataError(
                f'{name}: {absent:,} of {columns.rows:,} rows have no key {config.named_columns()[part]!r}; '
                + _column_remedy(part)
            )


def _column_remedy(part: str) -> str:
    if part != 'label':
        return f'name it with --set data.{part}_column=NAME'
    return (
        'name it with --label-column=NAME; without labels: --set data.label_column=null; '
        'rows that are unlabelled on purpose have the value null'
    )


def require_labels(columns: ColumnCounts, config: DataConfig, name: str) -> None:
    """Checks that every label is known, and that labels which a class contains by default mean the same.

    Args:
        columns: counts over all of the data.
        config: names of the labels.
        name: start of the message.

    Raises:
        DataError: if a label is unknown, or the defaults merge labels that may differ in meaning.
    """
    if columns.unknown:
        raise DataError(_unknown(columns, config, name))
    kinds: tuple[tuple[LabelSense, int], ...] = (('negative', 0), ('positive', 1))
    for kind, value in kinds:
        merged = [] if config.is_set(kind) else _labels_of_class(columns, config, value)
        if different_meanings(merged):
            raise DataError(
                f'{name}: {_listed([columns.labels[key] for key in merged], " and ")} in column '
                f'{config.label_column!r} would all be {kind} by default, but may not mean the same; '
                f'{_label_counts(columns)}; {_remedy(columns, config)}'
            )


def _labels_of_class(columns: ColumnCounts, config: DataConfig, value: int) -> list[str]:
    classes = config.label_classes()
    return [key for key in columns.labels if classes[key] == value]


def _unknown(columns: ColumnCounts, config: DataConfig, name: str) -> str:
    first = columns.labels[columns.unknown[0]]
    problem = f'{first.where}: {_quoted(first)} in column {config.label_column!r} is not one of the labels'
    lengths = [len(columns.labels[key].spelling) for key in columns.unknown]
    if statistics.fmean(lengths) > _MAX_MEAN_LENGTH:
        advice = 'it seems to contain texts: name the columns with --text-column=NAME and --label-column=NAME'
    elif len(columns.labels) <= MAX_LISTED:
        advice = _remedy(columns, config)
    else:
        advice = (
            'a classifier needs a few labels: name their column with --label-column=NAME, or name all of them '
            'with --set data.positive_labels=A,B --set data.negative_labels=C,D --set data.unlabelled_labels=E,F'
        )
    return f'{problem}; {_label_counts(columns)}; {advice}'


def _label_counts(columns: ColumnCounts) -> str:
    """The labels and their counts; of more than `MAX_LISTED` labels, the most frequent."""
    ordered = sorted(columns.labels.values(), key=lambda label: -label.rows)
    listed = ', '.join(f'{_quoted(label)} {label.rows:,}' for label in ordered[:MAX_LISTED])
    if more := len(ordered) - MAX_LISTED:
        rows = columns.more_labels + sum(label.rows for label in ordered[MAX_LISTED:])
        at_least = 'at least ' if columns.more_labels else ''
        listed += f', and {at_least}{more:,} others in {rows:,} rows' if more > 0 else ''
    none = f', no label {columns.no_label:,}' if columns.no_label else ''
    return f'the column contains {listed}{none}'


def _remedy(columns: ColumnCounts, config: DataConfig) -> str:
    spellings = {key: label.spelling for key, label in columns.labels.items()}
    proposal = propose_labels(spellings, config)
    options = ' '.join(label_options(proposal, spellings))
    return f'{"say which is which, for example" if proposal.is_guess else "if that is what they mean, add"}: {options}'


def _listed(labels: Sequence[LabelCount], last: str) -> str:
    quoted = list(map(_quoted, labels))
    return ', '.join(quoted[:-1]) + last + quoted[-1]


def _quoted(label: LabelCount) -> str:
    spelling = label.spelling
    return repr(spelling if len(spelling) <= 40 else spelling[:40] + '…')
