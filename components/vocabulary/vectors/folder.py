"""Folders of model2vec: a table in `model.safetensors`, and the words of its rows in `tokenizer.json`."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from vaiven.components.vocabulary.vectors.entries import Entry, VectorFile
from vaiven.components.vocabulary.vectors.errors import VectorsError
from vaiven.components.vocabulary.vectors.source import TABLE_FILE, TOKENIZER_FILE
from vaiven.models.text.tokenization import CONTINUATION_PREFIX

_TENSOR, _MAPPING, _WEIGHTS = 'embeddings', 'mapping', 'weights'
_TYPES = {'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'I8': '<i1', 'I64': '<i8', 'I32': '<i4'}
_MAX_HEADER_BYTES = 100_000_000
_ROWS_AT_ONCE = 256
# What SentencePiece writes for the space before a word.
_SPACE = '▁'


class Tensor(NamedTuple):
    """A tensor of a safetensors file.

    Attributes:
        type: NumPy's name of its type.
        shape: its sizes.
        offset: its first byte in the file.
    """

    type: str
    shape: tuple[int, ...]
    offset: int


def open_folder(path: str, opener: Callable[[str], BinaryIO]) -> 'FolderVectors':
    """Opens a folder of model2vec.

    Args:
        path: of the folder.
        opener: opens a path for reading.

    Raises:
        VectorsError: a file is missing or of another format.
    """
    folder = path.rstrip('/')
    name = os.path.basename(folder)
    if '://' not in path:
        for file_name in (TABLE_FILE, TOKENIZER_FILE):
            if not os.path.isfile(f'{folder}/{file_name}'):
                raise VectorsError(
                    f'{path}: a folder of vectors must hold {TABLE_FILE} and {TOKENIZER_FILE}, as model2vec saves '
                    f'them. Received: no {file_name}; name a file or another folder'
                )
    with opener(f'{folder}/{TOKENIZER_FILE}') as file:
        tokens = _tokens(file.read(), f'{name}/{TOKENIZER_FILE}')
    table = opener(f'{folder}/{TABLE_FILE}')
    try:
        return FolderVectors(table, f'{name}/{TABLE_FILE}', tokens)
    except BaseException:
        table.close()
        raise


def _tokens(content: bytes, name: str) -> dict[str, int]:
    """Words and continuations of words by this project's spelling, with their ids."""
    try:
        model = json.loads(content)['model']
        kind, vocabulary = model.get('type', 'WordPiece'), model['vocab']
        if kind == 'Unigram':
            return {_from_sentencepiece(token): number for number, (token, _) in enumerate(vocabulary)}
        if kind in ('WordPiece', 'WordLevel'):
            prefix = model.get('continuing_subword_prefix') or CONTINUATION_PREFIX
            return {_from_wordpiece(token, prefix): int(number) for token, number in vocabulary.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VectorsError(
            f'{name}: must be a tokenizer as the library tokenizers saves it. Received: {error!r}; save the model again'
        ) from None
    raise VectorsError(
        f'{name}: the tokenizer must be of type WordPiece, WordLevel or Unigram. Received: {kind}; give another model'
    )


def _from_sentencepiece(token: str) -> str:
    return token.removeprefix(_SPACE) if token.startswith(_SPACE) else CONTINUATION_PREFIX + token


def _from_wordpiece(token: str, prefix: str) -> str:
    is_continuation = token.startswith(prefix) and token != prefix
    return CONTINUATION_PREFIX + token.removeprefix(prefix) if is_continuation else token


class FolderVectors(VectorFile):
    """The rows of a safetensors table, in the order of the file.

    Args:
        file: a safetensors file; closed with this object.
        name: name in messages.
        tokens: words and their ids.
    """

    def __init__(self, file: BinaryIO, name: str, tokens: dict[str, int]) -> None:
        self._file = file
        tensors = _read_header(file, name)
        table = tensors.get(_TENSOR)
        if table is None or len(table.shape) != 2:
            names = ', '.join(tensors) or 'none'
            raise VectorsError(
                f'{name}: must have a table {_TENSOR}. Received: {names}; give a folder of model2vec'
            )
        super().__init__(name, table.shape[1])
        self._table = table
        ids = list(tokens.values())
        # Newer versions keep one row for several tokens, and a weight of each token.
        rows = self._read_all(tensors[_MAPPING])[ids] if _MAPPING in tensors else np.array(ids, np.int64)
        if rows.size and (rows.max() >= table.shape[0] or rows.min() < 0):
            raise VectorsError(
                f'{name}: the table must have a row for each token of {TOKENIZER_FILE}. Received: '
                f'{table.shape[0]:,} rows and token {int(rows.max()):,}; save the model again'
            )
        weights = self._read_all(tensors[_WEIGHTS])[ids] if _WEIGHTS in tensors else np.ones(len(ids))
        # Row → words with their weights.
        self._words: dict[int, list[tuple[str, float]]] = {}
        for word, row, weight in zip(tokens, rows.tolist(), weights.tolist(), strict=True):
            self._words.setdefault(row, []).append((word, weight))

    def entries(self) -> Iterator[Entry]:
        """Yields the words in the order of the table."""
        kind = np.dtype(self._table.type)
        row_bytes = kind.itemsize * self.size
        rows = self._table.shape[0]
        self._file.seek(self._table.offset)
        for start in range(0, rows, _ROWS_AT_ONCE):
            count = min(_ROWS_AT_ONCE, rows - start)
            block = self._read(count * row_bytes)
            values = np.frombuffer(block, kind).reshape(count, self.size).astype('<f4')
            for number, row in enumerate(values, start=start):
                for word, weight in self._words.get(number, ()):
                    yield Entry(number + 1, word, (row * np.float32(weight)).tobytes())

    def _parse(self, entry: Entry) -> np.ndarray:
        return np.frombuffer(entry.values, '<f4')

    def _read_all(self, tensor: Tensor) -> np.ndarray:
        self._file.seek(tensor.offset)
        count = int(np.prod(tensor.shape))
        return np.frombuffer(self._read(count * np.dtype(tensor.type).itemsize), tensor.type)

    def _read(self, count: int) -> bytes:
        block = self._file.read(count)
        if len(block) < count:
            raise VectorsError(f'{self.name}: is cut off; download or save the model again')
        return block

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _read_header(file: BinaryIO, name: str) -> dict[str, Tensor]:
    """Reads the tensors of a safetensors file: 8 bytes with the length of a JSON object, and the object."""
    length = int.from_bytes(file.read(8), 'little')
    try:
        header: dict[str, Any] = json.loads(file.read(length) if length < _MAX_HEADER_BYTES else b'')
        return {
            key: Tensor(_TYPES[value['dtype']], tuple(value['shape']), 8 + length + value['data_offsets'][0])
            for key, value in header.items()
            if key != '__metadata__'
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VectorsError(
            f'{name}: must be a safetensors file with tensors of {", ".join(_TYPES)}. Received: {error!r}; '
            'download or save the model again'
        ) from None
