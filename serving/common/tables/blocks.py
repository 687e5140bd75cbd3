"""The bytes of a file or of standard input, in blocks."""

import io
import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from types import TracebackType
from typing import Any, BinaryIO, cast

from vaiven.serving.common.tables.compression import DAMAGED, damaged, unpacked
from vaiven.serving.common.tables.errors import TableError
from vaiven.serving.common.tables.names import split_name

BLOCK_BYTES = 1 << 16
STANDARD_INPUT = 'standard input'


def open_path(path: str | None) -> BinaryIO:
    """Opens a file, or standard input for None. Raises TableError."""
    try:
        # Unbuffered: `select` sees all bytes that are available, and no lock is held while none come.
        return cast(BinaryIO, io.FileIO(0 if path is None else path, closefd=path is not None))
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise TableError(f'cannot read {STANDARD_INPUT if path is None else path}: {reason}') from error


class Blocks(AbstractContextManager['Blocks']):
    """Decompressed blocks of bytes. A None means that the input pauses and all earlier bytes were yielded.

    Attributes:
        name: name of the input in messages.
        stream: the decompressed bytes, for formats that seek.
        pausing: whether the input is a pipe, a terminal or a socket.
    """

    def __init__(self, raw: BinaryIO, name: str, path: str = '') -> None:
        """
        Args:
            raw: the bytes of the file; closed with this object.
            name: name in messages.
            path: its ending gives the compression; '' for none.

        Raises:
            TableError: the file cannot be decompressed.
        """
        self.name = name
        self._raw = raw
        self._compression = split_name(path)[1]
        self._size = _size(raw)
        self._first: list[bytes] = []
        try:
            self.stream = unpacked(raw, self._compression, name)
        except DAMAGED as error:
            raw.close()
            raise damaged(name, self._compression, error) from error
        except BaseException:
            raw.close()
            raise
        self.pausing = self._size is None and _has_number(raw)

    def share(self) -> float | None:
        """Returns the fraction of the file that was read, 0 to 1; None if its size is unknown."""
        if self._size is None or self._raw.closed:
            return None
        return min(self._raw.tell() / max(self._size, 1), 1.0)

    def peek(self) -> bytes:
        """Returns the first block without consuming it; b'' for an empty input. Raises TableError."""
        if not self._first:
            self._first = list(islice((each for each in self if each is not None), 1))
        return self._first[0] if self._first else b''

    def __iter__(self) -> Iterator[bytes | None]:
        """Yields the blocks. Raises TableError if the input cannot be read."""
        # Of what is there, `read` of a file that unpacks waits for the whole of a block.
        read: Callable[[int], bytes | None] = getattr(self.stream, 'read1', None) or self.stream.read
        # Whether a packed stream has more to give cannot be seen from outside.
        waits = self.pausing and not self._compression
        while self._first:
            yield self._first.pop()
        while True:
            if waits and not select.select([self._raw], [], [], 0)[0]:
                yield None
                select.select([self._raw], [], [])
            try:
                block = read(BLOCK_BYTES)
            except DAMAGED as error:
                raise damaged(self.name, self._compression or '.gz', error) from error
            except OSError as error:
                if error.errno is None and self._compression:  # as bz2 says it
                    raise damaged(self.name, self._compression, error) from error
                raise TableError(f'cannot read {self.name}: {error.strerror or error}') from error
            if not block:
                return
            yield block

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()
        self._raw.close()


def _size(raw: Any) -> int | None:
    """Bytes of a file of this machine; None for all else."""
    try:
        status = os.fstat(raw.fileno())
    except (OSError, AttributeError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _has_number(raw: Any) -> bool:
    try:
        return bool(raw.fileno() >= 0)
    except (OSError, AttributeError):
        return False
