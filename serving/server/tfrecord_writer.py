"""Writes records to TFRecord files in a thread of its own, from a bounded queue, so that no request waits for a disk.

The thread flushes after each round, so a record is in its file as soon as the disk is ready.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from vaiven.serving.common import log
from vaiven.serving.common.status import Code
from vaiven.serving.server.tfrecord_file import RecordFile

# TensorFlow Serving accepts no more warm-up records, and a file of the log can serve as one.
MAX_FILE_RECORDS = 1000
MAX_FILE_BYTES = 64 << 20
MAX_QUEUE_RECORDS = 1024
MAX_QUEUE_BYTES = 64 << 20
RETRY_SECONDS = 5.0  # after a disk error


class RecordWriter:
    """Writes records to files. `put` never waits; records that cannot be written are dropped and reported."""

    def __init__(
        self,
        prefix: str,
        name: str,
        report: Callable[[str, int], None] = lambda status, records: None,
        *,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_file_records: int = MAX_FILE_RECORDS,
        max_queue_records: int = MAX_QUEUE_RECORDS,
        max_queue_bytes: int = MAX_QUEUE_BYTES,
    ) -> None:
        """Starts no thread and no file before the first record.

        Args:
            prefix: prefix of the paths of the files.
            name: name of the model, for the server's log.
            report: called with the name of a code and a number of records: "OK" for written ones, "RESOURCE_EXHAUSTED"
                for those that found the queue full, "UNAVAILABLE" for those that the disk refused.
            max_file_bytes: size at which a file is completed and the next one started.
            max_file_records: number of records at which a file is completed.
            max_queue_bytes: maximum bytes of waiting records.
            max_queue_records: maximum number of waiting records.
        """
        self._prefix = prefix
        self._name = name
        self._report = report
        self._max_file = (max_file_bytes, max_file_records)
        self._max_queue = (max_queue_bytes, max_queue_records)
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._overflowed = False  # since the queue was last empty
        self._dropped = 0
        self._thread: threading.Thread | None = None
        self._file: RecordFile | None = None
        self._failed_at: float | None = None
        self._dropped_by_disk = 0  # since the disk failed

    def put(self, record: bytes) -> bool:
        """Queues a record. Returns False if it was dropped. It is thread-safe."""
        with self._changed:
            max_bytes, max_records = self._max_queue
            accepted = (
                not self._closing
                and len(self._queue) < max_records
                and self._queued_bytes + len(record) <= max_bytes
            )
            # Logged once per overflow: a slow disk must not flood the server's log as well.
            first_overflow = not accepted and not self._overflowed and not self._closing
            if accepted:
                self._queue.append(record)
                self._queued_bytes += len(record)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name='records', daemon=True)
                    self._thread.start()
                if len(self._queue) == 1:
                    self._changed.notify()
            else:
                self._dropped += 1
                self._overflowed = True
        if first_overflow:
            log.problem('request log', model=self._name, error='the queue is full: requests are not logged')
        if not accepted:
            self._report(Code.RESOURCE_EXHAUSTED.name, 1)
        return accepted

    def close(self, seconds: float = 10.0) -> None:
        """Writes the queued records, completes the file and ends the thread. Waits for at most `seconds`."""
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
                    if self._overflowed:
                        dropped, self._dropped, self._overflowed = self._dropped, 0, False
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
            self._drop(1)
            return
        try:
            if self._file is None:
                self._file = RecordFile(self._prefix)
            self._file.write(record)
        except Exception as error:
            self._fail(error, 1 if self._file is None else 0)
            return
        max_bytes, max_records = self._max_file
        if self._file.bytes >= max_bytes or self._file.records >= max_records:
            self._flush(complete=True)

    def _flush(self, complete: bool = False) -> None:
        file = self._file
        if file is None:
            return
        try:
            written = file.flush()
            self._report(Code.OK.name, written)
            if written and self._failed_at is not None:
                lost, self._dropped_by_disk, self._failed_at = self._dropped_by_disk, 0, None
                log.event('request log', model=self._name, state='writes again', dropped=lost)
            if complete:
                self._file = None
                file.complete()
        except Exception as error:
            self._fail(error, 0)

    def _fail(self, error: Exception, unwritten: int) -> None:
        """Abandons a file that cannot be written; its flushed records remain.

        Args:
            error: the error of the disk.
            unwritten: lost records that the file does not count.
        """
        file, self._file = self._file, None
        error.__traceback__ = None  # its frames refer to TensorFlow's writer, which would keep the file open
        if self._failed_at is None:
            text = str(error) or type(error).__name__
            log.problem('request log', model=self._name, prefix=self._prefix, error=text)
        self._failed_at = time.monotonic()
        self._drop(unwritten + (file.abandon() if file is not None else 0))

    def _drop(self, records: int) -> None:
        self._dropped_by_disk += records
        if records:
            self._report(Code.UNAVAILABLE.name, records)
