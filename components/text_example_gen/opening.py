"""Opens a file and decodes it, and says what is wrong with its path or its bytes."""

import codecs
import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from vaiven.components.text_example_gen.errors import DataError

_UTF16 = (b'\xff\xfe', b'\xfe\xff')
_BOM = b'\xef\xbb\xbf'
_BLOCK = 64 * 1024

Opener = Callable[[str], BinaryIO]


def open_local(path: str) -> BinaryIO:
    """Opens a file of this machine, with one line for everything that can be wrong with its path."""
    if not os.path.exists(path):
        raise DataError(f'{path}: there is no such file; check the path')
    if os.path.isdir(path):
        raise DataError(f'{path}: is a directory; name the files in it that are meant')
    try:
        return open(path, 'rb')
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror}); check its permissions') from error


@contextlib.contextmanager
def opened(path: str, opener: Opener) -> Iterator[BinaryIO]:
    """The bytes of a file, unzipped where its name ends in `.gz`."""
    try:
        with opener(path) as stream:
            if path.lower().endswith('.gz'):
                with gzip.GzipFile(fileobj=stream) as unzipped:
                    yield unzipped  # type: ignore[misc]
            else:
                yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f'{os.path.basename(path)}: is not a whole gzip file ({error}); fetch or compress it again'
        ) from error
    except OSError as error:
        raise DataError(f'{path}: cannot be read ({error.strerror or error})') from error


class Lines:
    """Decoded lines with their ends; knows the number of the latest one. None is longer than `limit` bytes."""

    def __init__(self, stream: BinaryIO, name: str, limit: int) -> None:
        self.number = 0
        self._stream, self._name, self._limit = stream, name, limit

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        # One byte more than allowed, and the two of the line's end.
        line = self._stream.readline(self._limit + 3)
        if not line:
            raise StopIteration
        self.number += 1
        where = f'{self._name}, line {self.number}'
        if self.number == 1:
            line = _without_mark(line, where)
        if len(line.rstrip(b'\r\n')) > self._limit:
            raise too_large(where, self._limit)
        if (offset := line.find(b'\0')) >= 0:
            raise _nul(where, offset)
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise _not_utf8(where, error.start, line[error.start]) from None


def blocks(stream: BinaryIO, name: str) -> Iterator[str]:
    """Decoded text piece by piece, whatever the length of its lines; every end of a line is a line feed."""
    utf8 = codecs.getincrementaldecoder('utf-8')()
    decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
    number, column = 1, 0  # of the next byte
    block: bytes | None = None
    while block != b'':
        first, block = block is None, stream.read(_BLOCK)
        if first:
            block = _without_mark(block, f'{name}, line 1')
        pending = len(utf8.getstate()[0])
        if (offset := block.find(b'\0')) >= 0:
            raise _nul(*_place(name, number, column, block, offset))
        try:
            yield decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            where, offset = _place(name, number, column, block, error.start - pending)
            raise _not_utf8(where, offset, error.object[error.start]) from None
        number += block.count(b'\n')
        column = len(block) - 1 - block.rfind(b'\n') if b'\n' in block else column + len(block)


def _place(name: str, number: int, column: int, block: bytes, offset: int) -> tuple[str, int]:
    """File and line of the byte at `offset` of a block that begins at `number`, `column`; and its place there."""
    before = block[: max(0, offset)]
    start = before.rfind(b'\n') + 1
    line = number + before.count(b'\n')
    return f'{name}, line {line}', offset - start if start else column + offset


def _without_mark(content: bytes, where: str) -> bytes:
    if content.startswith(_UTF16):
        raise DataError(f'{where}: the file is UTF-16; convert it with iconv -f UTF-16 -t UTF-8')
    return content.removeprefix(_BOM)


def _nul(where: str, offset: int) -> DataError:
    return DataError(
        f'{where}: byte {offset + 1} is NUL, which no text has; remove it, or give a file of text'
    )


def _not_utf8(where: str, offset: int, byte: int) -> DataError:
    return DataError(
        f'{where}: byte {offset + 1} (0x{byte:02x}) is not UTF-8; '
        'convert the file, as with iconv -f LATIN1 -t UTF-8'
    )


def too_large(where: str, limit: int) -> DataError:
    return DataError(
        f'{where}: the row is larger than {limit} bytes; look for a quotation mark that is never closed '
        'or a missing line break, or raise the bound with --set data.max_row_bytes=N'
    )
