"""Synchronizes the metadata store of a folder of runs with its files, before a run reads it.

The URIs of artifacts are relative to the root, so that a folder keeps its cache when it is moved, restored or mounted
elsewhere. Stores of earlier versions, and of runs on a remote Beam runner, have absolute URIs. They are rewritten by
SQL, because ML Metadata would update the modification time, and the cache depends on that.
"""

import contextlib
import dataclasses
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping

from ml_metadata.proto import metadata_store_pb2

from vaiven.errors import UserError
from vaiven.pipeline.completed import missing_file
from vaiven.pipeline.paths import ARTIFACTS, METADATA

_State = metadata_store_pb2.Artifact  # type: ignore[attr-defined]
# The URI of an artifact in TFX: component, output, id of the execution.
_ARTIFACT_URI = re.compile(rf'(?P<root>.*/)?{ARTIFACTS}/[^/]+/[^/]+/\d+', re.DOTALL)


class StoreError(UserError):
    """The metadata store is damaged, or cannot be opened or written. It is not a usage error."""

    exit_status = 1


@dataclasses.dataclass(frozen=True)
class MissingArtifact:
    """An artifact whose files are gone.

    Attributes:
        type_name: its type, as `Model`.
        uri: its URI, relative to the root.
        path: the missing file, or `uri` if the whole folder is missing.
    """

    type_name: str
    uri: str
    path: str


@contextlib.contextmanager
def open_store(root: str) -> Iterator[sqlite3.Connection]:
    """Opens the metadata store of a root in one transaction, which is committed at the end.

    Raises:
        sqlite3.Error: the file is damaged, or cannot be written.
    """
    connection = sqlite3.connect(os.path.join(root, METADATA))
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def rebase_artifacts(store: sqlite3.Connection, prefix: str) -> int:
    """Rewrites the URIs of artifacts that were below another root.

    Args:
        store: the metadata store.
        prefix: the new start of URIs below the root: empty, or the absolute path of the root with a slash.

    Returns:
        The number of changed artifacts.
    """
    changes, old_prefixes = [], set()
    for number, uri in store.execute('SELECT id, uri FROM Artifact WHERE uri IS NOT NULL').fetchall():
        match = _ARTIFACT_URI.fullmatch(uri)
        old = (match['root'] or '') if match else prefix
        if match and old != prefix:
            changes.append((prefix + uri[len(old) :], number))
            old_prefixes.add(old)
    store.executemany('UPDATE Artifact SET uri = ? WHERE id = ?', changes)
    # A blessing has the URI of its model, and a pushed model the path of its version, as a property.
    for old in old_prefixes - {''}:
        store.execute(
            'UPDATE ArtifactProperty SET string_value = ? || substr(string_value, ?) '
            "WHERE substr(string_value, 1, ?) = ? AND name != 'reason'",
            (prefix, len(old) + 1, len(old), old),
        )
    return len(changes)


def mark_missing_artifacts(
    store: sqlite3.Connection, root: str, files: Mapping[str, Mapping[str, int]]
) -> list[MissingArtifact]:
    """Marks artifacts whose files are gone, so that neither the cache nor a resolver uses them.

    An artifact whose files exist again is marked as live again.

    Args:
        store: the metadata store, with URIs that are relative to `root` or absolute.
        root: folder of the runs.
        files: size of each file that an artifact must have, by its URI.

    Returns:
        All artifacts whose files are gone, the oldest first.
    """
    missing_artifacts = []
    rows = store.execute(
        'SELECT Artifact.id, Artifact.uri, Artifact.state, Type.name FROM Artifact '
        'JOIN Type ON Type.id = Artifact.type_id WHERE state IN (?, ?) ORDER BY Artifact.id',
        (_State.LIVE, _State.MARKED_FOR_DELETION),
    ).fetchall()
    for artifact_id, uri, state, type_name in rows:
        path = missing_file(root, uri, files.get(uri))
        new_state = _State.LIVE if path is None else _State.MARKED_FOR_DELETION
        if new_state != state:
            store.execute('UPDATE Artifact SET state = ? WHERE id = ?', (new_state, artifact_id))
        if path is not None:
            missing_artifacts.append(MissingArtifact(type_name, uri, path))
    return missing_artifacts
