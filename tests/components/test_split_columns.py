"""Splits of one's own: by a column, or by time."""

import pytest

from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.data_warnings import list_warnings
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_data
from vaiven.components.text_example_gen.rows import assign_split, text_fingerprint
from vaiven.configuration import ConfigError

BY_COLUMN = DataConfig(split_column='part')
BY_TIME = DataConfig(time_column='when')


def table(tmp_path, header, rows):
    path = tmp_path / 'a.csv'
    path.write_text('\n'.join([header, *rows]) + '\n', encoding='utf-8')
    return DataFiles((str(path),))


def by_column(tmp_path, *more, splits=('train', 'validation', 'test')):
    rows = [f'text {n},{n // 6 % 2},{splits[n % len(splits)]}' for n in range(60)]
    return table(tmp_path, 'text,label,part', [*rows, *more])


def splits_of(files, config):
    rows = read_data(files, config)
    return {row.text: assign_split(row, text_fingerprint(row.text), config) for row in rows}


@pytest.mark.parametrize('name', ['eval', 'Validation', ' VAL ', 'valid', 'dev'])
def test_a_split_column_decides_the_split_of_each_row(tmp_path, name):
    files = by_column(tmp_path, splits=('train', name, 'TEST'))
    checked = check_data(files, BY_COLUMN)
    assert checked.summary.labelled_by_split == {'train': 20, 'eval': 20, 'test': 20}
    assert splits_of(files, checked.config)['text 1'] == 'eval'


def test_another_name_of_a_split_is_refused_with_its_row(tmp_path):
    with pytest.raises(
        DataError, match=r"line 62: 'fold 3' in column 'part' is not a split; it must be train, eval"
    ):
        check_data(by_column(tmp_path, 'more,1,fold 3'), BY_COLUMN)


def test_rows_without_a_split_are_text_only_and_that_is_said(tmp_path):
    files = by_column(tmp_path, 'more,1,', 'still more,0,NA')
    checked = check_data(files, BY_COLUMN)
    assert checked.summary.unlabelled == 2
    assert (
        "warning: a.csv: column 'part' is empty in 1 of 62 rows; they are used as text only"
        in list_warnings(checked.summary, checked.config, files)
    )


def test_a_text_of_two_splits_is_kept_in_the_one_that_is_held_out(tmp_path):
    twice = ['Twice,1,train', 'twice,1,test', ' TWICE,1,train', 'two,0,eval', 'two,0,train', 'two,1,']
    for rows in (twice, twice[::-1]):
        summary = check_data(by_column(tmp_path, *rows), BY_COLUMN).summary
        assert summary.labelled_by_split == {'train': 20, 'eval': 21, 'test': 21}


def test_a_split_without_a_row_says_which_column_names_it(tmp_path):
    with pytest.raises(
        DataError, match=r"split 'eval' has 0 rows, .*name more of them eval in column 'part'"
    ):
        check_data(by_column(tmp_path, splits=('train', 'test')), BY_COLUMN)
    with pytest.raises(DataError, match=r"no row has a label in column 'label' and a value in column 'part'"):
        check_data(by_column(tmp_path, splits=('',)), BY_COLUMN)


def test_a_group_in_two_splits_is_warned_about(tmp_path):
    rows = [f'text {n},{n % 2},{("train", "eval", "test")[n // 2 % 3]},film {n // 3}' for n in range(60)]
    files = table(tmp_path, 'text,label,part,film', rows)
    checked = check_data(files, DataConfig(split_column='part', group_column='film'))
    groups = {n // 3: {m // 2 % 3 for m in range(60) if m // 3 == n // 3} for n in range(60)}
    assert checked.split_groups == sum(len(splits) > 1 for splits in groups.values()) > 0
    assert (
        f"warning: a.csv: {checked.split_groups} groups of column 'film' have rows in several splits: the model is "
        'tested on groups that it was trained on'
        in list_warnings(checked.summary, checked.config, files, checked.split_groups)
    )


TIMES = {
    'dates': [f'2026-{1 + n // 25:02}-{1 + n % 25:02}' for n in range(100)],
    'moments': [
        f'2026-03-{1 + n // 24:02}T{n % 24:02}:30:00{"Z" if n % 2 else "+00:00"}' for n in range(100)
    ],
    'months': [f'{1990 + n // 12}-{1 + n % 12:02}' for n in range(100)],
    'years': [str(1900 + n) for n in range(100)],
    'seconds': [f'{1.7e9 + n}' for n in range(100)],
}


@pytest.mark.parametrize('times', TIMES.values(), ids=TIMES)
def test_the_latest_rows_are_tested_on_and_the_earliest_trained_on(tmp_path, times):
    numbers = [*range(0, 100, 7), *(n for n in range(100) if n % 7)]
    files = table(tmp_path, 'text,label,when', [f'text {n},{n % 2},{times[n]}' for n in numbers])
    checked = check_data(files, BY_TIME)
    assert checked.summary.labelled_by_split == {'train': 80, 'eval': 10, 'test': 10}
    splits = splits_of(files, checked.config)
    assert [splits[f'text {n}'] for n in range(100)] == ['train'] * 80 + ['eval'] * 10 + ['test'] * 10
    assert check_data(files, checked.config).config == checked.config


def test_rows_of_one_time_stay_together_and_each_split_has_one(tmp_path):
    days = [1] * 90 + [2] * 5 + [3] * 5
    files = table(
        tmp_path, 'text,label,when', [f'text {n},{n % 2},2026-01-0{day}' for n, day in enumerate(days)]
    )
    assert check_data(files, BY_TIME).summary.labelled_by_split == {'train': 90, 'eval': 5, 'test': 5}


def test_a_text_of_two_times_has_the_later_one_and_rows_without_time_are_text_only(tmp_path):
    rows = [f'text {n},{n % 2},{1900 + n}' for n in range(100)] + [
        'TEXT 0,0,1999',
        'more,1,',
        'no label,,2020',
    ]
    files = table(tmp_path, 'text,label,when', rows)
    checked = check_data(files, BY_TIME)
    assert (checked.summary.labelled(), checked.summary.unlabelled) == (100, 2)
    assert checked.config.time_boundaries == (1981.0, 1991.0)
    assert (
        "warning: a.csv: column 'when' is empty in 1 of 103 rows; they are used as text only"
        in list_warnings(checked.summary, checked.config, files)
    )


@pytest.mark.parametrize(
    ('times', 'message'),
    [
        (['31/12/2026'], r"line 2: '31/12/2026' in column 'when' is neither a date such as 2026-03-31"),
        (['yesterday'], 'is neither a date'),
        (['inf'], 'is neither a date'),
        (['2026-01-01', '1999'], "line 3: '1999' in column 'when' is a number, and earlier rows have dates"),
        (['2026-01-01', '2026-01-02'], "the rows have 2 different times in column 'when'; .*at least three"),
    ],
)
def test_times_that_give_no_split_are_refused_in_one_line(tmp_path, times, message):
    rows = [f'text {n},{n % 2},{times[n % len(times)]}' for n in range(60)]
    with pytest.raises(DataError, match=message):
        check_data(table(tmp_path, 'text,label,when', rows), BY_TIME)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match='exclude each other'):
        DataConfig(split_column='a', time_column='b')
    with pytest.raises(ConfigError, match='two increasing times'):
        DataConfig(time_column='b', time_boundaries=(2.0, 1.0))
