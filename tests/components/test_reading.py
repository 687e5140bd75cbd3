"""Files: what is read, and what is said about those that cannot be."""

import csv
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaiven.components.text_example_gen.check import check_data, resolve_data
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.reading import read_rows
from vaiven.components.text_example_gen.rows import Row
from vaiven.components.text_example_gen.summary import Summary
from vaiven.serving.common.labels import nfc
from vaiven.serving.common.tables.blocks import BLOCK_BYTES

CONFIG = DataConfig(max_row_bytes=1000)


def file_of(tmp_path, content, name='reviews.csv'):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def check_file(path, config):
    return check_data(DataFiles((path,)), config).summary


def rows_of(tmp_path, content, name='reviews.csv', config=CONFIG):
    return [(row.text, row.label) for row in read_rows(file_of(tmp_path, content, name), config)]


def many(positive, negative, start=0):
    rows = [f'good film {number},1' for number in range(start, start + positive)]
    return '\n'.join(['text,label', *rows, *(f'bad film {number},0' for number in range(negative))]) + '\n'


def test_a_quoted_field_keeps_its_delimiters_quotes_and_newlines(tmp_path):
    content = 'label,text\r\n1,"Qué ""bonita"", sí\r\nsegunda línea"\r\n0,plain\r\n'
    assert rows_of(tmp_path, content) == [('Qué "bonita", sí\r\nsegunda línea', 1), ('plain', 0)]


def test_a_tsv_file_has_no_quotation(tmp_path):
    assert rows_of(tmp_path, 'text\tlabel\n"so called" film, "\t1\n\n', 'a.tsv') == [
        ('"so called" film, "', 1)
    ]


def test_both_are_read_gzipped(tmp_path):
    assert rows_of(tmp_path, gzip.compress(b'text,label\nok,1\n'), 'a.csv.gz') == [('ok', 1)]
    assert rows_of(tmp_path, gzip.compress(b'text\tlabel\nok\t1\n'), 'a.tsv.gz') == [('ok', 1)]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert rows_of(tmp_path, b'\xef\xbb\xbftext,label\nok,1\n') == [('ok', 1)]


def test_semicolons_divide_when_asked(tmp_path):
    config = DataConfig(delimiter=';')
    assert rows_of(tmp_path, 'text;label\n"a;b";1\n', config=config) == [('a;b', 1)]


def test_decomposed_letters_are_composed(tmp_path):
    assert rows_of(tmp_path, 'text,label\nQue\u0301,1\n') == [('Qué', 1)]


def test_group_and_language_are_read_and_may_be_empty(tmp_path):
    config = DataConfig(group_column='film', language_column='lang')
    path = file_of(tmp_path, 'film,lang,text,label\nEl Sur,es,buena,1\n,,bad,0\n')
    assert list(read_rows(path, config)) == [Row(1, 'buena', 1, 'El Sur', 'es'), Row(2, 'bad', 0)]


def test_ratings_are_read_and_may_be_missing(tmp_path):
    config = DataConfig(rating_column='stars', rating_range=(1.0, 5.0))
    path = file_of(tmp_path, 'stars,text,label\n5,buena,1\n,bad,0\n')
    assert [row.rating for row in read_rows(path, config)] == [1.0, None]


# C1 controls are read as CP1252 means them.
NO_TEXT = '\0' + ''.join(map(chr, range(0x80, 0xA0)))


@given(st.lists(st.text(st.characters(exclude_characters=NO_TEXT, exclude_categories=['Cs'])), max_size=20))
def test_what_a_csv_writer_wrote_is_read_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp('csv') / 'a.csv'
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['text', 'label'])
        writer.writerows([text, '1'] for text in texts)
    assert [row.text for row in read_rows(str(path), DataConfig())] == [nfc(text) for text in texts]


BAD = {
    'empty': ('', 'the file is empty'),
    'not UTF-8': (b'text,label\nok,1\nQu\xe9,1\n', r'line 3: byte 3 \(0xe9\) is not UTF-8'),
    'UTF-16': ('text,label\n'.encode('utf-16'), 'is UTF-16'),
    'NUL': (b'text,label\nok\0,1\n', 'line 2: byte 3 is NUL'),
    'no labels': ('text\nok\n', "no column is named 'label'; .*--set data.label_column=null"),
    'no such column': ('body,label\nok,1\n', "no column is named 'text'; there are: 'body', 'label'"),
    'semicolons': ('text;label\nok;1\n', r"divided by ;: --set data.delimiter=';'"),
    'a column twice': ('text,label,text\na,1,b\n', "2 columns are named 'text'"),
    'unclosed': (
        'text,label\nok,1\n"never closed,1\nmore,0\n',
        'lines 3 to 4: the quotation mark is never closed',
    ),
    'after a quote': ('text,label\n"a"b,1\n', 'line 2: not csv'),
    'carriage return': ('text,label\nfirst\rsecond,1\n', 'a carriage return without quotation marks'),
    'a field more': ('text,label\nwell, no,1\n', 'line 2: the row has 3 fields, the header 2'),
    'a field less': ('text,label\nok,1\nno label\n', 'line 3: the row has 1 fields, the header 2'),
    'a large line': ('text,label\n' + 'x' * 1001 + ',1\n', 'line 2: the row is larger than 1000 bytes'),
    'a large row': (
        'text,label\n"' + 'x\n' * 501 + '",1\n',
        'lines 2 to .*: the row is larger than 1000 bytes',
    ),
    'two labels in a list': (
        'text,label\nok,"[""a"", ""b""]"\nsoso,[]\n',
        '2 labelled rows are left of 2',
    ),
}


@pytest.mark.parametrize(('content', 'message'), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_in_one_line(tmp_path, content, message):
    path = file_of(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        check_file(path, CONFIG)
    assert '\n' not in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_row_of_a_megabyte_is_refused_by_default_and_read_when_allowed(tmp_path):
    content = 'text,label\n"' + 'word ' * 200_000 + '",1\n'
    with pytest.raises(DataError, match='larger than 262144 bytes'):
        rows_of(tmp_path, content, config=DataConfig())
    [(text, _)] = rows_of(tmp_path, content, config=DataConfig(max_row_bytes=2_000_000))
    assert len(text) == 1_000_000


def test_a_line_that_never_ends_is_not_read_into_memory(tmp_path):
    class Endless:
        read_bytes = 0

        def read(self, size):
            assert size > 0
            self.read_bytes += size
            return b'x' * size

        def close(self):
            pass

    endless = Endless()
    with pytest.raises(DataError, match='larger than'):
        list(read_rows('a.tsv', CONFIG, lambda path: endless))
    assert endless.read_bytes < 2000 + BLOCK_BYTES


def test_paths_that_name_no_file_are_refused(tmp_path):
    for path, message in {
        str(tmp_path / 'none.csv'): 'there is no such file',
        file_of(
            tmp_path, 'x', 'reviews.xlsx'
        ): 'must be named .csv, .tsv, .jsonl, .json, .parquet, .txt, or .ft.txt',
    }.items():
        with pytest.raises(DataError, match=message):
            check_file(path, CONFIG)
    folder = tmp_path / 'folder.csv'
    folder.mkdir()
    with pytest.raises(DataError, match='is a directory'):
        check_file(str(folder), CONFIG)


def test_a_truncated_gzip_file_is_refused(tmp_path):
    whole = gzip.compress(many(30, 30).encode())
    for broken in (whole[:-12], b'text,label\nno gzip,1\n', whole[:20] + b'\0\0' + whole[22:]):
        with pytest.raises(DataError, match='not a whole gzip file'):
            check_file(file_of(tmp_path, broken, 'a.csv.gz'), CONFIG)


def test_rows_without_labels_are_texts_when_no_column_has_labels(tmp_path):
    config = DataConfig(label_column=None)
    path = file_of(tmp_path, 'text\n' + ''.join(f'line {number}\n' for number in range(100)))
    summary = check_file(path, config)
    assert sum(summary.texts.values()) == summary.rows == 100
    assert summary.unlabelled == summary.labelled() == 0
    with pytest.raises(DataError, match='3 rows are left of 3'):
        check_file(file_of(tmp_path, 'text\na\nb\nc\n'), config)


def test_several_files_are_one_data_set(tmp_path):
    first = file_of(tmp_path, 'text,label\nsame,1\n' + many(100, 0)[len('text,label\n') :], 'a.csv')
    second = file_of(
        tmp_path, 'text\tlabel\nSAME\t0\n' + ''.join(f'bad {n}\t0\n' for n in range(100)), 'b.tsv'
    )
    summary = check_data(DataFiles((first, second)), CONFIG).summary
    assert (summary.rows, summary.duplicates, summary.conflicting) == (202, 1, 1)
    with pytest.raises(DataError, match=r'^2 files: all 4 labelled rows are positive'):
        check_data(
            DataFiles((file_of(tmp_path, many(1, 0)), file_of(tmp_path, many(3, 0, 1), 'c.csv'))), CONFIG
        )


UNLEARNABLE = {
    'only a header': ('text,label\n', 'there is no row in it'),
    'no text': ('text,label\n,1\n  ,0\n', "column 'text' is empty in all 2 rows"),
    'all equal': ('text,label\n' + 'same,1\n' * 40, 'all 40 rows have the same text'),
    'one class': (many(40, 0), 'all 40 labelled rows are positive; a classifier needs both'),
    'no labels': ('text,label\na,\nb,\n', 'no row has a label'),
    'three rows': ('text,label\na,1\nb,0\nc,1\n', '3 labelled rows are left of 3'),
    'few without duplicates': (
        'text,label\n' + 'a,1\nb,0\nc,1\n' * 50,
        r'3 labelled rows are left of 150 \(147 dup',
    ),
    'a split without a class': (many(60, 2), r"split '\w+' has \d+ rows, none of them negative"),
}


@pytest.mark.parametrize(('content', 'message'), UNLEARNABLE.values(), ids=UNLEARNABLE)
def test_a_file_that_cannot_be_learnt_from_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        check_file(file_of(tmp_path, content), CONFIG)
    assert '\n' not in str(caught.value)


def test_duplicates_are_counted_and_those_with_another_label_too(tmp_path):
    content = 'text,label\nA film,1\nother,0\na  FILM,0\na film,\nA film,1\nlater,\nLATER,0\n'
    summary = resolve_data(DataFiles((file_of(tmp_path, content),)), CONFIG).summary
    assert (summary.rows, summary.duplicates, summary.conflicting, summary.unlabelled) == (7, 4, 1, 0)
    # A labelled row stands for its text even where an unlabelled one came first.
    assert (summary.rows_of_class('positive'), summary.rows_of_class('negative')) == (1, 2)


def test_of_rows_with_one_text_most_decide_and_else_the_first(tmp_path):
    content = 'text,label\na,1\n' + 'a,0\n' * 9 + 'b,1\nb,0\nc,\nc,0\nc,1\nc,1\n'
    summary = resolve_data(DataFiles((file_of(tmp_path, content),)), CONFIG).summary
    assert (summary.rows_of_class('positive'), summary.rows_of_class('negative')) == (2, 1)
    assert summary.conflicting_by_class == {'negative': 2, 'positive': 1}


def test_a_good_file_is_summarised(tmp_path):
    summary = check_file(file_of(tmp_path, many(100, 100)), CONFIG)
    assert summary.labelled() == summary.rows == 200
    assert '200 rows' in summary.line()


def test_counts_that_an_earlier_version_wrote_are_read():
    zeros = {'negative': 0, 'positive': 0}
    old = {
        'rows': 9, 'empty': 0, 'duplicates': 1, 'outvoted': {'negative': 1, 'positive': 0}, 'conflicting': 1,
        'unlabelled': 2, 'splits': {'train': {'negative': 3, 'positive': 3}, 'eval': zeros, 'test': zeros},
        'texts': {'train': 0, 'eval': 0, 'test': 0},
        'columns': {
            'rows': 9, 'labels': {'pos': {'rows': 6, 'spelling': 'pos', 'where': 'a.csv, line 2'}}, 'unknown': [],
            'more_labels': 0, 'no_label': 2, 'absent': {}, 'empty': {}, 'rated': 0, 'contradicting': 0,
            'notes': {'controls': 0, 'mojibake': 0, 'unquoted': 0, 'first': None},
        },
    }  # fmt: skip
    summary = Summary.from_json(json.dumps(old))
    assert (summary.kind, summary.classes) == ('binary', ('negative', 'positive'))
    assert summary.labelled_by_split == {'train': 6, 'eval': 0, 'test': 0}
    assert summary.lines()[1:] == [
        'labels: negative 3, positive 3',
        'dropped: 1 duplicates (1 with the other label: negative 1, positive 0)',
    ]
    assert Summary.from_json(summary.to_json()) == summary
