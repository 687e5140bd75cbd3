"""JSON lines and parquet: what is read, and what is said about files that cannot be."""

import gzip
import json
import pathlib

import pyarrow
import pytest
from pyarrow import parquet

from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_rows, read_unlabelled
from vaiven.components.text_example_gen.rows import Row

CONFIG = DataConfig(max_row_bytes=1000)
ALL = DataConfig(
    text_column='body',
    label_column='stars',
    group_column='film',
    language_column='lang',
    rating_column='score',
    rating_range=(0.0, 10.0),
    negative_labels=('1',),
    positive_labels=('5',),
    unlabelled_labels=('3',),
)
ROWS = [
    {'body': 'Que\u0301 bonita\n«de verdad»', 'stars': 5, 'film': 'El Sur', 'lang': 'es', 'score': 10},
    {'body': 'فيلم 👩‍👩‍👧', 'stars': 1, 'film': 12, 'lang': None, 'score': 2.5},
    {'body': 'so so', 'stars': 3, 'film': ' ', 'lang': 'en', 'score': None},
    {'body': None, 'stars': None, 'film': None, 'lang': None, 'score': None},
]
EXPECTED = [
    Row(1, 'Qué bonita\n«de verdad»', 1, 'El Sur', 'es', 1.0),
    Row(2, 'فيلم 👩‍👩‍👧', 0, '12', None, -0.5),
    Row(3, 'so so', None, None, 'en', None),
    Row(4, '', None, None, None, None),
]


def jsonl(path, lines):
    path.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
    return str(path)


def parquet_file(path, columns):
    parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    return str(path)


def check(path, config=CONFIG):
    return check_data(DataFiles((path,)), config).summary


def test_objects_are_read_by_the_names_of_their_keys(tmp_path):
    path = jsonl(tmp_path / 'a.jsonl', ['', *(json.dumps({**row, 'more': [1, {}]}) for row in ROWS)])
    assert list(read_rows(path, ALL)) == EXPECTED


def test_a_gzipped_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / 'A.JSONL.GZ'
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"text": "ok", "label": true}\r\n'))
    assert list(read_rows(str(path), CONFIG)) == [Row(1, 'ok', 1)]


def test_a_key_that_is_not_there_is_an_empty_field_unless_it_is_the_text(tmp_path):
    path = jsonl(tmp_path / 'a.jsonl', ['{"text": "ok"}', '{"label": 1}'])
    rows = read_rows(path, CONFIG)
    assert next(rows) == Row(1, 'ok', None)
    with pytest.raises(
        DataError, match=r"line 2: no key is named 'text'; there are: 'label'; .*--text-column"
    ):
        next(rows)


def test_a_parquet_file_has_the_same_rows(tmp_path):
    columns = {
        'score': pyarrow.array([row['score'] for row in ROWS], pyarrow.float32()),
        'stars': pyarrow.array([row['stars'] for row in ROWS], pyarrow.float64(), from_pandas=True),
        'body': pyarrow.array([row['body'] for row in ROWS], pyarrow.large_string()),
        'more': pyarrow.array([[1], [2], [3], []]),
        'film': pyarrow.array(['El Sur', '12', ' ', None]).dictionary_encode(),
        'lang': [row['lang'] for row in ROWS],
    }
    assert list(read_rows(parquet_file(tmp_path / 'a.parquet', columns), ALL)) == EXPECTED


def test_a_missing_number_of_pandas_is_no_label(tmp_path):
    path = parquet_file(tmp_path / 'a.parquet', {'text': ['a', 'b'], 'label': [1.0, float('nan')]})
    assert [row.label for row in read_rows(path, CONFIG)] == [1, None]


def test_only_the_text_column_of_more_text_must_be_there(tmp_path):
    table = parquet_file(tmp_path / 'a.parquet', {'text': ['a', 'b'], 'label': ['so so', 'none']})
    lines = jsonl(tmp_path / 'a.jsonl', ['{"text": "a"}', '{"text": "b", "label": []}'])
    for path in (table, lines):
        assert [(row.text, row.label) for row in read_unlabelled(path, CONFIG)] == [('a', None), ('b', None)]


GOOD = '{"text": "ok", "label": 1}'
BAD = {
    'not JSON': (
        '{"text": "ok", "label": 1',
        r'line 2: not JSON \(.* at character \d+\); each line is one object',
    ),
    'pretty printed': ('[', 'line 2: not JSON'),
    'a list': ('["text", 1]', 'line 2: holds list, no object'),
    'too deep': ('[' * 100_000, 'line 2: the row is larger|line 2: not JSON that can be read'),
    'a number as text': ('{"text": 5}', "line 2: 'text' holds 5, no text; name it with --text-column=NAME"),
    'a list as text': ('{"text": ["a", "b"]}', r"line 2: 'text' holds \['a', 'b'\], no text"),
    'an object as label': (
        '{"text": "a", "label": {"a": 1}}',
        r"'label' holds \{'a': 1\}, no text or number; .*--label-column",
    ),
    'a list in a list as label': (
        '{"text": "a", "label": [[1]]}',
        r"'label' holds \[1\] in a list, no list of texts or numbers; .*--label-column",
    ),
    'half a pair': (r'{"text": "a \ud83d"}', r'line 2: .* half of a surrogate pair \(\\ud83d\)'),
    'NUL': (r'{"text": "a\u0000b"}', 'line 2: .* holds NUL'),
    'large': ('{"text": "%s"}' % ('x' * 1000), 'line 2: the row is larger than 1000 bytes'),
}


@pytest.mark.parametrize(('line', 'message'), BAD.values(), ids=BAD)
def test_a_bad_line_is_refused_in_one_line(tmp_path, line, message):
    with pytest.raises(DataError, match=message) as caught:
        check(
            jsonl(tmp_path / 'a.jsonl', [GOOD, line]),
            DataConfig(max_row_bytes=200_000 if '[[' in line else 1000),
        )
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('rating', ['"good"', '11', 'Infinity', '[3]', 'true'])
def test_a_rating_that_is_no_number_of_the_range_is_refused(tmp_path, rating):
    path = jsonl(tmp_path / 'a.jsonl', [f'{{"body": "a", "score": {rating}}}'])
    with pytest.raises(DataError, match=r"line 1: .*'score'.*rating_"):
        list(read_rows(path, ALL))


BAD_TABLES = {
    'no such column': ({'body': ['a'], 'label': [1]}, "no column is named 'text'; there are: 'body', 'label'"),
    'a nested column': ({'text': [['a']], 'label': [1]}, r"row 1: 'text' holds \['a'\], no text"),
    'bytes': ({'text': ['a', 'b'], 'label': [1, b'1'][:1] * 2, 'x': [b'a', b'b']}, 'labelled rows are positive'),
    'bytes as text': ({'text': [b'a'], 'label': [1]}, r"row 1: 'text' holds b'a', no text"),
    'dates as labels': (
        {'text': ['a'], 'label': pyarrow.array([0], pyarrow.date32())},
        r"'label' holds datetime.date\(1970, 1, 1\), no text or number",
    ),
    'a large text': ({'text': ['a', 'b', 'ñ' * 501], 'label': [0, 1, 1]}, 'row 3: the row is larger than 1000 bytes'),
    'no rows': ({'text': pyarrow.array([], pyarrow.string()), 'label': pyarrow.array([], pyarrow.int8())}, 'no row'),
}  # fmt: skip


@pytest.mark.parametrize(('columns', 'message'), BAD_TABLES.values(), ids=BAD_TABLES)
def test_a_bad_table_is_refused_in_one_line(tmp_path, columns, message):
    with pytest.raises(DataError, match=message) as caught:
        check(parquet_file(tmp_path / 'a.parquet', columns))
    assert '\n' not in str(caught.value)


def test_text_in_a_table_that_is_not_utf8_is_refused(tmp_path):
    bad = pyarrow.array([b'ok', b'Qu\xe9']).view(pyarrow.string())
    with pytest.raises(DataError, match=r'row 2: byte 3 \(0xe9\) of a text is not UTF-8'):
        check(parquet_file(tmp_path / 'a.parquet', {'text': bad, 'label': [1, 0]}))


@pytest.mark.parametrize('damage', [lambda whole: b'', lambda whole: whole[:-20], lambda whole: b'text,label\nok,1\n',
                                    lambda whole: whole[:20] + b'\xff' * 40 + whole[60:]])  # fmt: skip
def test_a_damaged_table_is_refused_in_one_line(tmp_path, damage):
    whole = parquet_file(
        tmp_path / 'whole.parquet', {'text': [f'text {n}' for n in range(50)], 'label': [0, 1] * 25}
    )
    path = tmp_path / 'a.parquet'
    path.write_bytes(damage(pathlib.Path(whole).read_bytes()))
    with pytest.raises(DataError, match='not a whole parquet file') as caught:
        check(str(path))
    assert '\n' not in str(caught.value)
