"""Prints what a run has measured."""

from typing import TYPE_CHECKING, Any

from vaiven.components.evaluation.behaviour.results import describe
from vaiven.pipeline.progress_display import ProgressDisplay

if TYPE_CHECKING:
    from vaiven.pipeline.results import RunResults

_MAX_EXCERPT_CHARACTERS = 300
# Of more classes, those with the lowest F1 are shown.
_MAX_CLASSES = 20
_NAMES = {
    'micro_f1': 'micro-F1',
    'mean_absolute_error': 'mean absolute error',
    'quadratic_kappa': 'quadratic kappa',
    'top_k_accuracy': 'label among the top 3',
    'hamming': 'wrong labels (Hamming loss)',
}


def print_measures(display: ProgressDisplay, results: 'RunResults') -> None:
    """Prints the measures of a classifier.

    Args:
        display: where they are printed.
        results: the results of a run that has measured one.
    """
    measures = results.measures
    rows = f'{results.rows or "the"} held-out rows'
    display.line(display.bold(f'accuracy on {rows}  {results.accuracy:6.1%}'))
    if results.majority is not None and results.linear is not None:
        display.line(f'  of the majority class        {results.majority:6.1%}')
        display.line(f'  of a linear model (NB-SVM)   {results.linear:6.1%}')
    if results.is_macro_f1_shown:
        display.line(f'macro-F1                       {measures["macro_f1"]:7.3f}')
        if results.linear_macro_f1 is not None:
            display.line(f'  of a linear model (NB-SVM)   {results.linear_macro_f1:7.3f}')
    for name, words in _NAMES.items():
        if name in measures:
            display.line(f'{words:31}{measures[name]:7.3f}')
    if results.calibration_error is not None and results.brier is not None:
        display.line(f'expected calibration error     {results.calibration_error:6.1%}')
        display.line(f'Brier score                    {results.brier:7.3f}')
    if len(results.per_class) > 2:
        _print_classes(display, results)
    for line in describe(results.behaviour) if results.behaviour else ():
        display.line(line)


def _print_classes(display: ProgressDisplay, results: 'RunResults') -> None:
    classes = list(results.per_class.items())
    if len(classes) > _MAX_CLASSES:
        classes = sorted(classes, key=lambda item: item[1]['f1'] or 0.0)[:_MAX_CLASSES]
        display.line(f'the {_MAX_CLASSES} of {len(results.per_class)} classes with the lowest F1')
    table = [
        ('', (name, f'{values["rows"]:.0f}', *(_share(values[key]) for key in ('precision', 'recall', 'f1'))))
        for name, values in classes
    ]
    display.table(('class', 'rows', 'precision', 'recall', 'F1'), table)


def _share(value: float | None) -> str:
    return '-' if value is None else f'{value:.1%}'


def print_language(display: ProgressDisplay, evaluation: dict[str, Any]) -> None:
    """Prints the evaluation of a language model.

    Args:
        display: where it is printed.
        evaluation: as `RunResults.language` has it.
    """
    characters = evaluation['characters']
    rows = {
        f'bits per character on {characters:,} held-out characters': evaluation['bits_per_character'],
        '  of the previous blessed model': evaluation['before'],
        '  of a compressor (xz)': evaluation['compressor'],
        '  of the character frequencies': evaluation['unigram'],
    }
    for number, (name, bits) in enumerate(rows.items()):
        if bits is not None:
            line = f'{name:52}{bits:7.3f}'
            display.line(line if number else display.bold(line))
    shares = ' '.join(f'{share:.0%}' for share in evaluation['distinct'])
    display.line(
        f'generated text: distinct-1, -2, -3: {shares}; longest copied passage: «{evaluation["copied"]}»'
    )
    display.line(f'  {_excerpt(evaluation["written"][0])}')


def _excerpt(text: str) -> str:
    """The start of a text, in one line."""
    line = ' '.join(text.split())
    if len(line) <= _MAX_EXCERPT_CHARACTERS:
        return line
    return line[: _MAX_EXCERPT_CHARACTERS - 1] + '…'
