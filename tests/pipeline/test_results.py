"""The results of a run: what the Evaluator has measured, in values and in words."""

import dataclasses
import io
import json

import numpy as np
import pytest

from vaiven.label_spec import SENTIMENT
from vaiven.pipeline.measures_display import print_measures
from vaiven.pipeline.progress_display import ProgressDisplay
from vaiven.pipeline.results import RunResults

CLASSES = ('envío', 'פנייה', '💳')
NAN = float('nan')


def figures(**others: float) -> dict[str, float | np.ndarray]:
    return {
        'example_count': 10.0, 'accuracy': 0.8, 'macro_f1': 0.5, 'ece': 0.1, 'brier': 0.25, 'better_than_chance': 1.0,
        'class_precision': np.array([1.0, 0.5, NAN]), 'class_recall': np.array([0.75, 1.0, 0.0]),
        'class_f1': np.array([0.857, 0.667, 0.0]), 'class_rows': np.array([6.0, 2.0, 2.0]),
        'confusion': np.array([[6.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0]]), **others,
    }  # fmt: skip


def results(classes: tuple[str, ...] = CLASSES, **others: float) -> RunResults:
    made = RunResults(classes)
    made._add_figures(figures(**others))
    return made


def printed(results: RunResults) -> str:
    stream = io.StringIO()
    print_measures(ProgressDisplay(stream), results)
    return stream.getvalue()


def test_the_measures_are_plain_values_by_class() -> None:
    values = json.loads(json.dumps(dataclasses.asdict(results()), allow_nan=False))
    assert values['measures'] == {'accuracy': 0.8, 'macro_f1': 0.5, 'brier': 0.25, 'ece': 0.1}
    assert (values['accuracy'], values['brier'], values['calibration_error'], values['rows']) == (
        0.8,
        0.25,
        0.1,
        10,
    )
    assert list(values['per_class']) == list(CLASSES)
    assert values['per_class']['💳'] == {'precision': None, 'recall': 0.0, 'f1': 0.0, 'rows': 2.0}
    assert values['confusion'] == [[6, 0, 0], [0, 2, 0], [0, 2, 0]]


def test_several_classes_are_printed_with_the_macro_f1_and_a_row_each() -> None:
    text = printed(dataclasses.replace(results(), majority=0.6, linear=0.7, linear_macro_f1=0.45))
    lines = [' '.join(line.split()) for line in text.splitlines()]
    assert lines[:3] == [
        'accuracy on 10 held-out rows 80.0%',
        'of the majority class 60.0%',
        'of a linear model (NB-SVM) 70.0%',
    ]
    assert lines[3:5] == ['macro-F1 0.500', 'of a linear model (NB-SVM) 0.450']
    assert '💳 2 - 0.0% 0.0%' in lines
    assert results().summary() == ['accuracy 80.0%', 'macro-F1 0.500']


def test_ordered_classes_are_printed_with_their_error() -> None:
    stars = results(mean_absolute_error=0.4, quadratic_kappa=0.7)
    assert 'mean absolute error              0.400' in printed(stars)
    assert 'quadratic kappa                  0.700' in printed(stars)
    assert stars.summary()[-1] == 'mean absolute error 0.40'


@pytest.mark.parametrize(('rows', 'shown'), [((5, 5), False), ((6, 4), False), ((2, 8), True)])
def test_the_macro_f1_of_two_classes_is_printed_where_they_are_unequal(
    rows: tuple[int, int], shown: bool
) -> None:
    made = RunResults(SENTIMENT)
    two = {name: value[:2] for name, value in figures().items() if isinstance(value, np.ndarray)}
    made._add_figures({**figures(), **two, 'class_rows': np.array(rows, float)})
    assert ('macro-F1' in printed(made)) is shown
    assert 'precision' not in printed(made)


def test_of_many_classes_those_with_the_lowest_f1_are_printed() -> None:
    made = RunResults(tuple(f'c{number}' for number in range(300)))
    arrays = {f'class_{name}': np.linspace(0, 1, 300) for name in ('precision', 'recall', 'f1', 'rows')}
    made._add_figures({**figures(), **arrays, 'confusion': np.eye(300)})
    assert made.confusion == []
    text = printed(made)
    assert 'the 20 of 300 classes with the lowest F1' in text
    assert 'c19 ' in text
    assert 'c20 ' not in text


def test_behavioural_tests_are_printed_in_three_lines_whatever_they_contain() -> None:
    failure = {'text': 'a\nb ' * 90, 'variant': 'é' * 200, 'label': None, 'predicted': '💳', 'change': 0.3}
    tests = [{'test': 'names', 'passed': 1, 'total': 2, 'mean_change': 0.3, 'failures': [failure]}]
    lines = printed(dataclasses.replace(results(), behaviour={'score': 0.5, 'tests': tests})).splitlines()
    start = lines.index('behavioural tests passed: 1 of 2')
    assert lines[start + 1] == '  names 1/2'
    assert lines[start + 2].startswith('  names, for example: «a b a b ')
    assert len(lines) == start + 3
    assert 'behavioural' not in printed(results())
