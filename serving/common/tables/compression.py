"""Streaming decompression: only the requested part of a file is in memory."""

import bz2
import gzip
import zipfile
import zlib
from typing import Any, BinaryIO, cast

from vaiven.serving.common.tables.errors import TableError

# A block of zstd is at most 128 KB and may come from 4 bytes, so this much unpacks to at most 16 MB.
_ZSTD_BYTES = 512
DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile)


def unpacked(raw: BinaryIO, compression: str, name: str) -> BinaryIO:
    """Returns a stream of the decompressed bytes.

    Args:
        raw: the bytes of the file.
        compression: '.gz', '.bz2', '.zst', '.zip', or '' for none.
        name: name of the file in messages.

    Raises:
        TableError: the file is not of this compression, or a library is missing.
    """
    if compression == '.gz':
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if compression == '.bz2':
        return cast(BinaryIO, bz2.BZ2File(raw))
    if compression == '.zip':
        return _member(raw, name)
    if compression == '.zst':
        return cast(BinaryIO, _Zstd(raw, name))
    return raw


def damaged(name: str, compression: str, error: BaseException) -> TableError:
    """Returns the error for a damaged file.

    Args:
        name: name of the file.
        compression: its ending, such as '.gz'.
        error: the error of the decompression.
    """
    kind = {'.gz': 'gzip', '.bz2': 'bzip2', '.zst': 'zstd', '.zip': 'zip'}[compression]
    return TableError(f'{name}: is not a whole {kind} file ({error}); fetch or compress it again')


def _member(raw: BinaryIO, name: str) -> BinaryIO:
    if not getattr(raw, 'seekable', lambda: False)():
        raise TableError(f'{name}: a zip file cannot be read from a pipe; give its path')
    archive = zipfile.ZipFile(raw)
    members = [
        each
        for each in archive.infolist()
        if not each.is_dir() and not each.filename.startswith('__MACOSX/')  # what macOS adds to each archive
    ]
    if len(members) != 1:
        names = ', '.join(each.filename for each in members[:5]) or 'none'
        raise TableError(
            f'{name}: a zip file must hold one file. Received: {len(members)} ({names}); '
            'unpack it, and name the files that are meant'
        )
    try:
        return cast(BinaryIO, archive.open(members[0]))
    except (
        RuntimeError,
        NotImplementedError,
    ) as error:  # encrypted, or packed in a way that Python cannot unpack
        raise TableError(f'{name}: the zip file cannot be unpacked ({error}); unpack it first') from None


class _Zstd:
    """Unpacks zstd frames; unlike the library's own stream it refuses a file that is cut off."""

    def __init__(self, raw: BinaryIO, name: str) -> None:
        try:
            import zstandard
        except ModuleNotFoundError:
            raise TableError(
                f'{name}: reading .zst needs the Python module zstandard; install it, or unpack the file'
            ) from None
        self._library: Any = zstandard
        self._raw, self._name = raw, name
        self._frame: Any = None
        self._rest = b''

    def read1(self, size: int = -1) -> bytes:
        """Returns the next decompressed bytes; b'' at the end."""
        while True:
            packed = self._rest or self._raw.read(_ZSTD_BYTES)
            self._rest = b''
            if not packed:
                if self._frame is not None:
                    raise EOFError('it ends before its last frame does')
                return b''
            if self._frame is None:
                self._frame = self._library.ZstdDecompressor().decompressobj()
            try:
                found: bytes = self._frame.decompress(packed)
            except self._library.ZstdError as error:
                raise EOFError(str(error)) from None
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
            if found:
                return found

    def close(self) -> None:
        """Nothing is held but `raw`, which its owner closes."""
