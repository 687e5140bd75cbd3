"""Slices: every row is in one, values keep their spelling, numbers are in ranges."""

import numpy as np
import pytest

from vaiven.label_spec import LabelSpec
from vaiven.serving.evaluation.evaluation import Evaluator, Predictions, Row
from vaiven.serving.evaluation.slices import FEW_ROWS, MAX_SLICES, RANGES, slices


def sizes(values: list[str]) -> dict[str, int]:
    found = slices('column', values)
    rows = np.concatenate([part.rows for part in found]) if found else np.zeros(0, int)
    assert sorted(rows.tolist()) == list(range(len(values)))
    return {part.value: len(part.rows) for part in found}


def test_values_are_slices_the_largest_first_and_missing_ones_last() -> None:
    assert sizes(['es', 'año', '', 'es', '😀', 'es', '']) == {'es': 3, 'año': 1, '😀': 1, '(none)': 2}
    assert list(sizes(['b', 'a', 'a', ''])) == ['a', 'b', '(none)']


def test_few_different_numbers_are_slices_in_ascending_order() -> None:
    assert list(sizes(['10', '9', '2.0', '2', '-1'])) == ['-1', '2', '9', '10']


def test_many_different_numbers_are_divided_at_their_quartiles() -> None:
    found = sizes([str(number) for number in range(100)])
    assert list(found) == ['0 to 24', '25 to 49', '50 to 74', '75 to 99']
    assert len(found) == RANGES
    assert set(found.values()) == {25}


def test_equal_numbers_are_in_one_range() -> None:
    found = sizes(['0'] * 500 + [f'{number / 7:.3f}' for number in range(1, 100)])
    assert next(iter(found.values())) >= 500
    assert sum(found.values()) == 599


def test_numbers_that_a_float_cannot_hold_are_values() -> None:
    assert sizes(['1e999', '2']) == {'1e999': 1, '2': 1}
    assert sizes(['nan', '2']) == {'nan': 1, '2': 1}


def test_the_rarest_values_form_one_slice() -> None:
    values = [f'v{number}' for number in range(30) for _ in range(30 - number)]
    found = sizes(values)
    assert len(found) == MAX_SLICES
    assert list(found)[-1] == f'({30 - MAX_SLICES + 1} other values)'


def test_slices_with_few_rows_are_marked() -> None:
    few, many = slices('c', ['a'] * (FEW_ROWS - 1))[0], slices('c', ['a'] * FEW_ROWS)[0]
    assert (few.is_small, many.is_small) == (True, False)


def test_no_rows_have_no_slices() -> None:
    assert sizes([]) == {}


@pytest.mark.parametrize('batch', [1, 3, 100])
def test_batches_add_up_to_the_same_evaluation(batch: int) -> None:
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 3, 100), rng.dirichlet(np.ones(3), 100)
    older = rng.dirichlet(np.ones(3), 100)
    rows = [Row(f'rows.csv, line {place}', f'text {place}', (str(place % 2),)) for place in range(100)]

    def evaluation(size: int):
        evaluator = Evaluator(LabelSpec('multiclass', ('a', 'b', 'c')), ['parity'], max_listed=4)
        for start in range(0, 100, size):
            part = slice(start, start + size)
            new, old = (
                Predictions(each[part], each[part].argmax(axis=1), each[part].max(axis=1))
                for each in (probabilities, older)
            )
            evaluator.add(rows[part], labels[part], new, old)
        return evaluator.result()

    one, other = evaluation(100), evaluation(batch)
    assert one.whole.measures.scalars() == pytest.approx(other.whole.measures.scalars())
    assert (one.mistakes, one.changes, one.changed) == (other.mistakes, other.changes, other.changed)
    assert [part.value for part in one.slices] == ['0', '1']
    assert len(one.mistakes) == 4
    scores = [mistake.score for mistake in one.mistakes]
    assert scores == sorted(scores, reverse=True)
    assert all(mistake.labels != mistake.predicted for mistake in one.mistakes)
