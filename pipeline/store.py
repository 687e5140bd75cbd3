"""The metadata store of a folder of runs, brought in line with what lies on the disk before a run reads it.

Addresses of artifacts are relative to the root, so a folder that is moved, restored or mounted elsewhere keeps its
cache. Stores of earlier versions, and of runs on a remote Beam engine, hold absolute ones. They are changed by SQL:
ML Metadata would note a new time of change, which decides about the cache, too.
"""

import contextlib
import dataclasses
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping

from ml_metadata.proto import metadata_store_pb2

from vaiven.errors import UserError
from vaiven.pipeline.completed import missing
from vaiven.pipeline.paths import ARTIFACTS, METADATA

_State = metadata_store_pb2.Artifact  # type: ignore[attr-defined]
# Where TFX puts an artifact: component, output, number of the execution.
_PLACE = re.compile(rf'(?P<root>.*/)?{ARTIFACTS}/[^/]+/[^/]+/\d+', re.DOTALL)


class StoreError(UserError):
    """The metadata store is damaged, or cannot be opened or written: not a usage error."""

    exit_status = 1


@dataclasses.dataclass(frozen=True)
class Lost:
    """An artifact whose files are gone.

    Attributes:
        kind: its type, as `Model`.
        uri: its address, relative to the root.
        what: the address of what is missing: `uri` itself or a file in it.
    """

    kind: str
    uri: str
    what: str


@contextlib.contextmanager
def opened(root: str) -> Iterator[sqlite3.Connection]:
    """The store of a root in one transaction, committed at the end.

    Raises:
        sqlite3.Error: the file is damaged, or cannot be written.
    """
    connection = sqlite3.connect(os.path.join(root, METADATA))
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def relocate(store: sqlite3.Connection, prefix: str) -> int:
    """Rewrites addresses of artifacts that lay below another root.

    Args:
        store: of the root.
        prefix: what addresses below the root start with from now on: nothing, or its absolute path with a slash.

    Returns:
        How many artifacts were moved.
    """
    moved, roots = [], set()
    for number, uri in store.execute('SELECT id, uri FROM Artifact WHERE uri IS NOT NULL').fetchall():
        match = _PLACE.fullmatch(uri)
        old = (match['root'] or '') if match else prefix
        if match and old != prefix:
            moved.append((prefix + uri[len(old) :], number))
            roots.add(old)
    store.executemany('UPDATE Artifact SET uri = ? WHERE id = ?', moved)
    # Blessings name the models that they are about, a pushed model its version.
    for old in roots - {''}:
        store.execute(
            'UPDATE ArtifactProperty SET string_value = ? || substr(string_value, ?) '
            "WHERE substr(string_value, 1, ?) = ? AND name != 'reason'",
            (prefix, len(old) + 1, len(old), old),
        )
    return len(moved)


def set_aside(store: sqlite3.Connection, root: str, files: Mapping[str, Mapping[str, int]]) -> list[Lost]:
    """Takes artifacts whose files are gone out of the cache and of what can be resolved; those that are back, in again.

    Args:
        store: with addresses relative to `root`, or absolute ones.
        root: folder of the runs.
        files: what each artifact must have, by address.

    Returns:
        Those that are gone since the last run, the oldest first.
    """
    lost = []
    rows = store.execute(
        'SELECT Artifact.id, Artifact.uri, Artifact.state, Type.name FROM Artifact '
        'JOIN Type ON Type.id = Artifact.type_id WHERE state IN (?, ?) ORDER BY Artifact.id',
        (_State.LIVE, _State.MARKED_FOR_DELETION),
    ).fetchall()
    for number, uri, state, kind in rows:
        what = missing(root, uri, files.get(uri))
        wanted = _State.LIVE if what is None else _State.MARKED_FOR_DELETION
        if wanted != state:
            store.execute('UPDATE Artifact SET state = ? WHERE id = ?', (wanted, number))
        if what is not None:
            lost.append(Lost(kind, uri, what))
    return lost
