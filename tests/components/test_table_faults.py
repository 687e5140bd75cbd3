"""Tables as programs and people really write them: what is read, what is noted, and what is refused with its row."""

import bz2
import io
import os
import zipfile

import pytest
import zstandard

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.reading import read_rows
from vaiven.components.text_example_gen.row_parser import RowParser
from vaiven.configuration import ConfigError
from vaiven.serving.common.tables.notes import Notes

BODY = b'text,label\nok,1\n'
ROWS = 'x,1\ny,0\n' * 5


def read(tmp_path, name, content, notes=None, **settings):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    counts = ColumnCounts(notes=notes or Notes())
    config = DataConfig(**settings)
    return [(row.text, row.label) for row in read_rows(str(path), config, parse=RowParser(config, counts))]


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


COLUMNS = ('label', 'id', 'text')
READ = {
    'sep= names the delimiter': ('a.csv', 'sep=;\r\ntext;label\r\na, b;1\r\n', {}, [('a, b', 1)]),
    'CR alone ends lines': ('a.csv', 'text,label\rgood,1\rbad,0\r', {}, [('good', 1), ('bad', 0)]),
    'white space in the header': ('a.csv', ' text , label \ngood,1\n', {}, [('good', 1)]),
    'white space in keys': ('a.jsonl', '{" text ": "a", "label ": 1.0}', {}, [('a', 1)]),
    'no header': ('a.csv', '0,"7","bad, bad"\n1,"8","good"\n', {'columns': COLUMNS}, [('bad, bad', 0), ('good', 1)]),
    'fastText': ('a.ft.txt', '__label__1 A film: good\n__label__0 bad\n', {}, [('A film: good', 1), ('bad', 0)]),
    'bzip2': ('a.csv.bz2', bz2.compress(BODY), {}, [('ok', 1)]),
    'zstd': ('A.CSV.ZST', zstandard.compress(BODY), {}, [('ok', 1)]),
    'zip': ('a.csv.zip', zipped(a=BODY), {}, [('ok', 1)]),
    'a JSON array': ('a.json', '[{"text": "a", "label": 1},\n{"text": "b", "label": 0.0}]', {}, [('a', 1), ('b', 0)]),
    'JSON lines': ('a.json', '{"text": "a", "label": 1}\n\n{"text": "b"}\n', {}, [('a', 1), ('b', None)]),
    'CP1252': ('a.csv', b'text,label\ndon\x92t,1\n', {'encoding': 'cp1252'}, [('don’t', 1)]),
    'UTF-16': ('a.csv', 'text,label\nniño,1\n'.encode('utf-16'), {'encoding': 'utf-16'}, [('niño', 1)]),
    'a text of several lines': (
        'a.csv', f'text,label\n{ROWS}"Good, really\nsee it, now\nyes",1\n', {},
        [('x', 1), ('y', 0)] * 5 + [('Good, really\nsee it, now\nyes', 1)],
    ),
    'a quoted tsv field of several lines': (
        'a.tsv', 'text\tlabel\n"one\ntwo"\t1\nx\t0\n', {}, [('one\ntwo', 1), ('x', 0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(('name', 'content', 'settings', 'rows'), READ.values(), ids=READ)
def test_a_table_is_read_as_it_was_written(tmp_path, name, content, settings, rows):
    assert read(tmp_path, name, content, **settings) == rows


REFUSED = {
    'a header in the middle': (
        'a.csv', b'text,label\na,1\n\xef\xbb\xbftext,label\n', 'line 3: the header is there again',
    ),
    'names equal but for white space': ('a.csv', 'text,text ,label\na,b,1\n', "2 columns are named 'text'"),
    'a key twice': ('a.jsonl', '{"text": "a", "text": "b"}', "line 1: .*'text' is there twice"),
    'a mark that swallows rows': (
        'a.csv', f'text,label\n{ROWS}"Great film,1\nbad,0\nok",1\n', 'line 12: a quotation mark opens',
    ),
    'a mark in the first row': (
        'a.csv', 'text,label\n"Great,1\nbad,0\nok",1\n' + ROWS, 'line 2: a quotation mark opens',
    ),
    'a mark behind the label': (
        'a.csv', 'label,text\n' + '1,x\n0,y\n' * 5 + '1,"Great\n0,bad\n1,ok"\n', 'line 12: a quotation mark opens',
    ),
    'a mark in a tsv that is never closed': ('a.tsv', 'text\tlabel\n"a\tb\t1\nx\t0\n', 'line 2: .*never closed'),
    'data in place of a header': (
        'a.csv', '0,"1467","bad, bad"\n1,"1468","good"\n',
        "no column is named 'text'; .*first row looks like data: .* --set data.columns=label,c2,text",
    ),
    'data in place of a header, text first': (
        'a.csv', 'A moving film,1\nA dull one,0\n', 'first row looks like data: .* --set data.columns=text,label',
    ),
    'Sentiment140': (
        'a.csv', '0,1467810369,Mon Apr 06 22:19,NO_QUERY,someone,"bad, bad and bad; so bad, really"\n',
        'first row looks like data: .* --set data.columns=label,c2,c3,c4,c5,text',
    ),
    'fastText named .txt': ('a.txt', '__label__1 Great\n', 'line 1: looks like a line of fastText'),
    'bzip2 cut off': ('a.csv.bz2', bz2.compress(BODY)[:-4], 'not a whole bzip2 file'),
    'zstd cut off': ('a.csv.zst', zstandard.compress(BODY)[:-3], 'not a whole zstd file'),
    'two files in a zip': ('a.csv.zip', zipped(a=BODY, b=BODY), r'must hold one file. Received: 2 \(a, b\)'),
    'a zip bomb': ('a.csv.zip', zipped(a=b'text,label\n' + b'x' * 50_000_000), 'line 2: the row is larger than'),
    'an array that is cut off': ('a.json', '[{"text": "a"}', 'the array is never closed'),
    'a number in an array': ('a.json', '[{"text": "a"}, 5]', 'object 2: holds int'),
    'Excel': ('a.csv', b'text,label\ndon\x92t,1\n', r'line 2: byte 4 \(0x92\).*CP1252.*--set data.encoding=cp1252'),
    'Excel, seen later': ('a.csv', b'text,label\nni\xf1o,1\ndon\x92t,1\n', 'line 2: .*iconv -f CP1252'),
    'Latin-1': ('a.csv', b'text,label\nni\xf1o,1\n', 'line 2: .*Latin-1: .*data.encoding=latin1'),
    'two encodings': ('a.csv', 'text,label\nniño,1\n'.encode() + b'ni\xf1o,1\n', 'line 3: .*correct this one'),
    'UTF-16 without a mark': ('a.csv', 'text,label\n'.encode('utf-16-le'), 'data.encoding=utf-16-le'),
    'a column nearly named text': ('a.csv', 'id,Text\n1,x\n', "are: 'id', 'Text'; name it with --text-column=Text"),
    'a column nearly named label': ('a.csv', 'text,My LABELS\n1,x\n', '--label-column=NAME'),
    'a label in capitals': ('a.csv', 'text,LABELS\nx,1\n', '--label-column=LABELS'),
    'a swallowed row after many': ('a.csv', 'text,label\n' + ROWS * 60 + '"x,1\ny",0\n', 'line 602: a quotation'),
    'a control of no encoding': ('a.csv', 'text,label\na\x81b,1\n', r'line 2: .*U\+0081'),
}  # fmt: skip


@pytest.mark.parametrize(('name', 'content', 'message'), REFUSED.values(), ids=REFUSED)
def test_what_would_be_read_wrongly_is_refused_with_its_row(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, name, content)
    assert '\n' not in str(caught.value)


def test_a_json_array_on_one_line_is_read_object_by_object(tmp_path):
    content = '[' + ','.join(f'{{"text": "film {number}", "label": 1}}' for number in range(20_000)) + ']'
    assert [text for text, _ in read(tmp_path, 'a.json', content)] == [f'film {n}' for n in range(20_000)]


def test_controls_mojibake_and_removed_marks_are_counted(tmp_path):
    notes = Notes()
    assert read(tmp_path, 'a.csv', 'text,label\ndon\x92t,1\nniÃ±o,1\ndonâ€™t,1\nSÃO PAULO,1\n', notes)[0] == (
        'don’t',
        1,
    )
    assert read(tmp_path, 'a.tsv', 'text\tlabel\n"a ""b"""\t"1"\n"so" c\t0\n', notes) == [
        ('a "b"', 1),
        ('"so" c', 0),
    ]
    assert notes.counts() == {'controls': 1, 'mojibake': 2, 'unquoted': 2}
    assert 'a.csv, line 2' in notes.lines()[0]


def test_labels_count_as_often_as_they_are_there_however_they_are_spelled(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('text,label\n' + 'x,1\ny, 1.0\nz,0\nu,\n' * 3)
    counts = ColumnCounts()
    parse = RowParser(DataConfig(), counts)
    assert [row.label for row in read_rows(str(path), DataConfig(), parse=parse)] == [1, 1, 0, None] * 3
    assert {key: label.rows for key, label in counts.labels.items()} == {'1': 6, '0': 3}
    assert counts.no_label == 3


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.csv')
    with pytest.raises(DataError, match='is a pipe'):
        list(read_rows(str(tmp_path / 'a.csv'), DataConfig()))


@pytest.mark.parametrize('encoding', ['hex', 'klingon', 'idna'])
def test_an_encoding_that_no_file_has_is_refused(encoding):
    with pytest.raises(ConfigError, match=r'data\.encoding must be a text encoding'):
        DataConfig(encoding=encoding)
