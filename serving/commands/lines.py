"""The lines of a file or of standard input, as they come."""

import gzip
import io
import os
import select
import stat
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import BinaryIO, cast

from vaiven.serving.errors import ServingError

CHUNK_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 24
STANDARD_INPUT = 'standard input'


class Lines(AbstractContextManager['Lines']):
    """Decoded lines without the LF at their ends; None where the input pauses: who waits for more has all that came.

    Attributes:
        name: what a message calls the input.
        number: of the line that came last, from 1.
    """

    def __init__(self, path: str | None) -> None:
        """Opens the file, or standard input for None; unpacks where the name ends in `.gz`. Raises ServingError."""
        self.name = STANDARD_INPUT if path is None else path
        self.number = 0
        try:
            # Unbuffered: what is there can be told from what is not, and no lock is held while nothing comes.
            self._raw = io.FileIO(0 if path is None else path, closefd=path is not None)
            self._is_file = stat.S_ISREG(os.fstat(self._raw.fileno()).st_mode)
        except OSError as error:
            raise ServingError(f'cannot read {self.name}: {error.strerror}') from error
        self._stream = (
            self._raw if not self.name.endswith('.gz') else gzip.GzipFile(fileobj=cast(BinaryIO, self._raw))
        )

    def share(self) -> float | None:
        """How much of a file has been read, 0 to 1; None where nobody knows how much there is."""
        if not self._is_file or self._raw.closed:
            return None
        return self._raw.tell() / max(os.fstat(self._raw.fileno()).st_size, 1)

    def __iter__(self) -> Iterator[str | None]:
        """Raises ServingError where the input cannot be read, or a line is too long or not UTF-8."""
        rest = b''
        while True:
            if not self._is_file and not select.select([self._raw], [], [], 0)[0]:
                yield None
                select.select([self._raw], [], [])
            chunk = self._read()
            if not chunk:
                break
            complete = (rest + chunk).split(b'\n')
            rest = complete.pop()
            for line in complete:
                yield self._decoded(line)
            if len(rest) > MAX_LINE_BYTES:
                raise ServingError(
                    f'line {self.number + 1} of {self.name} is longer than {MAX_LINE_BYTES >> 20} MB: divide it'
                )
        if rest:
            yield self._decoded(rest)

    def _read(self) -> bytes:
        try:
            return self._stream.read(CHUNK_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise ServingError(
                f'cannot read {self.name}: {getattr(error, "strerror", None) or error}'
            ) from error

    def _decoded(self, line: bytes) -> str:
        self.number += 1
        try:
            return line.decode('utf-8-sig' if self.number == 1 else 'utf-8')
        except UnicodeDecodeError as error:
            raise ServingError(
                f'line {self.number} of {self.name} is not UTF-8 (byte {error.start + 1}): convert it, as with iconv'
            ) from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._raw.close()
