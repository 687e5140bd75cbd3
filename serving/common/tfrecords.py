"""TFRecord files, read without TensorFlow, also while they are being written, and those that are gzipped."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from vaiven.serving.common.errors import ServingError

HEAD = struct.Struct('<QI')  # length, and its checksum
TAIL_BYTES = 4  # checksum of the data
MAX_RECORD_BYTES = 1 << 28


class Records:
    """The records of one file. Close it, or use it as a context manager."""

    def __init__(self, path: Path, place: int = 0) -> None:
        """
        Args:
            path: the file.
            place: offset in bytes to start at, an earlier value of `place`.

        Raises:
            ServingError: the file cannot be opened.
        """
        self.path = path
        try:
            self._stream: BinaryIO = gzip.open(path) if path.suffix == '.gz' else path.open('rb')  # type: ignore[assignment]  # noqa: SIM115 (closed by `close`)
            self._stream.seek(place)
        except OSError as error:
            raise ServingError(f'cannot read {path}: {error.strerror}') from error

    @property
    def place(self) -> int:
        """Where the next record begins, in bytes."""
        return self._stream.tell()

    def next(self) -> bytes | None:
        """The next whole record; None at the end as it is now, which may be further on later.

        Raises:
            ServingError: this is no TFRecord file, or it cannot be read.
        """
        place = self.place
        try:
            head = self._stream.read(HEAD.size)
            if len(head) == HEAD.size:
                length, _ = HEAD.unpack(head)
                if length > MAX_RECORD_BYTES:
                    raise ServingError(
                        f'{self.path} is no TFRecord file: a record of {length} bytes at {place}'
                    )
                record = self._stream.read(length + TAIL_BYTES)
                if len(record) == length + TAIL_BYTES:
                    return record[:length]
            self._stream.seek(place)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ServingError(f'{self.path} is damaged: {error}') from error
        except OSError as error:
            raise ServingError(f'cannot read {self.path}: {error.strerror}') from error
        return None

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> 'Records':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
