"""What `vaiven evaluate` prints for people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import click
import numpy as np

from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import terminal
from vaiven.serving.evaluation.evaluation import Change, Evaluation, Mistake
from vaiven.serving.evaluation.intervals import Interval
from vaiven.serving.evaluation.measures import SMALLER_IS_BETTER, ClassMeasures, Measures
from vaiven.serving.evaluation.row_scores import TOP_K

NAMES = {
    'accuracy': 'accuracy',
    'balanced_accuracy': 'balanced accuracy',
    'micro_f1': 'micro F1',
    'macro_f1': 'macro F1',
    'top_k_accuracy': f'top-{TOP_K} accuracy',
    'auc': 'AUC',
    'mean_absolute_error': 'mean absolute error',
    'quadratic_kappa': 'quadratic kappa',
    'hamming': 'Hamming loss',
    'log_loss': 'log loss (nats)',
    'brier': 'Brier score',
    'ece': 'calibration error (ECE)',
}
# Shown as they are; all others in per cent.
_NUMBERS = frozenset(('auc', 'mean_absolute_error', 'quadratic_kappa', 'log_loss', 'brier'))
# A larger matrix does not fit a terminal.
MAX_MATRIX_CLASSES = 20
MAX_CONFUSIONS = 20
MAX_CLASS_ROWS = 50
MAX_NAME = 24
_NONE = '–'
_EFFECTS = {1: 'now right', -1: 'now wrong', 0: 'both wrong'}


def report(evaluation: Evaluation, width: int | None = None) -> Iterator[str]:
    """The lines of a report: measures, classes, confusions, calibration, slices, mistakes and changes.

    Args:
        evaluation: the evaluation.
        width: columns of the terminal, where texts are cut; None for whole texts.
    """
    yield from _measures(evaluation)
    yield from _classes(evaluation.whole.measures)
    yield from _confusions(evaluation)
    yield from _calibration(evaluation)
    yield from _slices(evaluation)
    yield from _mistakes(evaluation.mistakes, width)
    yield from _changes(evaluation, width)


def value_text(name: str, value: float, signed: bool = False) -> str:
    """A measure as text: per cent, or three decimals.

    Args:
        name: of the measure, as in `Measures.scalars`.
        value: its value; nan if it is not defined.
        signed: whether it is a difference, which has a sign.
    """
    if math.isnan(value):
        return _NONE
    sign = '+' if signed else ''
    if name in _NUMBERS:
        # Rounding must not leave a minus before a zero.
        return format(round(value, 3) + 0.0, f'{sign}.3f')
    return format(round(100 * value, 1) + 0.0, f'{sign}.1f') + ('' if signed else ' %')


def _interval_text(name: str, interval: Interval, signed: bool = False) -> str:
    if math.isnan(interval.low):
        return _NONE
    low, high = (value_text(name, value, signed) for value in (interval.low, interval.high))
    return f'{low.removesuffix(" %")} to {high.removesuffix(" %")}'


def _measures(evaluation: Evaluation) -> Iterator[str]:
    whole, reference = evaluation.whole, evaluation.reference
    header = ['measure', 'value', '95 % interval']
    rows = [
        [NAMES[name], value_text(name, interval.estimate), _interval_text(name, interval)]
        for name, interval in whole.intervals.items()
    ]
    if whole.comparison is not None and reference is not None:
        header += ['compared', 'difference', '95 % interval', '']
        old = reference.scalars()
        for row, (name, interval) in zip(rows, whole.comparison.differences.items(), strict=True):
            row += [
                value_text(name, old[name]),
                value_text(name, interval.estimate, signed=True),
                _interval_text(name, interval, signed=True),
                _verdict(name, interval),
            ]
    yield from table(header, rows, left=(0, 6))
    if whole.comparison is not None:
        yield ''
        yield (
            f'only this model is right: {whole.comparison.only_model:,} rows; only the compared one: '
            f"{whole.comparison.only_reference:,} rows (McNemar's exact test: p = {whole.comparison.p_value:.2g})"
        )


def _verdict(name: str, interval: Interval) -> str:
    """`better` or `worse` if the interval excludes 0."""
    if not (interval.low > 0 or interval.high < 0):
        return ''
    return 'better' if (interval.low > 0) != (name in SMALLER_IS_BETTER) else 'worse'


def _classes(measures: Measures) -> Iterator[str]:
    classes = sorted(measures.classes, key=lambda one: -one.rows)
    shown = measures.classes if len(classes) <= MAX_CLASS_ROWS else classes[:MAX_CLASS_ROWS]
    yield ''
    yield from table(
        ['class', 'precision', 'recall', 'F1', 'rows', 'predicted'], [_class_cells(one) for one in shown]
    )
    if len(classes) > len(shown):
        yield f'… and {len(classes) - len(shown):,} smaller classes: --json has them all'


def _class_cells(one: ClassMeasures) -> list[str]:
    shares = [value_text('', value) for value in (one.precision, one.recall, one.f1)]
    return [_name(one.name), *shares, f'{one.rows:,}', f'{one.predicted:,}']


def _confusions(evaluation: Evaluation) -> Iterator[str]:
    confusion, classes = evaluation.whole.measures.confusion, evaluation.spec.classes
    if confusion is None:
        return
    yield ''
    if len(classes) <= MAX_MATRIX_CLASSES:
        yield 'confusion matrix: a row per label, a column per prediction'
        # Long names would make a column each wider than the terminal.
        short = (
            len(classes) > 6 or sum(min(terminal.columns(_name(name)), MAX_NAME) + 2 for name in classes) > 60
        )
        heads = [f'({place})' for place in range(1, len(classes) + 1)] if short else [*map(_name, classes)]
        names = [
            f'({place}) {_name(name)}' if short else _name(name) for place, name in enumerate(classes, 1)
        ]
        rows = [
            [name, *(f'{count:,}' for count in row)]
            for name, row in zip(names, confusion.tolist(), strict=True)
        ]
        yield from table(['', *heads], rows)
        return
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind='stable')[:MAX_CONFUSIONS]
    pairs = [divmod(int(cell), len(classes)) for cell in order]
    found = [(label, predicted) for label, predicted in pairs if wrong[label, predicted]]
    if not found:
        return
    yield 'most frequent confusions'
    yield from table(
        ['label', 'predicted', 'rows'],
        [
            [_name(classes[label]), _name(classes[guess]), f'{wrong[label, guess]:,}']
            for label, guess in found
        ],
        left=(0, 1),
    )


def _calibration(evaluation: Evaluation) -> Iterator[str]:
    count, positives, probability = evaluation.bins.sum(axis=0)
    if not count:
        return
    what = {
        'binary': f'{_name(evaluation.spec.classes[-1])}',
        'multilabel': 'a class',
    }.get(evaluation.spec.kind, 'the predicted class')
    observed = 'right' if evaluation.spec.kind in ('multiclass', 'ordinal') else 'in the labels'
    yield ''
    yield (
        f'calibration: the mean probability of {what} is {probability / count:.1%}; it is {observed} in '
        f'{positives / count:.1%} of the cases'
    )


def _slices(evaluation: Evaluation) -> Iterator[str]:
    names = ['accuracy', 'macro_f1']
    if evaluation.spec.kind == 'ordinal':
        names.append('mean_absolute_error')
    for column in dict.fromkeys(part.column for part in evaluation.slices):
        header = [printable(column, MAX_NAME), 'rows']
        for name in names:
            header += [NAMES[name], '95 % interval']
        if evaluation.whole.comparison is not None:
            header += ['difference of accuracy', '95 % interval']
        rows = []
        for part in evaluation.slices:
            if part.column != column:
                continue
            cells = [printable(part.value, MAX_NAME), f'{part.measures.rows:,}']
            for name in names:
                interval = part.intervals[name]
                cells += [value_text(name, interval.estimate), _interval_text(name, interval)]
            if part.comparison is not None:
                difference = part.comparison.differences['accuracy']
                cells += [
                    value_text('accuracy', difference.estimate, signed=True),
                    _interval_text('accuracy', difference, signed=True),
                ]
            rows.append([*cells, 'few rows' if part.is_small else ''])
        yield ''
        yield from table([*header, ''], rows, left=(0, len(header)))


def _mistakes(mistakes: Sequence[Mistake], width: int | None) -> Iterator[str]:
    if not mistakes:
        return
    yield ''
    yield 'worst errors: the label, the prediction and its probability, the text'
    for mistake in mistakes:
        head = f'{_names(mistake.labels)} → {_names(mistake.predicted)}  {mistake.score:.1%}  '
        where = mistake.row.where.rpartition(', ')[2]
        yield _row(f'  {where}: {head}', mistake.row.text, width)


def _changes(evaluation: Evaluation, width: int | None) -> Iterator[str]:
    if evaluation.reference is None:
        return
    yield ''
    share = evaluation.changed / max(evaluation.whole.measures.rows, 1)
    yield f'changed predictions: {evaluation.changed:,} rows ({share:.1%})'
    for change in evaluation.changes:
        yield _change_line(change, width)


def _change_line(change: Change, width: int | None) -> str:
    where = change.row.where.rpartition(', ')[2]
    head = f'{_EFFECTS[change.effect]}, {_names(change.labels)}: '
    head += f'{_names(change.reference)} → {_names(change.predicted)}  '
    return _row(f'  {where}: {head}', change.row.text, width)


def _row(head: str, text: str, width: int | None) -> str:
    """A line with a text, which is cut at the end of a terminal."""
    return head + printable(text, None if width is None else max(20, width - terminal.columns(head)))


def _name(name: str) -> str:
    return printable(name, MAX_NAME)


def _names(names: Sequence[str]) -> str:
    return ', '.join(map(_name, names)) or _NONE


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> Iterator[str]:
    """The lines of a table.

    Args:
        header: names of the columns.
        rows: the cells.
        left: places of the columns that are aligned at the left; the others are at the right.
    """
    widths = [max(map(terminal.columns, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell + ' ' * (width - terminal.columns(cell))
            if place in left
            else ' ' * (width - terminal.columns(cell)) + cell
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return '  '.join(padded).rstrip()

    yield click.style(line(header), bold=True)
    yield from map(line, rows)
