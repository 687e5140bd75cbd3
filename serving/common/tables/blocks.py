"""The bytes of a file or of standard input, as they come."""

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
    """A file, or standard input for None. Raises TableError."""
    try:
        # Unbuffered: what is there can be told from what is not, and no lock is held while nothing comes.
        return cast(BinaryIO, io.FileIO(0 if path is None else path, closefd=path is not None))
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise TableError(f'cannot read {STANDARD_INPUT if path is None else path}: {reason}') from error


class Blocks(AbstractContextManager['Blocks']):
    """Blocks of bytes, unpacked; None where the input pauses: who waits for more has all that came.

    Attributes:
        name: what a message calls the input.
        stream: the unpacked bytes, for formats that seek.
        pausing: whether the input is a pipe, a terminal or a socket, and not a file.
    """

    def __init__(self, raw: BinaryIO, name: str, path: str = '') -> None:
        """
        Args:
            raw: the bytes of the file; closed with this object.
            name: what messages call it.
            path: tells the compression; '' for none.

        Raises:
            TableError: it cannot be unpacked.
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
        """How much of a file has been read, 0 to 1; None where nobody knows how much there is."""
        if self._size is None or self._raw.closed:
            return None
        return min(self._raw.tell() / max(self._size, 1), 1.0)

    def peek(self) -> bytes:
        """The first block, which is given out again; b'' for an empty input. Raises TableError."""
        if not self._first:
            self._first = list(islice((each for each in self if each is not None), 1))
        return self._first[0] if self._first else b''

    def __iter__(self) -> Iterator[bytes | None]:
        """Raises TableError where the input cannot be read."""
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
