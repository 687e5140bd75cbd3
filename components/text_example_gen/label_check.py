"""Checks the labels of the data when all of them have been counted."""

import statistics
from collections.abc import Sequence

from vaiven.components.text_example_gen.column_counts import ColumnCounts, LabelCount, cut_label
from vaiven.components.text_example_gen.config import MAX_NAME_LENGTH, DataConfig, LabelSense
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.label_proposal import label_options, propose_labels
from vaiven.label_spec import MAX_CLASSES
from vaiven.serving.common.labels import different_meanings

# Labels that a message lists: it allows for ratings from one to ten and a few spellings.
MAX_LISTED = 12
# If the labels have more characters than this on average, and fewer rows, the column holds texts.
_MAX_MEAN_LENGTH, _MIN_ROWS_PER_LABEL = 30, 3
_TEXTS = 'it seems to contain texts: name the columns with --text-column=NAME and --label-column=NAME'
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


def require_classes(columns: ColumnCounts, config: DataConfig, name: str) -> None:
    """Checks that the labels of a column are classes, before kind and classes are found in them.

    Args:
        columns: counts over all of the data.
        config: what it sets is not found in the data.
        name: start of the message.

    Raises:
        DataError: if the column holds texts, or labels of more classes than a model may have.
    """
    if not config.finds_classes() or config.classes:
        return
    unlabelled = config.labels_of('unlabelled')
    labels = [label for key, label in columns.labels.items() if key not in unlabelled]
    rows = sum(label.rows for label in labels) + columns.more_labels
    lengths = [len(label.spelling) for label in labels]
    are_rare = rows < _MIN_ROWS_PER_LABEL * len(labels) or columns.more_labels
    if len(labels) > MAX_LISTED and are_rare and statistics.fmean(lengths) > _MAX_MEAN_LENGTH:
        raise DataError(f'{_first(labels[0], config)} is not a label; {_label_counts(columns)}; {_TEXTS}')
    if columns.more_labels or len(labels) > MAX_CLASSES:
        raise DataError(
            f'{name}: column {config.label_column!r} has more than {MAX_CLASSES:,} labels, the most that a model may '
            f'have; {_label_counts(columns)}; name another column with --label-column=NAME, or the classes with '
            '--set data.classes=A,B and the labels of other rows with --set data.unlabelled_labels=C,D'
        )
    if too_long := [label for label in labels if len(label.usual_spelling()) > MAX_NAME_LENGTH]:
        raise DataError(
            f'{_first(too_long[0], config)} is longer than a label may be, {MAX_NAME_LENGTH} characters; {_TEXTS}'
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
    classes = {cut_label(key): value for key, value in config.label_classes().items()}
    unknown = [label for key, label in columns.labels.items() if key not in classes]
    if unknown:
        raise DataError(_unknown(unknown, columns, config))
    kinds: tuple[tuple[LabelSense, int], ...] = (('negative', 0), ('positive', 1))
    for kind, value in kinds if config.is_sentiment() else ():
        merged = [] if config.is_set(kind) else [key for key in columns.labels if classes[key] == value]
        if different_meanings(merged):
            raise DataError(
                f'{name}: {_listed([columns.labels[key] for key in merged], " and ")} in column '
                f'{config.label_column!r} would all be {kind} by default, but may not mean the same; '
                f'{_label_counts(columns)}; data.label_kind=multiclass makes each a class; '
                f'{_remedy(columns, config)}'
            )


def require_one_kind(config: DataConfig, several: int, first: str) -> None:
    """Checks that rows have several labels only if the kind of the labels allows it.

    Args:
        config: the resolved configuration.
        several: number of rows with several labels, or an empty list.
        first: file and line of the first of them.

    Raises:
        DataError: if such rows exist, and the kind is another than multilabel.
    """
    if several and config.label_kind != 'multilabel':
        raise DataError(
            f'{first}: the row does not have one label, as data.label_kind={config.label_kind} needs '
            f'({several:,} rows do not); if a row may have several: --set data.label_kind=multilabel'
        )


def require_rating(columns: ColumnCounts, config: DataConfig, name: str) -> None:
    """Checks that a rating has a meaning for the labels.

    Args:
        columns: counts over all of the data.
        config: the resolved configuration.
        name: start of the message.

    Raises:
        DataError: if the classes have no order, or a column that is label and rating has labels without a number.
    """
    if config.rating_column is None or not columns.labels:
        return
    if config.label_kind in ('multiclass', 'multilabel'):
        raise DataError(
            f'{name}: column {config.rating_column!r} rates rows from the lowest to the highest class, and the labels '
            f'in column {config.label_column!r} have no order ({config.label_kind}); leave data.rating_column out, or '
            'give soft labels with data.probabilities_column'
        )


def _first(label: LabelCount, config: DataConfig) -> str:
    return f'{label.where}: {_quoted(label)} in column {config.label_column!r}'


def _unknown(unknown: Sequence[LabelCount], columns: ColumnCounts, config: DataConfig) -> str:
    problem = f'{_first(unknown[0], config)} is not one of the labels'
    if statistics.fmean(len(label.spelling) for label in unknown) > _MAX_MEAN_LENGTH:
        advice = _TEXTS
    elif not config.is_sentiment():
        problem = f'{_first(unknown[0], config)} is not one of data.classes ({_short_list(config.classes)})'
        advice = 'add it to data.classes, or to data.unlabelled_labels if its rows belong to none of them'
    elif len(columns.labels) <= MAX_LISTED:
        advice = f'data.label_kind=multiclass makes each a class; {_remedy(columns, config)}'
    else:
        advice = (
            'data.label_kind=multiclass makes each a class; name another column with --label-column=NAME, or all '
            'labels with --set data.positive_labels=A,B --set data.negative_labels=C,D --set data.unlabelled_labels=E,F'
        )
    return f'{problem}; {_label_counts(columns)}; {advice}'


def _short_list(names: Sequence[str]) -> str:
    return ', '.join(names[:MAX_LISTED]) + (', …' if len(names) > MAX_LISTED else '')


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
