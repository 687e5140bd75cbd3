"""The JSON document of `vaiven evaluate --json`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from vaiven.serving.evaluation.calibration import BINS
from vaiven.serving.evaluation.evaluation import Change, Evaluation, Mistake, Part, Row
from vaiven.serving.evaluation.intervals import CONFIDENCE, Interval
from vaiven.serving.evaluation.measures import Measures
from vaiven.serving.evaluation.paired import Comparison


def document(evaluation: Evaluation) -> dict[str, Any]:
    """The values of an evaluation by name; a measure that is not defined is None.

    Args:
        evaluation: the evaluation.
    """
    whole = evaluation.whole
    return {
        'kind': evaluation.spec.kind,
        'classes': list(evaluation.spec.classes),
        'confidence': CONFIDENCE,
        **_part(whole),
        'calibration': [
            {
                'from': place / BINS,
                'to': (place + 1) / BINS,
                'rows': int(count),
                'mean_probability': _number(probability / count if count else math.nan),
                'share': _number(positives / count if count else math.nan),
            }
            for place, (count, positives, probability) in enumerate(evaluation.bins.tolist())
        ],
        'slices': [
            {'column': part.column, 'value': part.value, 'few_rows': part.is_small, **_part(part)}
            for part in evaluation.slices
        ],
        'errors': [_mistake(mistake) for mistake in evaluation.mistakes],
        **_changes(evaluation),
    }


def _part(part: Part) -> dict[str, Any]:
    measures = part.measures
    values: dict[str, Any] = {
        'rows': measures.rows,
        'measures': {name: _interval(interval) for name, interval in part.intervals.items()},
        'per_class': [
            {name: _number(value) for name, value in dataclasses.asdict(one).items()}
            for one in measures.classes
        ],
    }
    if measures.confusion is not None:
        values['confusion'] = measures.confusion.tolist()
    if part.comparison is not None:
        values['comparison'] = _comparison(part.comparison)
    return values


def _changes(evaluation: Evaluation) -> dict[str, Any]:
    if evaluation.reference is None:
        return {}
    return {
        'reference_measures': _scalars(evaluation.reference),
        'changed': evaluation.changed,
        'changes': [_change(change) for change in evaluation.changes],
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        'only_this_right': comparison.only_model,
        'only_reference_right': comparison.only_reference,
        'p_value': comparison.p_value,
        'differences': {name: _interval(interval) for name, interval in comparison.differences.items()},
    }


def _mistake(mistake: Mistake) -> dict[str, Any]:
    return {
        **_row(mistake.row),
        'label': list(mistake.labels),
        'predicted': list(mistake.predicted),
        'score': _number(mistake.score),
        'log_loss': _number(mistake.log_loss),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        **_row(change.row),
        'label': list(change.labels),
        'reference': list(change.reference),
        'predicted': list(change.predicted),
        'effect': change.effect,
    }


def _row(row: Row) -> dict[str, str]:
    return {'where': row.where, 'text': row.text}


def _scalars(measures: Measures) -> dict[str, float | None]:
    return {name: _number(value) for name, value in measures.scalars().items()}


def _interval(interval: Interval) -> dict[str, float | None]:
    return {
        'value': _number(interval.estimate),
        'low': _number(interval.low),
        'high': _number(interval.high),
    }


def _number(value: Any) -> Any:
    """Six decimals; None for nan, which JSON lacks."""
    if not isinstance(value, float):
        return value
    # Rounding must not leave a minus before a zero.
    return round(value, 6) + 0.0 if math.isfinite(value) else None
