"""Running text: where it is divided, and what is said about files that are none."""

import gzip
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaiven.components.text_example_gen.check import check_data
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.errors import DataError
from vaiven.components.text_example_gen.files import DataFiles
from vaiven.components.text_example_gen.passages import passages
from vaiven.components.text_example_gen.reading import read_rows, read_source, read_unlabelled
from vaiven.serving.common.labels import nfc
from vaiven.serving.common.tables import blocks

CONFIG = DataConfig(passage_characters=64)


def text_file(tmp_path, content, name='libro.txt'):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def texts_of(tmp_path, content, name='libro.txt', config=CONFIG):
    return [row.text for row in read_rows(text_file(tmp_path, content, name), config)]


def novel(paragraphs=200):
    return ''.join(f'—¿Qué dice el capítulo {number}? —preguntó.\n' for number in range(paragraphs))


def test_whole_paragraphs_fill_a_passage():
    assert list(passages(['one\ntwo\n', 'three\nfour'], 9)) == ['one\ntwo', 'three', 'four']


def test_of_blank_lines_one_stays_and_none_at_the_ends():
    assert list(passages(['\n\n  \none  \n\n \n\ntwo\n\nthree\n\n'], 10)) == ['one\n\ntwo', 'three']


@pytest.mark.parametrize(
    ('paragraph', 'pieces'),
    [
        ('Uno dos tres. Cuatro cinco.', ['Uno dos tres.', 'Cuatro cinco.']),
        ('«¿Uno dos?» Tres cuatro seis', ['«¿Uno dos?»', 'Tres cuatro seis']),
        ('uno dos tres cuatro cinco', ['uno dos tres', 'cuatro cinco']),
        ('彼は言った。「はい。」それだけだった、と彼', ['彼は言った。「はい。」', 'それだけだった、と彼']),
        ('x' * 20, ['x' * 16, 'x' * 4]),
        ('3.14159 is no end of a sentence', ['3.14159 is no', 'end of a', 'sentence']),
    ],
)  # fmt: skip
def test_a_long_paragraph_is_cut_behind_a_sentence_else_behind_a_word(paragraph, pieces):
    assert list(passages([paragraph], 16)) == pieces


@pytest.mark.parametrize('unit', ['x\u0303', '👩\u200d👩\u200d👧', '👍🏽', '❤\ufe0f'])
def test_a_character_is_not_cut_from_its_marks(unit):
    pieces = list(passages([unit * 100], 64))
    assert ''.join(pieces) == unit * 100
    assert all(piece.startswith(unit) and piece.endswith(unit) for piece in pieces)


@given(
    st.text(
        st.characters(exclude_categories=['Cs', 'Zs', 'Zl', 'Zp', 'Cc']) | st.sampled_from(' \n.'),
        max_size=400,
    )
)
def test_nothing_but_white_space_is_lost_and_no_passage_is_too_long(text):
    found = list(passages([text[:100], text[100:101], text[101:]], 64))
    assert ''.join(''.join(found).split()) == ''.join(nfc(text).split())
    assert all(0 < len(passage) <= 64 for passage in found)
    assert found == list(passages([text], 64)) == list(passages([nfc(text)], 64))


def test_passages_are_numbered_on_and_composed(tmp_path):
    content = 'Que\u0301 larga noche, nin\u0303a mía.\n' * 4
    rows = list(read_rows(text_file(tmp_path, content), CONFIG))
    assert [(row.number, row.position, row.label) for row in rows] == [(1, 1, None), (2, 2, None)]
    assert {row.text for row in rows} == {'Qué larga noche, niña mía.\nQué larga noche, niña mía.'}


def test_the_positions_of_a_second_file_follow_those_of_the_first(tmp_path):
    files = DataFiles((text_file(tmp_path, novel(4), 'b.txt'), text_file(tmp_path, novel(4), 'a.txt')))
    positions = [row.position for source in files.sources() for row in read_source(source, CONFIG)]
    assert positions == [1, 2, 3, 4, 2**32 + 1, 2**32 + 2, 2**32 + 3, 2**32 + 4]


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_every_end_of_line_is_read_also_where_two_blocks_meet(tmp_path, end, monkeypatch):
    monkeypatch.setattr(blocks, 'BLOCK_BYTES', 5)
    assert texts_of(tmp_path, f'uno{end}niña{end}{end}tres{end}') == ['uno\nniña\n\ntres']


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert texts_of(tmp_path, b'\xef\xbb\xbfuno\n') == ['uno']


def test_a_gzipped_text_is_read(tmp_path):
    assert texts_of(tmp_path, gzip.compress('فيلم رائع\n👩‍👩‍👧'.encode()), 'a.txt.gz') == [
        'فيلم رائع\n👩‍👩‍👧'
    ]


def test_more_text_is_read_line_by_line_and_a_long_line_in_pieces(tmp_path):
    path = text_file(tmp_path, f'\ufeffuno\r\n\r\n{"dos. " * 20}\r\nnin\u0303a')
    assert [(row.number, row.text, row.position) for row in read_unlabelled(path, CONFIG)] == [
        (1, 'uno', None), (2, '', None), (3, ('dos. ' * 13).strip(), None), (4, ('dos. ' * 7).strip(), None),
        (5, 'niña', None),
    ]  # fmt: skip


def test_a_text_without_line_breaks_is_not_read_into_memory():
    class Endless(io.RawIOBase):
        read_bytes = 0

        def read(self, size=-1):
            assert size > 0
            Endless.read_bytes += size
            return b'word ' * (size // 5)

    found = read_rows('a.txt', CONFIG, lambda _: Endless())
    assert [next(found).text for _ in range(3)] == [' '.join(['word'] * 13)[:64]] * 3
    assert Endless.read_bytes < 300_000


BAD = {
    'not UTF-8': (b'uno\ndos\nQu\xe9 noche\n', r'^libro.txt, line 3: byte 3 \(0xe9\) is not UTF-8'),
    'cut in a character': ('uno\nniñ'.encode()[:-1], r'line 2: byte 3 \(0xc3\) is not UTF-8'),
    'binary': (b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR', r'line 3: byte 1 is NUL|line 1: byte 1 \(0x89\) is not UTF-8'),
    'NUL': (b'uno\nd\0s\n', 'line 2: byte 2 is NUL'),
    'UTF-16': ('uno\n'.encode('utf-16'), 'is UTF-16'),
    'empty': (b'', 'there is no text in it'),
    'blank': (b'\n \r\n\t\n', 'there is no text in it'),
    'one paragraph': (b'Only this.\n', 'libro.txt: 1 passages of at most 64 characters are left of 1 .*at least 20'),
    'repetition': (b'The same line in the whole of a book, sixty four characters !\n' * 9, 'the same text'),
}  # fmt: skip


@pytest.mark.parametrize('block', [2, 3, 65536])
@pytest.mark.parametrize(('content', 'message'), BAD.values(), ids=BAD)
def test_a_file_that_is_no_text_is_refused_in_one_line(tmp_path, monkeypatch, content, message, block):
    monkeypatch.setattr(blocks, 'BLOCK_BYTES', block)
    with pytest.raises(DataError, match=message) as caught:
        check_data(DataFiles((text_file(tmp_path, content),)), CONFIG)
    assert '\n' not in str(caught.value)


def test_passages_are_divided_as_rows_are(tmp_path):
    summary = check_data(DataFiles((text_file(tmp_path, novel()),)), CONFIG).summary
    assert sum(summary.texts.values()) == summary.rows == 200
    assert summary.texts['train'] > 8 * summary.texts['eval'] / 2 > 0
    assert 'train' in summary.line()
    assert summary.unlabelled == summary.labelled() == 0


def test_passages_of_the_same_text_in_another_form_are_duplicates(tmp_path):
    other = unicodedata.normalize('NFD', novel().upper())
    files = DataFiles((text_file(tmp_path, novel()), text_file(tmp_path, other, 'otra.txt')))
    summary = check_data(files, CONFIG).summary
    assert (summary.rows, summary.duplicates, sum(summary.texts.values())) == (400, 200, 200)
