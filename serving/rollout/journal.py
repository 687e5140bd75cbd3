"""The written record of an automatic rollout: one JSON object a line, on the disk before anything is done."""

import fcntl
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vaiven.serving.common.errors import ServingError

FILE = 'rollout.jsonl'  # in the serving folder, beside the versions


class Record:
    """Held by one process at a time; close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises ServingError where the file cannot be written, or another process holds it."""
        self.path = path
        try:
            self._stream = path.open('a+b')
        except OSError as error:
            raise ServingError(f'cannot write the record {path}: {error.strerror}') from error
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise ServingError(
                f'another `vaiven rollout auto` is at work with {path}: let it, or end it'
            ) from None
        except OSError:
            pass  # a file system without locks

    def entries(self, model: str) -> list[dict[str, Any]]:
        """What was written about a model, oldest first."""
        self._stream.seek(0)
        return entries(self._stream, model)

    def write(self, model: str, event: str, **values: Any) -> dict[str, Any]:
        """Adds an entry and returns it; it is on the disk then. Raises ServingError."""
        moment = datetime.now(UTC).isoformat(timespec='milliseconds')
        entry = {'time': moment, 'model': model, 'event': event, **values}
        try:
            size = os.fstat(self._stream.fileno()).st_size
            cut = size > 0 and os.pread(self._stream.fileno(), 1, size - 1) != b'\n'
            line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode()
            self._stream.write((b'\n' if cut else b'') + line + b'\n')
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise ServingError(f'cannot write the record {self.path}: {error.strerror}') from error
        return entry

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> 'Record':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def entries(lines: Iterable[bytes], model: str) -> list[dict[str, Any]]:
    """What the lines of a record say about a model; a line that a kill has cut is passed over."""
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get('model') == model:
            found.append(entry)
    return found
