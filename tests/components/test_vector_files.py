"""Files of vectors in each format, and what is said about damaged ones."""

import gzip
import json
import struct

import numpy as np
import pytest

from vaiven.components.text_example_gen.local_files import open_local
from vaiven.components.vocabulary.vectors.files import open_vectors
from vaiven.components.vocabulary.vectors.source import VectorsSource, hash_vectors
from vaiven.errors import UserError

WORDS = {'sol': [0.5, -1.0, 2.0], 'corazón': [1.5, 0.25, -3.0], '👍': [0.0, 1.0, 0.125]}


def text(words=WORDS, header='', separator=' ', end='\n'):
    lines = [separator.join([word, *map(str, values)]) for word, values in words.items()]
    return ''.join(line + end for line in ([header] if header else []) + lines).encode()


def binary(words=WORDS, end=b'\n'):
    entries = [
        word.encode() + b' ' + np.array(values, '<f4').tobytes() + end for word, values in words.items()
    ]
    return f'{len(words)} 3\n'.encode() + b''.join(entries)


def safetensors(**tensors):
    names = {'float32': 'F32', 'float16': 'F16', 'int8': 'I8', 'int64': 'I64', 'uint8': 'U8'}
    header, data = {'__metadata__': {'format': 'pt'}}, b''
    for name, values in tensors.items():
        header[name] = {
            'dtype': names[str(values.dtype)], 'shape': list(values.shape),
            'data_offsets': [len(data), len(data) + values.nbytes],
        }  # fmt: skip
        data += values.tobytes()
    encoded = json.dumps(header).encode()
    return struct.pack('<Q', len(encoded)) + encoded + data


def folder(path, table, model, **tensors):
    path.mkdir()
    (path / 'model.safetensors').write_bytes(safetensors(embeddings=table, **tensors))
    (path / 'tokenizer.json').write_text(json.dumps({'model': model}), 'utf-8')
    return path


def read(path):
    with open_vectors(str(path), open_local) as file:
        return {entry.word: file.vector(entry).tolist() for entry in file.entries()}


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        ('glove.txt', text()),
        ('windows.txt', text(end='\r\n')),
        ('tabs.txt', text(separator='\t')),
        ('no-end.txt', text().rstrip()),
        ('mark.vec', b'\xef\xbb\xbf' + text(header='3 3')),
        ('fasttext.vec', text(header='3 3', end=' \n')),
        ('glove.txt.gz', gzip.compress(text())),
        ('word2vec.bin', binary()),
        ('word2vec-without-line-breaks.bin', binary(end=b'')),
        ('word2vec.bin.gz', gzip.compress(binary())),
    ],
)
def test_files_of_words_and_values_are_read(name, content, tmp_path):
    assert read(write(tmp_path / name, content)) == WORDS


@pytest.mark.parametrize('kind', ['float32', 'float16'])
def test_a_folder_of_model2vec_is_read(kind, tmp_path):
    table = np.array([[0, 0, 0], *WORDS.values(), [4, 4, 4]], kind)
    vocabulary = {word: number for number, word in enumerate(['[PAD]', *WORDS, '##es'])}
    path = folder(tmp_path / 'potion', table, {'type': 'WordPiece', 'vocab': vocabulary})
    assert read(path) == {'[PAD]': [0, 0, 0], **WORDS, '##es': [4, 4, 4]}


def test_words_of_sentencepiece_start_with_a_space_and_may_share_rows_with_weights(tmp_path):
    table = np.array(list(WORDS.values()), 'float32')
    model = {'type': 'Unigram', 'vocab': [['▁sol', -1.0], ['es', -2.0], ['▁soles', -3.0]]}
    weights = np.array([1, 1, 2], 'float32')
    path = folder(tmp_path / 'm', table, model, mapping=np.array([0, 2, 0]), weights=weights)
    assert read(path) == {'sol': [0.5, -1, 2], '##es': [0, 1, 0.125], 'soles': [1, -2, 4]}


def test_phrases_with_spaces_and_blank_lines_are_skipped(tmp_path):
    phrase = b'at home now 0.1 0.2 0.3\n. . . 1 2 3\n\n'
    assert read(write(tmp_path / 'a.txt', text() + phrase)) == WORDS


def test_words_longer_than_a_block_do_not_end_the_file_and_long_files_are_read_in_blocks(tmp_path):
    words = {f'palabra{number}': [number, 0.5, -1.0] for number in range(5000)}
    for name, content in (('a.txt', text(words)), ('a.bin', binary(words))):
        assert len(content) > 1 << 16
        assert read(write(tmp_path / name, content)) == words


FAULTS = {
    'empty.txt': (b' \n', 'is empty'),
    'prose.txt': (b'These are not vectors\n', 'the first line must be a word and its values'),
    'short.txt': (text() + b'luna 1 2\n', r'line 4: must have a word and 3 values\. Received: 2 values'),
    'long.txt': (text() + b'luna 1 2 3 4\n', r'line 4: must have a word and 3 values\. Received: 4 values'),
    'header.vec': (text(header='3 4'), r'line 2: must have a word and 4 values\. Received: 3 values'),
    'cut.vec': (text(header='4 3'), r'announces 4 words\. Received: 3; the file is cut off'),
    'wide.vec': (text(header='3 99999'), r'1 to 16384 values\. Received: 99999'),
    'nan.txt': (text() + b'luna 1 nan 3\n', r"line 4: all values must be finite\. Received: nan for 'luna'"),
    'infinite.bin': (binary({'sol': [1, np.inf, 0]}), "word 1: all values must be finite.*inf for 'sol'"),
    'word.txt': (text() + b'luna 1 zwei 3\n', r"line 4: values must be numbers\. Received: 'zwei' for 'luna'"),
    'latin.txt': ('sol 1 2 3\ncorazón 1 2 3\n'.encode('latin-1'), r'line 2: words must be UTF-8.*coraz\\xf3n'),
    'latin.bin': (binary().replace('corazón'.encode(), b'coraz\xf3n'), 'word 2: words must be UTF-8'),
    'cut.bin': (binary()[:-9], r'announces 3 words\. Received: 2; the file is cut off'),
    'cut.txt.gz': (gzip.compress(text())[:-12], r'is not a whole gzip file'),
    'other.txt.gz': (text(), r'is not a whole gzip file'),
    'model.bin': ((793712314).to_bytes(4, 'little') + bytes(100), r'is a model of fastText.*give its \.vec file'),
}  # fmt: skip


@pytest.mark.parametrize('name', list(FAULTS))
def test_a_damaged_file_is_answered_with_one_line(name, tmp_path):
    content, message = FAULTS[name]
    path = write(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as raised:
        read(path)
    assert str(raised.value).startswith(f'{name}: ')
    assert '\n' not in str(raised.value)


PIECES = {'type': 'WordPiece', 'vocab': {'sol': 0, 'luna': 1}}
TABLE = np.ones((2, 3), 'float32')
FOLDER_FAULTS = {
    'BPE': (safetensors(embeddings=TABLE), {'type': 'BPE', 'vocab': {}}, 'must be of type WordPiece.*Received: BPE'),
    'no vocabulary': (safetensors(embeddings=TABLE), {'type': 'Unigram'}, "must be a tokenizer.*'vocab'"),
    'too few rows': (safetensors(embeddings=TABLE[:1]), PIECES, 'Received: 1 rows and token 1'),
    'no table': (safetensors(weights=TABLE), PIECES, 'must have a table embeddings. Received: weights'),
    'cut off': (safetensors(embeddings=TABLE)[:-4], PIECES, 'is cut off'),
    'other file': (b'[0.1, 0.2, 0.3]', PIECES, 'must be a safetensors file'),
    'empty': (b'', PIECES, 'must be a safetensors file'),
    'unknown type': (safetensors(embeddings=TABLE.astype('uint8')), PIECES, "of F64, F32.*Received: KeyError.'U8'"),
}  # fmt: skip


@pytest.mark.parametrize('fault', list(FOLDER_FAULTS))
def test_a_damaged_folder_is_answered_with_one_line(fault, tmp_path):
    table, model, message = FOLDER_FAULTS[fault]
    path = folder(tmp_path / 'potion', TABLE, model)
    (path / 'model.safetensors').write_bytes(table)
    with pytest.raises(UserError, match=message) as raised:
        read(path)
    assert '\n' not in str(raised.value)


def test_a_folder_without_a_table_and_a_missing_file_are_named(tmp_path):
    (tmp_path / 'tokenizer.json').write_text('{}')
    with pytest.raises(
        UserError, match=r'must hold model\.safetensors and .* Received: no model\.safetensors'
    ):
        read(tmp_path)
    with pytest.raises(UserError, match='there is no such file'):
        read(tmp_path / 'gone.txt')


def test_the_hash_is_of_the_content_and_of_both_files_of_a_folder(tmp_path):
    def hashed(path):
        return hash_vectors(VectorsSource(str(path)), open_local)

    same = write(tmp_path / 'a.txt', text()), write(tmp_path / 'b.txt', text())
    assert hashed(same[0]) == hashed(same[1]) != hashed(write(tmp_path / 'c.txt', text() + b'\n'))
    path = folder(tmp_path / 'potion', TABLE, PIECES)
    hashes = [hashed(path)]
    for name in ('model.safetensors', 'tokenizer.json'):
        (path / name).write_bytes((path / name).read_bytes() + b' ')
        hashes.append(hashed(path))
    assert len(set(hashes)) == 3
