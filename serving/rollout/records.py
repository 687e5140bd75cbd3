"""TFRecord files, read without TensorFlow, also while they are being written."""

import struct
from pathlib import Path
from typing import BinaryIO

from vaiven.serving.errors import ServingError

HEAD = struct.Struct('<QI')  # length, and its checksum
TAIL_BYTES = 4  # checksum of the data
MAX_RECORD_BYTES = 1 << 28


class Records:
    """The records of one file, from the first on. Close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises ServingError where the file cannot be opened."""
        self.path = path
        try:
            self._stream: BinaryIO = path.open('rb')
        except OSError as error:
            raise ServingError(f'cannot read {path}: {error.strerror}') from error

    def next(self) -> bytes | None:
        """The next whole record; None at the end as it is now, which may be further on later.

        Raises:
            ServingError: this is no TFRecord file, or it cannot be read.
        """
        place = self._stream.tell()
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
        except OSError as error:
            raise ServingError(f'cannot read {self.path}: {error.strerror}') from error
        return None

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> 'Records':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
