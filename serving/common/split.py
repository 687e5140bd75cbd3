"""The traffic split of a model between labels: a small file that rollouts write, and clients and gateways watch.

    {"model": "reviews", "salt": "reviews/7", "weights": {"canary": 10, "stable": 90}}

A key (a user, a document) is hashed to a position in [0, 100). Labels other than `stable` take the positions from 0, in
the order of the file. A key keeps its label while the weights are the same, and a growing canary only gains keys.
"""

import json
import logging
import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from vaiven.serving.common import files
from vaiven.serving.common.errors import ServingError

STABLE = 'stable'
FILE = 'split.json'  # in the serving folder, beside the versions: servers look at numbers only
MAX_BYTES = 1 << 16
WATCH_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """The percentage of the traffic for each label.

    Attributes:
        model: name of the model.
        weights: percentages by label, which sum to 100.
        salt: hashed with each key, so that each rollout starts with other users.
    """

    model: str
    weights: Mapping[str, float] = field(default_factory=lambda: {STABLE: 100.0})
    salt: str = ''

    def __post_init__(self) -> None:
        wrong = {label: share for label, share in self.weights.items() if not _is_share(share) or not label}
        if wrong or not math.isclose(sum(self.weights.values()), 100.0, abs_tol=1e-6):
            raise ServingError(
                f'weights are percents by label that sum to 100. Received: {dict(self.weights)}'
            )
        try:
            ' '.join((self.model, self.salt, *self.weights)).encode()
        except UnicodeEncodeError as error:
            raise ServingError(
                f'model, labels and salt are Unicode text. Received: {error.object!r}'
            ) from error

    def label_of(self, key: str | bytes) -> str:
        """Returns the label that serves `key`."""
        return self.label_at(place_of(key, self.salt))

    def label_at(self, place: float) -> str:
        """Returns the label for a position in [0, 100)."""
        bound, last = 0.0, STABLE
        for label, share in sorted(self.weights.items(), key=lambda each: each[0] == STABLE):
            bound += share
            if place < bound:
                return label
            last = label if share else last
        return last  # rounding can make the sum of the weights less than 100


def _is_share(share: object) -> bool:
    return isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 100


def place_of(key: str | bytes, salt: str = '') -> float:
    """Returns the position of a key in [0, 100): uniform over keys, and the same on every machine."""
    encoded = _encoded(key) if isinstance(key, str) else key
    digest = blake2b(encoded, digest_size=8, key=blake2b(salt.encode()).digest()).digest()
    return 100.0 * (int.from_bytes(digest, 'big') >> 11) / (1 << 53)


def _encoded(key: str) -> bytes:
    try:
        # Restores the bytes of a header or argument that was decoded with surrogates.
        return key.encode('utf-8', 'surrogateescape')
    except UnicodeEncodeError:
        return key.encode('utf-8', 'surrogatepass')  # a lone surrogate, which JSON can contain


class UnreadableError(ServingError):
    """The file cannot be read now; its content is unknown."""


def find(path: Path) -> Split | None:
    """Reads the split from a file; None if there is no file.

    Raises:
        UnreadableError: the file cannot be read.
        ServingError: its content is not a split.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ServingError(f'{path} is too large for a split: {path.stat().st_size} bytes')
        values = json.loads(path.read_bytes())
        return Split(str(values['model']), dict(values['weights']), str(values.get('salt', '')))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnreadableError(f'cannot read {path}: {error.strerror}') from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ServingError(f'{path} is not a traffic split: {error!r}') from error


def write(path: Path, split: Split) -> None:
    """Replaces the file atomically. Raises ServingError."""
    values = {'model': split.model, 'salt': split.salt, 'weights': dict(split.weights)}
    files.replace(path, json.dumps(values, ensure_ascii=False) + '\n')


class SplitFile:
    """Watches the split in a file. Threads may share it."""

    def __init__(self, path: Path, model: str, every: float = WATCH_SECONDS) -> None:
        """Creates a watcher; the file is read on first use.

        Args:
            path: the split file.
            model: name of the model that the split must be for.
            every: minimum seconds between two reads.
        """
        self.path = path
        self.model = model
        self._every = every
        self._none = Split(model)
        self._now: Split | None = None
        self._seen: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self._lock = threading.Lock()

    def now(self) -> Split:
        """Returns the last valid split; all traffic to `stable` if there is no file."""
        return self.found() or self._none

    def found(self) -> Split | None:
        """Returns the last valid split; None if there is no file."""
        if time.monotonic() >= self._next_look:
            with self._lock:
                if time.monotonic() >= self._next_look:
                    self._look()
                    self._next_look = time.monotonic() + self._every
        return self._now

    def _look(self) -> None:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._now, self._seen = None, None
            return
        except OSError as error:
            log.warning('cannot look at %s: %s', self.path, error.strerror)
            return
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if seen == self._seen:
            return
        try:
            found = find(self.path)
        except UnreadableError as error:
            log.warning('%s; the split stays as it was, and the file is tried again', error)
            return
        except ServingError as error:
            self._seen = seen
            log.warning('%s; the split stays as it was', error)
            return
        self._seen = seen if found is not None else None
        if found is not None and found.model != self.model:
            log.warning('%s is about %r, not %r; the split stays', self.path, found.model, self.model)
            return
        self._now = found
