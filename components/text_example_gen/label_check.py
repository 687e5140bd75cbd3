"""Decides whether the labels of the data are understood, once all of them are known."""

import statistics
from collections.abc import Sequence

from vaiven.components.text_example_gen.column_counts import ColumnCounts, LabelCount
from vaiven.components.text_example_gen.config import DataConfig, LabelKind
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.label_proposal import propose, settings_for
from vaiven.serving.common.labels import different_meanings

# More labels than this are hardly classes: ratings of one to ten, and a few spellings.
MAX_LISTED = 12
# Longer labels on average, in characters, are texts.
_TEXT_LENGTH = 30
# A key that more of the rows lack is a wrong name.
MAX_ABSENT_SHARE = 0.5


def require_keys(columns: ColumnCounts, config: DataConfig, name: str) -> None:
    """Raises DataError where most rows lack the key of a column that the configuration names."""
    for part, absent in columns.absent.items():
        if absent > MAX_ABSENT_SHARE * columns.rows:
            raise DataError(
                f'{name}: {absent:,} of {columns.rows:,} rows have no key {config.named_columns()[part]!r}; '
                + _naming(part)
            )


def _naming(part: str) -> str:
    if part != 'label':
        return f'name it with --set data.{part}_column=NAME'
    return (
        'name it with --label-column=NAME; where there are no labels: --set data.label_column=null; '
        'rows that are meant to be unlabelled say null'
    )


def require_labels(columns: ColumnCounts, config: DataConfig, name: str) -> None:
    """Raises DataError where labels are unknown, or one class by default without meaning the same.

    Args:
        columns: what was counted in all of the data.
        config: names the labels.
        name: what the message starts with.
    """
    if columns.unknown:
        raise DataError(_unknown(columns, config, name))
    kinds: tuple[tuple[LabelKind, int], ...] = (('negative', 0), ('positive', 1))
    for kind, value in kinds:
        merged = [] if config.is_set(kind) else _of_class(columns, config, value)
        if different_meanings(merged):
            raise DataError(
                f'{name}: {_listed([columns.labels[key] for key in merged], " and ")} in column '
                f'{config.label_column!r} would all be {kind} by default, but may not mean the same; '
                f'{_holds(columns)}; {_advice(columns, config)}'
            )


def _of_class(columns: ColumnCounts, config: DataConfig, value: int) -> list[str]:
    classes = config.classes()
    return [key for key in columns.labels if classes[key] == value]


def _unknown(columns: ColumnCounts, config: DataConfig, name: str) -> str:
    first = columns.labels[columns.unknown[0]]
    begin = f'{first.where}: {_quoted(first)} in column {config.label_column!r} is not one of the labels'
    lengths = [len(columns.labels[key].spelling) for key in columns.unknown]
    if statistics.fmean(lengths) > _TEXT_LENGTH:
        advice = 'it seems to hold texts: name the columns with --text-column=NAME and --label-column=NAME'
    elif len(columns.labels) <= MAX_LISTED:
        advice = _advice(columns, config)
    else:
        advice = (
            'a classifier needs a few labels: name their column with --label-column=NAME, or name all of them '
            'with --set data.positive_labels=A,B --set data.negative_labels=C,D --set data.unlabelled_labels=E,F'
        )
    return f'{begin}; {_holds(columns)}; {advice}'


def _holds(columns: ColumnCounts) -> str:
    """All labels with their counts; of very many the most frequent."""
    ordered = sorted(columns.labels.values(), key=lambda label: -label.rows)
    listed = ', '.join(f'{_quoted(label)} {label.rows:,}' for label in ordered[:MAX_LISTED])
    if more := len(ordered) - MAX_LISTED:
        rows = columns.more_labels + sum(label.rows for label in ordered[MAX_LISTED:])
        at_least = 'at least ' if columns.more_labels else ''
        listed += f', and {at_least}{more:,} others in {rows:,} rows' if more > 0 else ''
    none = f', no label {columns.no_label:,}' if columns.no_label else ''
    return f'the column holds {listed}{none}'


def _advice(columns: ColumnCounts, config: DataConfig) -> str:
    spellings = {key: label.spelling for key, label in columns.labels.items()}
    proposal = propose(spellings, config)
    words = ' '.join(settings_for(proposal, spellings))
    return f'{"say which is which, for example" if proposal.is_guess else "if that is what they mean, add"}: {words}'


def _listed(labels: Sequence[LabelCount], last: str) -> str:
    quoted = list(map(_quoted, labels))
    return ', '.join(quoted[:-1]) + last + quoted[-1]


def _quoted(label: LabelCount) -> str:
    spelling = label.spelling
    return repr(spelling if len(spelling) <= 40 else spelling[:40] + '…')
