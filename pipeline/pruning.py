"""Which artifacts of a folder of runs nothing needs any more, and their removal.

The metadata keep the record of a removed artifact, in the state DELETED: neither the cache nor a comparison with
earlier models uses it, and the lineage of a version stays complete.
"""

import contextlib
import dataclasses
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from vaiven.pipeline.completed import DoneBefore, files_of
from vaiven.pipeline.paths import ARTIFACTS, RunPaths

_Artifact, _Event = metadata_store_pb2.Artifact, metadata_store_pb2.Event  # type: ignore[attr-defined]
_Execution = metadata_store_pb2.Execution  # type: ignore[attr-defined]
_SUCCESSFUL = (_Execution.COMPLETE, _Execution.CACHED)

# Executions of each component, the newest first.
_RUNS = f"""
SELECT Context.name, Execution.id FROM Execution
JOIN Association ON Association.execution_id = Execution.id
JOIN Context ON Context.id = Association.context_id
JOIN Type ON Type.id = Context.type_id AND Type.name = 'node'
WHERE Execution.last_known_state IN {_SUCCESSFUL} ORDER BY Execution.id DESC
"""
# The versions that were pushed, as `serving/<name>/<version>`, and by which execution.
_PUSHED = f"""
SELECT place.string_value, Event.execution_id FROM ArtifactProperty place
JOIN Event ON Event.artifact_id = place.artifact_id AND Event.type = {_Event.OUTPUT}
WHERE place.name = 'pushed_destination'
"""
# The models that an evaluation blessed.
_BLESSED = """
SELECT blessing.id, model.int_value FROM Artifact blessing
JOIN Type ON Type.id = blessing.type_id AND Type.name = 'ModelBlessing'
JOIN ArtifactProperty good ON good.artifact_id = blessing.id AND good.name = 'blessed' AND good.int_value = 1
JOIN ArtifactProperty model ON model.artifact_id = blessing.id AND model.name = 'current_model_id'
JOIN Artifact ON Artifact.id = model.int_value AND Artifact.state = ?
ORDER BY model.int_value DESC, blessing.id DESC LIMIT 1
"""
# What executions used and made, and all that was made on the way to it.
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
class Unneeded:
    """An artifact that may go.

    Attributes:
        id: in the metadata store; None for a folder that the store does not know.
        kind: its type, as `Model`.
        uri: its address, relative to the root.
        size: bytes of its files.
    """

    id: int | None
    kind: str
    uri: str
    size: int


def unneeded(store: sqlite3.Connection, root: str, keep: int) -> list[Unneeded]:
    """What may go: made neither by the newest runs of a component nor for a served version or the last blessed model.

    Args:
        store: with addresses relative to the root.
        root: folder of the runs.
        keep: how many runs of each component stay.
    """
    needed = _needed(store, root, keep)
    rows = store.execute(
        'SELECT Artifact.id, Type.name, Artifact.uri FROM Artifact JOIN Type ON Type.id = Artifact.type_id '
        'WHERE state IS NULL OR state != ? ORDER BY Artifact.id',
        (_Artifact.DELETED,),
    ).fetchall()
    inside = [row for row in rows if row[2] and row[2].startswith(f'{ARTIFACTS}/')]
    found = [
        Unneeded(number, kind, uri, _size(root, uri)) for number, kind, uri in inside if number not in needed
    ]
    known = {uri for _, _, uri in inside}
    return found + [Unneeded(None, '', uri, _size(root, uri)) for uri in _folders(root) if uri not in known]


def remove(store: sqlite3.Connection, root: str, artifacts: Iterable[Unneeded]) -> None:
    """Marks artifacts as deleted, and then removes their files, so that no run uses one that is half gone.

    Raises:
        OSError: files cannot be removed; the next call tries again.
    """
    artifacts = list(artifacts)
    store.executemany(
        'UPDATE Artifact SET state = ? WHERE id = ?',
        [(_Artifact.DELETED, artifact.id) for artifact in artifacts if artifact.id is not None],
    )
    store.commit()
    DoneBefore(root).forget(artifact.uri for artifact in artifacts)
    for artifact in artifacts:
        folder = Path(root, artifact.uri)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        for parent in (folder.parent, folder.parent.parent):
            with contextlib.suppress(OSError):  # other artifacts are in it
                parent.rmdir()


def _needed(store: sqlite3.Connection, root: str, keep: int) -> set[int]:
    found: set[int] = set()
    runs: dict[str, int] = {}
    for component, execution in store.execute(_RUNS).fetchall():
        runs[component] = runs.get(component, 0) + 1
        if runs[component] <= keep:
            found |= _touched(store, execution)
    served = {os.path.realpath(path) for path in _versions(root)}
    for place, execution in store.execute(_PUSHED).fetchall():
        if os.path.realpath(os.path.join(root, place)) in served:
            found |= {row[0] for row in store.execute(_LINEAGE, (execution,))}
    for blessing, model in store.execute(_BLESSED, (_Artifact.LIVE,)).fetchall():
        found |= {blessing, model}
    return found


def _touched(store: sqlite3.Connection, execution: int) -> set[int]:
    rows = store.execute('SELECT artifact_id FROM Event WHERE execution_id = ?', (execution,))
    return {row[0] for row in rows}


def _versions(root: str) -> Iterator[Path]:
    for folder in Path(RunPaths(root, '').serving).glob('*/*'):
        if folder.name.isdecimal():
            yield folder


def _folders(root: str) -> Iterator[str]:
    """Folders of artifacts, also of those that a killed removal left."""
    for folder in sorted(Path(root, ARTIFACTS).glob('*/*/*')):
        if folder.name.isdecimal() and folder.parent.name != '.system':
            yield str(folder.relative_to(root))


def _size(root: str, uri: str) -> int:
    return sum(files_of(os.path.join(root, uri)).values())
