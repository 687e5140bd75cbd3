"""Why a model that does not meet a threshold is not blessed."""

from collections.abc import Mapping
from typing import Any

from vaiven.components.evaluation.figures import failed_thresholds, held_out_figures
from vaiven.label_spec import LabelSpec


def refusal(evaluation_uri: str, labels: LabelSpec) -> str:
    """The reason in one line: for each threshold the figure, its bound and the setting.

    Args:
        evaluation_uri: location of the evaluation of a model that is not blessed.
        labels: of the model.
    """
    failed, figures = failed_thresholds(evaluation_uri), held_out_figures(evaluation_uri)
    rows = f'{int(figures.get("example_count", 0)):,} held-out rows'
    reasons = [_reason(name, bound, figures, rows, labels) for name, bound in failed.items()]
    return '; '.join(reasons) or 'no metric of eval_config was measured'


def _reason(name: str, bound: float, figures: Mapping[str, Any], rows: str, labels: LabelSpec) -> str:
    match name:
        case 'binary_accuracy' | 'accuracy':
            return f'accuracy {figures[name]:.1%} on {rows} is below evaluation.min_accuracy={bound:g}'
        case 'macro_f1':
            return f'macro-F1 {figures[name]:.3f} on {rows} is below evaluation.min_macro_f1={bound:g}'
        case 'is_constant':
            return f'the model predicts the same for all {rows}{_constant_class(figures, labels)}'
        case 'better_than_chance':
            return _chance(figures, rows)
    return f'a threshold of eval_config is not met: {name}'


def _chance(figures: Mapping[str, Any], rows: str) -> str:
    reason = (
        f'macro-F1 {figures["macro_f1"]:.3f} on {rows}, at least {figures["macro_f1_low"]:.3f} with 95 % confidence, '
        f'is not proven to be above {figures["chance_macro_f1"]:.3f}, the most that a model reaches without the text'
    )
    if 'absolute_error_high' in figures:
        reason += (
            f', nor is the mean absolute error {figures["mean_absolute_error"]:.2f}, at most '
            f'{figures["absolute_error_high"]:.2f}, below {figures["chance_absolute_error"]:.2f}, that of the best '
            'constant prediction'
        )
    return f'{reason}; evaluation.min_macro_f1 replaces this rule by a bound'


def _constant_class(figures: Mapping[str, Any], labels: LabelSpec) -> str:
    if 'confusion' not in figures:
        return ''
    return f': {labels.classes[int(figures["confusion"].sum(axis=0).argmax())]}'
