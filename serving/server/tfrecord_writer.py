"""Records that are written beside the requests: by one thread, from a queue that is never waited for.

The thread writes what is queued and flushes it at once, so a record is in its file as soon as the disk lets it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from vaiven.serving.common import log
from vaiven.serving.common.status import Code
from vaiven.serving.server.tfrecord_file import RecordFile

# With no more records than this a file is good for a warm-up as it is.
MAX_FILE_RECORDS = 1000
MAX_FILE_BYTES = 64 << 20
MAX_QUEUE_RECORDS = 1024
MAX_QUEUE_BYTES = 64 << 20
RETRY_SECONDS = 5.0  # after a disk that failed


class RecordFiles:
    """Writes records to files. `put` never waits; what cannot be written is dropped and told of."""

    def __init__(
        self,
        prefix: str,
        name: str,
        tell: Callable[[str, int], None] = lambda status, records: None,
        *,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_file_records: int = MAX_FILE_RECORDS,
        max_queue_records: int = MAX_QUEUE_RECORDS,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
    ) -> None:
        """
        Args:
            prefix: what the paths begin with.
            name: of whom the records are, for the server's log.
            tell: called with a code's name and a number of records: "OK" for what is in a file,
                "RESOURCE_EXHAUSTED" for what found the queue full, "UNAVAILABLE" for what the disk refused.
            max_file_bytes: a file that has so many is completed, and the next begun; likewise the others.
        """
        self._prefix = prefix
        self._name = name
        self._tell = tell
        self._max_file = (max_file_bytes, max_file_records)
        self._max_queue = (max_queue_bytes, max_queue_records)
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._full = False  # records were dropped since the queue was last empty
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._file: RecordFile | None = None
        self._failed_at: float | None = None
        self._lost = 0

    def put(self, record: bytes) -> bool:
        """Queues a record; False where it had to be dropped. May be called from any thread."""
        with self._changed:
            most_bytes, most_records = self._max_queue
            taken = (
                not self._closing
                and len(self._queue) < most_records
                and self._queued_bytes + len(record) <= most_bytes
            )
            told = not taken and not self._full and not self._closing
            if taken:
                self._queue.append(record)
                self._queued_bytes += len(record)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name='records', daemon=True)
                    self._thread.start()
                if len(self._queue) == 1:
                    self._changed.notify()
            else:
                self._dropped += 1
                self._full = True
        if told:
            log.problem('request log', model=self._name, error='the queue is full: requests are not logged')
        if not taken:
            self._tell(Code.RESOURCE_EXHAUSTED.name, 1)
        return taken

    def close(self, seconds: float = 10.0) -> None:
        """Writes what is queued, completes the file and ends the thread, waiting for it at most so long."""
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    # -- the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    if self._full:
                        dropped, self._dropped, self._full = self._dropped, 0, False
                        log.event('request log', model=self._name, state='keeps up again', dropped=dropped)
                    self._changed.wait()
                records = list(self._queue)
                self._queue.clear()
                self._queued_bytes = 0
                closing = self._closing
            for record in records:
                self._write(record)
            self._flush(complete=closing)
            if closing:
                return

    def _write(self, record: bytes) -> None:
        if self._failed_at is not None and time.monotonic() - self._failed_at < RETRY_SECONDS:
            self._lose(1)
            return
        try:
            if self._file is None:
                self._file = RecordFile(self._prefix)
            self._file.write(record)
        except Exception as error:
            self._fail(error, 1 if self._file is None else 0)
            return
        most_bytes, most_records = self._max_file
        if self._file.bytes >= most_bytes or self._file.records >= most_records:
            self._flush(complete=True)

    def _flush(self, complete: bool = False) -> None:
        file = self._file
        if file is None:
            return
        try:
            written = file.flush()
            self._tell(Code.OK.name, written)
            if written and self._failed_at is not None:
                lost, self._lost, self._failed_at = self._lost, 0, None
                log.event('request log', model=self._name, state='writes again', dropped=lost)
            if complete:
                self._file = None
                file.complete()
        except Exception as error:
            self._fail(error, 0)

    def _fail(self, error: Exception, more: int) -> None:
        """Gives a file up that cannot be written, but for the records that are in it for sure."""
        file, self._file = self._file, None
        error.__traceback__ = None  # it would keep TensorFlow's writer, and with it the file, open
        if self._failed_at is None:
            text = str(error) or type(error).__name__
            log.problem('request log', model=self._name, prefix=self._prefix, error=text)
        self._failed_at = time.monotonic()
        self._lose(more + (file.abandon() if file is not None else 0))

    def _lose(self, records: int) -> None:
        self._lost += records
        if records:
            self._tell(Code.UNAVAILABLE.name, records)
