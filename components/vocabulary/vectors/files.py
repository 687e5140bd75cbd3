"""Files of vectors as word2vec, fastText and GloVe write them, compressed or not."""

import os
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from vaiven.components.vocabulary.vectors.entries import Entry, VectorFile
from vaiven.components.vocabulary.vectors.errors import VectorsError
from vaiven.components.vocabulary.vectors.folder import open_folder
from vaiven.serving.common.tables.blocks import Blocks

# The longest line, and the longest word of a binary file. A file of another kind may have no line break at all.
_MAX_LINE_BYTES = 1 << 20
_MAX_WORD_BYTES = 10_000
_HEADER = re.compile(rb'([0-9]+)[ \t]+([0-9]+)')
_BOM = b'\xef\xbb\xbf'
# First bytes of fastText's own models, which hold subwords and matrices.
_FASTTEXT_MODEL = (793_712_314).to_bytes(4, 'little')


def open_vectors(path: str, opener: Callable[[str], BinaryIO]) -> VectorFile:
    """Opens a file of vectors; its format is found in its content.

    Formats: text with a header line of the number of words and of values (word2vec, fastText), text without one
    (GloVe), word2vec's binary format, and folders of model2vec.

    Args:
        path: of the file or folder; the ending of its name gives the compression. An address of a folder ends in `/`.
        opener: opens a path for reading.

    Raises:
        VectorsError: the file is empty or of another format.
        TableError: the file cannot be read or decompressed.
    """
    if path.endswith('/') or os.path.isdir(path):
        return open_folder(path, opener)
    name = os.path.basename(path)
    blocks = Blocks(opener(path), name, path)
    try:
        return _open_blocks(blocks, name)
    except BaseException:
        blocks.__exit__(None, None, None)
        raise


def _open_blocks(blocks: Blocks, name: str) -> VectorFile:
    head = blocks.peek()
    if not head.strip():
        raise VectorsError(f'{name}: is empty; give a file of word vectors')
    if head.startswith(_FASTTEXT_MODEL):
        raise VectorsError(
            f'{name}: is a model of fastText, not a file of vectors; give its .vec file, or export one'
        )
    first, _, rest = head.partition(b'\n')
    header = _HEADER.fullmatch(first.removeprefix(_BOM).strip())
    if header is None:
        fields = first.split()
        if len(fields) < 2 or not _is_number(fields[-1]):
            raise VectorsError(
                f'{name}: the first line must be a word and its values, or the number of words and of values. '
                f'Received: {first[:40]!r}; give vectors of word2vec, fastText, GloVe or model2vec'
            )
        return TextVectors(blocks, name, len(fields) - 1, None)
    words, size = int(header[1]), int(header[2])
    second = rest.split(b'\n', 1)[0].split()
    if not second or (len(second) > 1 and _is_number(second[1])):
        return TextVectors(blocks, name, size, words)
    return BinaryVectors(blocks, name, size, words)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _decode(file: VectorFile, position: int, word: bytes) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise file.error(position, 'words must be UTF-8', repr(word)) from None


class TextVectors(VectorFile):
    """Lines of a word and its values, separated by spaces or tabs.

    Args:
        blocks: the decompressed bytes.
        name: name in messages.
        size: number of values of each vector.
        words: number of words that the header line announces; None without a header.
    """

    unit = 'line'

    def __init__(self, blocks: Blocks, name: str, size: int, words: int | None) -> None:
        super().__init__(name, size)
        self._blocks, self._words = blocks, words

    def entries(self) -> Iterator[Entry]:
        """Yields the words in the order of the file."""
        found = 0
        for number, whole_line in enumerate(self._lines(), start=1):
            line = whole_line.rstrip()
            if number == 1:
                line = line.removeprefix(_BOM)
                if self._words is not None:
                    continue
            word, _, values = line.partition(b' ')
            # Counting is ten times as fast as splitting, and most words of a file are not needed.
            if values.count(b' ') + 1 != self.size:
                if not line:
                    continue
                fields = line.split()
                word, values = fields[0], b' '.join(fields[1:])
                if len(fields) != self.size + 1:
                    if len(fields) > self.size + 1 and not _is_number(fields[1]):
                        found += 1
                        continue  # a phrase with spaces, which is not a word
                    raise self.error(
                        number, f'must have a word and {self.size} values', f'{len(fields) - 1} values'
                    )
            found += 1
            yield Entry(number, _decode(self, number, word), values)
        if self._words is not None and found < self._words:
            raise VectorsError(
                f'{self.name}: the header announces {self._words:,} words. Received: {found:,}; the file is cut off: '
                'download it again'
            )

    def _lines(self) -> Iterator[bytes]:
        rest = b''
        for block in self._blocks:
            lines = (rest + (block or b'')).split(b'\n')
            rest = lines.pop()
            if len(rest) > _MAX_LINE_BYTES:
                raise VectorsError(
                    f'{self.name}: a line must be shorter than {_MAX_LINE_BYTES:,} bytes; give a file of word vectors'
                )
            yield from lines
        if rest:
            yield rest

    def _parse(self, entry: Entry) -> np.ndarray:
        fields = entry.values.split()
        try:
            return np.array(fields, 'S').astype(np.float32)
        except ValueError:
            field = next(field for field in fields if not _is_number(field))
            received = f'{field.decode(errors="replace")!r} for {entry.word!r}'
            raise self.error(entry.position, 'values must be numbers', received) from None

    def close(self) -> None:
        """Closes the file."""
        self._blocks.__exit__(None, None, None)


class BinaryVectors(VectorFile):
    """word2vec's binary format: a header line, then for each word its bytes, a space, and its values in 32 bits.

    Args:
        blocks: the decompressed bytes.
        name: name in messages.
        size: number of values of each vector.
        words: number of words that the header line announces.
    """

    unit = 'word'

    def __init__(self, blocks: Blocks, name: str, size: int, words: int) -> None:
        super().__init__(name, size)
        self._blocks, self._words = blocks, words

    def entries(self) -> Iterator[Entry]:
        """Yields the words in the order of the file."""
        blocks = (block for block in self._blocks if block)
        buffer = next(blocks)
        start = buffer.index(b'\n') + 1
        value_bytes = 4 * self.size
        for number in range(1, self._words + 1):
            while (space := buffer.find(b' ', start)) < 0 or len(buffer) - space <= value_bytes:
                block = next(blocks, None)
                if block is None:
                    raise VectorsError(
                        f'{self.name}: the header announces {self._words:,} words. Received: {number - 1:,}; '
                        'the file is cut off: download it again'
                    )
                buffer, start = buffer[start:] + block, 0
                if space < 0 and len(buffer) > _MAX_WORD_BYTES + len(block):
                    raise self.error(number, f'a word must end within {_MAX_WORD_BYTES} bytes', 'no space')
            # Some writers end each vector with a line break, others do not.
            word = buffer[start:space].lstrip(b'\n')
            start = space + 1 + value_bytes
            yield Entry(number, _decode(self, number, word), buffer[space + 1 : start])

    def _parse(self, entry: Entry) -> np.ndarray:
        return np.frombuffer(entry.values, '<f4')

    def close(self) -> None:
        """Closes the file."""
        self._blocks.__exit__(None, None, None)
