"""A TFRecord file while it is written.

It is called PREFIX-START-PID-NUMBER.tfrecord, START being the moment of its first record in UTC, as in
`/logs/reviews-20260730T101500.123456Z-4711-1.tfrecord`, and ends in `.partial` until it is complete. Only the owner
may read it. A process that is killed leaves its `.partial`, and the records in it can be read.
"""

import contextlib
import itertools
import os
from datetime import UTC, datetime
from typing import Any

from vaiven.serving.server import runtime

_FRAME_BYTES = 16  # of length and checksums, around each record
_numbers = itertools.count(1)


class RecordFile:
    """One file while it is written. Methods raise OSError or what TensorFlow raises, unless they say otherwise.

    Attributes:
        path: its name when it is complete.
        bytes: its size so far.
        records: how many records it got.
    """

    def __init__(self, prefix: str) -> None:
        """Starts the file. Raises OSError, also where the folder of `prefix` is a link: it was none when checked."""
        folder = os.path.dirname(prefix)
        if os.path.realpath(folder) != folder:
            raise OSError(f'{folder} leads elsewhere now: {os.path.realpath(folder)}')
        moment = datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%fZ')
        between = '' if prefix.endswith('/') else '-'
        self.path = f'{prefix}{between}{moment}-{os.getpid()}-{next(_numbers)}.tfrecord'
        self._partial = self.path + '.partial'
        # TensorFlow would make it readable for all; a file that is there keeps its mode when it is opened.
        os.close(os.open(self._partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        self._writer: Any = runtime.tensorflow().io.TFRecordWriter(self._partial)
        self.bytes = self.records = self._unflushed = self._safe_bytes = 0

    def write(self, record: bytes) -> None:
        """Adds a record."""
        self._unflushed += 1
        self._writer.write(record)
        self.records += 1
        self.bytes += len(record) + _FRAME_BYTES

    def flush(self) -> int:
        """Writes what is buffered; how many records are in the file now that were not before."""
        self._writer.flush()
        written, self._unflushed = self._unflushed, 0
        self._safe_bytes = self.bytes
        return written

    def complete(self) -> None:
        """Ends the file and gives it its name."""
        self._writer.close()
        os.rename(self._partial, self.path)

    def abandon(self) -> int:
        """Cuts the file behind its last whole record; how many are lost by that. Raises nothing."""
        with contextlib.suppress(Exception):  # it tries to write the rest once more
            self._writer.close()
        self._writer = None  # and again when it goes
        try:
            os.truncate(self._partial, self._safe_bytes)
            if self._safe_bytes:
                os.rename(self._partial, self.path)
            else:
                os.unlink(self._partial)
        except OSError:
            pass  # the disk is gone
        return self._unflushed
