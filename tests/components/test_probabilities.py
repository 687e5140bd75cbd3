"""Probabilities that another model gave the classes."""

import json

import pytest

from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data

CONFIG = DataConfig(probabilities_column='teacher')


def files_of(tmp_path, labels, *teachers):
    rows = [
        {'text': f'text {n}', 'label': labels[n % len(labels)], 'teacher': teachers[n % len(teachers)]}
        for n in range(120)
    ]
    path = tmp_path / 'a.jsonl'
    path.write_text(''.join(f'{json.dumps(row)}\n' for row in rows), encoding='utf-8')
    return DataFiles((str(path),))


def read(tmp_path, labels, *teachers):
    files = files_of(tmp_path, labels, *teachers)
    config = check_data(files, CONFIG).config
    return [row.probabilities for row in read_data(files, config)][: len(teachers)]


def test_a_list_an_object_and_a_number_are_read(tmp_path):
    assert read(tmp_path, ['neg', 'pos'], 0.75, [0.5, 0.5], {'positive': 0.25}, None, '', '0.0') == [
        (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), None, None, (1.0, 0.0),
    ]  # fmt: skip
    assert read(tmp_path, ['ñ', 'B', 'a'], [0.5, 0.25, 0.25], {'Ñ': 1}, {'b': 0.5, 'a': 0.5}, '[0, 0, 1]') == [
        (0.5, 0.25, 0.25), (0.0, 0.0, 1.0), (0.5, 0.5, 0.0), (0.0, 0.0, 1.0),
    ]  # fmt: skip
    assert read(tmp_path, [['a', 'b'], ['c']], [1, 1, 0], {'c': 0.5}) == [(1.0, 1.0, 0.0), (0.0, 0.0, 0.5)]


def test_rounded_probabilities_are_divided_by_their_sum(tmp_path):
    [probabilities] = read(tmp_path, ['a', 'b', 'c'], [0.33, 0.33, 0.33])
    assert probabilities == pytest.approx((1 / 3,) * 3)


BAD = {
    'another length': (['a', 'b', 'c'], [0.5, 0.5], 'line 1: .*has 2 probabilities, and there are 3 classes; .*a, b'),
    'a number': (['a', 'b', 'c'], 0.5, 'has 1 probabilities, and there are 3 classes'),
    'another class': (['a', 'b', 'c'], {'a': 0.5, 'x': 0.5}, "'x' in column 'teacher' is not one of the classes: a"),
    'above one': (['a', 'b'], 1.5, "line 1: '1.5' in column 'teacher' is not a list of probabilities from 0 to 1"),
    'below zero': (['a', 'b'], [-0.5, 1.5], 'is not a list of probabilities'),
    'not a number': (['a', 'b'], ['0.5', '0.5'], 'is not a list of probabilities'),
    'a missing number': (['a', 'b'], [None, 0.5], 'is not a list of probabilities'),
    'a word': (['a', 'b'], 'likely', "'likely' in column 'teacher' is not a list"),
    'true': (['a', 'b'], 'true', 'is not a list of probabilities'),
    'nothing': (['a', 'b'], '[]', 'is not a list of probabilities'),
    'another sum': (['a', 'b', 'c'], [0.5, 0.5, 0.5], 'line 1: the probabilities .* sum to 1.5, not to 1'),
    'a part': (['a', 'b', 'c'], {'a': 0.5}, 'sum to 0.5, not to 1'),
}  # fmt: skip


@pytest.mark.parametrize(('labels', 'teacher', 'message'), BAD.values(), ids=BAD)
def test_probabilities_that_do_not_fit_are_refused_in_one_line(tmp_path, labels, teacher, message):
    with pytest.raises(DataError, match=message) as caught:
        check_data(files_of(tmp_path, labels, teacher), CONFIG)
    assert '\n' not in str(caught.value)


def test_a_value_that_does_not_fit_is_found_after_many_that_do(tmp_path):
    files = files_of(tmp_path, ['a', 'b', 'c'], *[[0.5, 0.25, 0.25]] * 119, [0.5, 0.5])
    with pytest.raises(DataError, match='line 120: '):
        check_data(files, CONFIG)
