"""A TFRecord file that is being written.

Its name is PREFIX-START-PID-NUMBER.tfrecord, where START is the time of its first record in UTC. An example is
`/logs/reviews-20260730T101500.123456Z-4711-1.tfrecord`. Until the file is complete, `.partial` is appended. Only the
owner may read it. A killed process leaves a `.partial` file, whose records are readable.
"""

import contextlib
import itertools
import os
from datetime import UTC, datetime
from typing import Any

from vaiven.serving.server import runtime

_FRAME_BYTES = 16  # length (8 bytes) and two checksums (4 each) of a record
_numbers = itertools.count(1)


class RecordFile:
    """One file that is being written. Its methods raise OSError or an error of TensorFlow, except `abandon`.

    Attributes:
        path: its path once it is complete.
        bytes: its size so far.
        records: its number of records so far.
    """

    def __init__(self, prefix: str) -> None:
        """Creates the file. Raises OSError, also if the folder of `prefix` has become a link since it was checked."""
        folder = os.path.dirname(prefix)
        if os.path.realpath(folder) != folder:
            raise OSError(f'{folder} has become a link to {os.path.realpath(folder)}')
        start = datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%fZ')
        separator = '' if prefix.endswith('/') else '-'
        self.path = f'{prefix}{separator}{start}-{os.getpid()}-{next(_numbers)}.tfrecord'
        self._partial = self.path + '.partial'
        # TensorFlow would create it readable for all users. An existing file keeps its mode.
        os.close(os.open(self._partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        self._writer: Any = runtime.tensorflow().io.TFRecordWriter(self._partial)
        self.bytes: int = 0
        self.records: int = 0
        self._unflushed: int = 0
        self._flushed_bytes: int = 0

    def write(self, record: bytes) -> None:
        """Appends a record."""
        self._unflushed += 1
        self._writer.write(record)
        self.records += 1
        self.bytes += len(record) + _FRAME_BYTES

    def flush(self) -> int:
        """Flushes the buffer to the disk, and returns the number of records in it."""
        self._writer.flush()
        written, self._unflushed = self._unflushed, 0
        self._flushed_bytes = self.bytes
        return written

    def complete(self) -> None:
        """Closes the file and renames it to `path`."""
        self._writer.close()
        os.rename(self._partial, self.path)

    def abandon(self) -> int:
        """Truncates the file after its last flushed record, and returns the number of lost records. Raises nothing."""
        with contextlib.suppress(Exception):  # `close` tries to write the buffer once more
            self._writer.close()
        self._writer = None  # its destructor tries again, and must do so before the truncation
        try:
            os.truncate(self._partial, self._flushed_bytes)
            if self._flushed_bytes:
                os.rename(self._partial, self.path)
            else:
                os.unlink(self._partial)
        except OSError:
            pass  # the disk does not respond at all
        return self._unflushed
