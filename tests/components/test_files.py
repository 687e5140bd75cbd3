"""Which files are meant."""

import os

import pytest

from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import (
    DataFiles,
    Source,
    data_suffix,
    find_local_files,
    remote_files,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ('b.txt', 'a.TXT.gz', 'c.csv', '.hidden.txt', 'novelas [1].txt', 'cc.csv'):
        (tmp_path / name).write_text('x')
    (tmp_path / 'deep' / 'er').mkdir(parents=True)
    (tmp_path / 'deep' / 'er' / 'd.txt').write_text('x')
    monkeypatch.chdir(tmp_path)
    return str(tmp_path)


def names(paths):
    return [os.path.basename(path) for path in paths]


def test_a_folder_means_its_texts_in_order(folder):
    assert names(find_local_files([folder]).data) == ['a.TXT.gz', 'b.txt', 'novelas [1].txt']
    assert all(os.path.isabs(path) for path in find_local_files(['.']).data)


def test_a_pattern_means_what_fits_and_a_file_with_brackets_itself(folder):
    assert names(find_local_files(['c*.csv']).data) == ['c.csv', 'cc.csv']
    assert names(find_local_files(['**/*.txt']).data) == ['b.txt', 'd.txt', 'novelas [1].txt']
    assert names(find_local_files(['novelas [1].txt']).data) == ['novelas [1].txt']


def test_files_keep_the_order_in_which_they_are_given_and_are_read_once(folder):
    files = find_local_files(['b.txt', 'a.TXT.gz', folder], ['c.csv', 'c.csv'])
    assert names(files.data) == ['b.txt', 'a.TXT.gz', 'novelas [1].txt']
    assert [(source.number, source.kind) for source in files.sources()] == [
        (0, 'data'), (1, 'data'), (2, 'data'), (3, 'unlabelled'),
    ]  # fmt: skip
    assert list(files.sources())[3] == Source(3, os.path.join(folder, 'c.csv'), 'unlabelled')


@pytest.mark.parametrize(
    ('data', 'unlabelled', 'message'),
    [
        (['deep'], [], 'deep: is a directory without .txt files'),
        (['c.csv', 'b.txt'], [], r'texts \(.txt\) or tables, not both'),
        (['*.md'], [], r'\*.md: no file matches this pattern; check the value of --data'),
        (['c.csv'], ['*.md'], 'check the value of --unlabelled'),
        (['b.txt'], ['b.txt'], 'is given with --data and with --unlabelled'),
        (['c.csv'], ['x.xlsx'], 'x.xlsx: a data file must be named'),
    ],
)
def test_files_that_are_not_meant_together_are_refused(folder, data, unlabelled, message):
    with pytest.raises(DataError, match=message):
        find_local_files(data, unlabelled)


@pytest.mark.parametrize(
    ('name', 'suffix'),
    [
        ('a.csv', '.csv'),
        ('A.TSV.GZ', '.tsv'),
        ('a.b.jsonl.gz', '.jsonl'),
        ('a.Parquet', '.parquet'),
        ('a.JSON', '.json'),
        ('a.csv.zip', '.csv'),
        ('train.ft.txt.bz2', '.ft'),
        ('a.tsv.ZST', '.tsv'),
        ('x/a.txt', '.txt'),
    ],
)
def test_a_name_says_what_is_in_the_file(name, suffix):
    assert data_suffix(name) == suffix


@pytest.mark.parametrize('name', ['a', 'a.xlsx', 'a.parquet.gz', 'a.zip', 'txt', '.gz'])
def test_a_name_that_says_nothing_is_refused(name):
    with pytest.raises(
        DataError, match=r'must be named \.csv, \.tsv, \.jsonl, \.json, \.parquet, \.txt, or \.ft\.txt'
    ):
        data_suffix(name)


def test_addresses_are_taken_as_they_are_and_a_folder_means_its_texts():
    assert remote_files(['gs://bucket/books/', 'gs://bucket/*.txt.gz'], ['s3://other/a.csv']) == DataFiles(
        ('gs://bucket/books/*.txt', 'gs://bucket/*.txt.gz'), ('s3://other/a.csv',)
    )
