"""Finds and removes the artifacts that are no longer needed in a folder of runs.

The metadata store keeps a removed artifact in the state DELETED. Neither the cache nor an evaluation uses it, and the
lineage of each version stays complete.
"""

import contextlib
import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from vaiven.pipeline.completed import CompletedComponents, file_sizes
from vaiven.pipeline.paths import ARTIFACTS, RunPaths

_Artifact, _Event = metadata_store_pb2.Artifact, metadata_store_pb2.Event  # type: ignore[attr-defined]
_Execution = metadata_store_pb2.Execution  # type: ignore[attr-defined]
_SUCCESSFUL = (_Execution.COMPLETE, _Execution.CACHED)

# The executions of each component, the newest first.
_EXECUTIONS = f"""
SELECT Context.name, Execution.id FROM Execution
JOIN Association ON Association.execution_id = Execution.id
JOIN Context ON Context.id = Association.context_id
JOIN Type ON Type.id = Context.type_id AND Type.name = 'node'
WHERE Execution.last_known_state IN {_SUCCESSFUL} ORDER BY Execution.id DESC
"""
# The pushed versions, as `serving/<name>/<version>`, with the execution that pushed them.
_PUSHED = f"""
SELECT place.string_value, Event.execution_id FROM ArtifactProperty place
JOIN Event ON Event.artifact_id = place.artifact_id AND Event.type = {_Event.OUTPUT}
WHERE place.name = 'pushed_destination'
"""
# The latest model that an evaluation blessed, with its blessing.
_BLESSED = """
SELECT blessing.id, model.int_value FROM Artifact blessing
JOIN Type ON Type.id = blessing.type_id AND Type.name = 'ModelBlessing'
JOIN ArtifactProperty good ON good.artifact_id = blessing.id AND good.name = 'blessed' AND good.int_value = 1
JOIN ArtifactProperty model ON model.artifact_id = blessing.id AND model.name = 'current_model_id'
JOIN Artifact ON Artifact.id = model.int_value AND Artifact.state = ?
ORDER BY model.int_value DESC, blessing.id DESC LIMIT 1
"""
# The inputs and outputs of an execution and of all executions before it.
_LINEAGE = f"""
WITH RECURSIVE needed(execution) AS (
    VALUES (?)
    UNION
    SELECT made.execution_id FROM needed
    JOIN Event used ON used.execution_id = needed.execution AND used.type = {_Event.INPUT}
    JOIN Event made ON made.artifact_id = used.artifact_id AND made.type = {_Event.OUTPUT}
)
SELECT DISTINCT Event.artifact_id FROM needed JOIN Event ON Event.execution_id = needed.execution
"""


@dataclasses.dataclass(frozen=True)
class PrunableArtifact:
    """An artifact that is no longer needed.

    Attributes:
        id: its id in the metadata store; None for a folder without an entry in the store.
        type_name: its type, as `Model`.
        uri: its URI, relative to the root.
        size: size of its files in bytes.
    """

    id: int | None
    type_name: str
    uri: str
    size: int


def prunable_artifacts(store: sqlite3.Connection, root: str, keep: int) -> list[PrunableArtifact]:
    """The artifacts that are no longer needed.

    Needed are the inputs and outputs of the newest runs of each component, the lineage of each served version, and the
    latest blessed model.

    Args:
        store: the metadata store, with URIs relative to the root.
        root: folder of the runs.
        keep: number of runs of each component to keep.
    """
    needed = _needed(store, root, keep)
    rows = store.execute(
        'SELECT Artifact.id, Type.name, Artifact.uri FROM Artifact JOIN Type ON Type.id = Artifact.type_id '
        'WHERE state IS NULL OR state != ? ORDER BY Artifact.id',
        (_Artifact.DELETED,),
    ).fetchall()
    inside = [row for row in rows if row[2] and row[2].startswith(f'{ARTIFACTS}/')]
    prunable = [
        PrunableArtifact(artifact_id, type_name, uri, _size(root, uri))
        for artifact_id, type_name, uri in inside
        if artifact_id not in needed
    ]
    known = {uri for _, _, uri in inside}
    return prunable + [
        PrunableArtifact(None, '', uri, _size(root, uri)) for uri in _folders(root) if uri not in known
    ]


def remove_artifacts(store: sqlite3.Connection, root: str, artifacts: Iterable[PrunableArtifact]) -> None:
    """Removes artifacts.

    They are marked as deleted before their files are removed, so that no run uses an incomplete artifact.

    Args:
        store: the metadata store.
        root: folder of the runs.
        artifacts: from `prunable_artifacts`.

    Raises:
        OSError: files cannot be removed. The next call tries again.
    """
    artifacts = list(artifacts)
    store.executemany(
        'UPDATE Artifact SET state = ? WHERE id = ?',
        [(_Artifact.DELETED, artifact.id) for artifact in artifacts if artifact.id is not None],
    )
    store.commit()
    CompletedComponents(root).remove(artifact.uri for artifact in artifacts)
    for artifact in artifacts:
        folder = Path(root, artifact.uri)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        for parent in (folder.parent, folder.parent.parent):
            with contextlib.suppress(OSError):  # other artifacts are in it
                parent.rmdir()


def _needed(store: sqlite3.Connection, root: str, keep: int) -> set[int]:
    needed: set[int] = set()
    runs: dict[str, int] = {}
    for component, execution in store.execute(_EXECUTIONS).fetchall():
        runs[component] = runs.get(component, 0) + 1
        if runs[component] <= keep:
            needed |= _inputs_and_outputs(store, execution)
    served = {os.path.realpath(path) for path in _versions(root)}
    for destination, execution in store.execute(_PUSHED).fetchall():
        if os.path.realpath(os.path.join(root, destination)) in served:
            needed |= {row[0] for row in store.execute(_LINEAGE, (execution,))}
    for blessing, model in store.execute(_BLESSED, (_Artifact.LIVE,)).fetchall():
        needed |= {blessing, model}
    return needed


def _inputs_and_outputs(store: sqlite3.Connection, execution: int) -> set[int]:
    rows = store.execute('SELECT artifact_id FROM Event WHERE execution_id = ?', (execution,))
    return {row[0] for row in rows}


def _versions(root: str) -> Iterator[Path]:
    for folder in Path(RunPaths(root, '').serving).glob('*/*'):
        if folder.name.isdecimal():
            yield folder


def _folders(root: str) -> Iterator[str]:
    """The folders of all artifacts, including those that an interrupted removal left."""
    for folder in sorted(Path(root, ARTIFACTS).glob('*/*/*')):
        if folder.name.isdecimal() and folder.parent.name != '.system':
            yield str(folder.relative_to(root))


def _size(root: str, uri: str) -> int:
    return sum(file_sizes(os.path.join(root, uri)).values())
