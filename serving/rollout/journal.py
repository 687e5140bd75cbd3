"""The journal of an automatic rollout: a JSON Lines file, written to disk before each action."""

import fcntl
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vaiven.serving.common.errors import ServingError

FILE = 'rollout.jsonl'  # in the serving folder, beside the versions


class Journal:
    """An open journal, locked by one process at a time; close it, or use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Opens and locks the file; it is created if it does not exist.

        Raises:
            ServingError: the file cannot be written, or another process has locked it.
        """
        self.path = path
        try:
            self._stream = path.open('a+b')
        except OSError as error:
            raise ServingError(f'cannot write the journal {path}: {error.strerror}') from error
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise ServingError(
                f'another `vaiven rollout auto` uses {path}: wait until it ends, or stop it'
            ) from None
        except OSError:
            pass  # some network file systems have no locks; a rollout must work on them nevertheless

    def entries(self, model: str) -> list[dict[str, Any]]:
        """Returns the entries of a model, oldest first."""
        self._stream.seek(0)
        return entries(self._stream, model)

    def write(self, model: str, event: str, **values: Any) -> dict[str, Any]:
        """Appends an entry and syncs it to disk.

        Args:
            model: name of the model.
            event: what happened.
            **values: further keys of the entry.

        Returns:
            The entry.

        Raises:
            ServingError: the file cannot be written.
        """
        moment = datetime.now(UTC).isoformat(timespec='milliseconds')
        entry = {'time': moment, 'model': model, 'event': event, **values}
        try:
            # A kill may have left half a line: a new line keeps the next entry readable.
            size = os.fstat(self._stream.fileno()).st_size
            cut = size > 0 and os.pread(self._stream.fileno(), 1, size - 1) != b'\n'
            line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode()
            self._stream.write((b'\n' if cut else b'') + line + b'\n')
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise ServingError(f'cannot write the journal {self.path}: {error.strerror}') from error
        return entry

    def close(self) -> None:
        """Closes the file and releases the lock."""
        self._stream.close()

    def __enter__(self) -> 'Journal':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def entries(lines: Iterable[bytes], model: str) -> list[dict[str, Any]]:
    """Parses the lines of a journal and returns the entries of a model; incomplete lines are skipped."""
    parsed = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get('model') == model:
            parsed.append(entry)
    return parsed
