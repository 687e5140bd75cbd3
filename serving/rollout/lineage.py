"""Reads the origin of a version from the ML Metadata store of its run, with sqlite3 only."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.evaluation import metrics

STORE = 'metadata.sqlite'

# All artifacts and executions that a model descends from. Event types: 3 is INPUT, 4 OUTPUT, 6 INTERNAL_OUTPUT.
# https://github.com/google/ml-metadata/blob/master/ml_metadata/proto/metadata_store.proto
ANCESTORS = """
with recursive made_by(artifact, execution) as (
    select artifact_id, execution_id from Event where artifact_id = ? and type in (4, 6)
    union
    select above.artifact_id, above.execution_id from made_by
    join Event used on used.execution_id = made_by.execution and used.type = 3
    join Event above on above.artifact_id = used.artifact_id and above.type = 4
)
"""
PUSHED = """
select destination.artifact_id, pushing.execution_id, destination.string_value
from ArtifactProperty destination
join ArtifactProperty new on new.artifact_id = destination.artifact_id and new.name = 'pushed' and new.int_value = 1
join Event pushing on pushing.artifact_id = destination.artifact_id and pushing.type = 4
where destination.name = 'pushed_destination' order by destination.artifact_id
"""
MODEL = """
select used.artifact_id from Event used join Artifact on Artifact.id = used.artifact_id
join Type on Type.id = Artifact.type_id where used.execution_id = ? and used.type = 3 and Type.name = 'Model'
"""
RUN = """
select Context.name from Association join Context on Context.id = Association.context_id
join Type on Type.id = Context.type_id where Association.execution_id = ? and Type.name = 'pipeline_run'
"""
# The Examples of TextExampleGen: only these have the property `rows`; those of Transform do not.
EXAMPLES_FOLDER = (
    ANCESTORS
    + """
select Artifact.uri from made_by join Artifact on Artifact.id = made_by.artifact
join Type on Type.id = Artifact.type_id join ArtifactProperty rows on rows.artifact_id = Artifact.id
where Type.name = 'Examples' and rows.name = 'rows' order by Artifact.id desc
"""
)
INPUT = (
    ANCESTORS
    + """
select distinct property.string_value from made_by join ExecutionProperty property
on property.execution_id = made_by.execution where property.name = 'input_config'
"""
)
EXAMPLES = (
    ANCESTORS
    + """
select property.name, coalesce(property.int_value, property.string_value) from made_by
join ArtifactProperty property on property.artifact_id = made_by.artifact
where property.name in ('rows', 'input_fingerprint')
"""
)
# An evaluation also has its baseline as an input. Its metrics belong to the candidate, not to the baseline.
EVALUATION = """
select Artifact.uri from Event used
join Event made on made.execution_id = used.execution_id and made.type = 4
join Artifact on Artifact.id = made.artifact_id join Type on Type.id = Artifact.type_id
where used.artifact_id = ? and used.type = 3 and Type.name = 'ModelEvaluation' and (
    exists (select 1 from EventPath where event_id = used.id and step_key = 'model')
    or not exists (select 1 from EventPath where event_id = used.id and step_key = 'baseline_model')
) order by Artifact.id desc
"""


@dataclass(frozen=True)
class Origin:
    """The run and the data that a version was trained in and on.

    Attributes:
        run: name of the pipeline run, its start time.
        data: names of the input files.
        fingerprint: of the data, if the pipeline computed one.
        rows: number of rows of the data.
        metrics: metrics of the evaluation on held-out rows, by name.
        problem: why there are no metrics, if the evaluation cannot be read.
    """

    run: str = ''
    data: list[str] = field(default_factory=list)
    fingerprint: str = ''
    rows: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    problem: str = ''


def store_path(base_path: Path) -> Path:
    """Returns the path of the metadata store that `vaiven run` keeps for a serving folder."""
    return base_path.parent.parent / STORE


def origins(store: Path, base_path: Path) -> dict[int, Origin]:
    """Returns the origin of each version that was pushed to a serving folder, also if the folder was moved since.

    Args:
        store: the metadata store.
        base_path: folder with the versions.

    Raises:
        ServingError: the file is not an ML Metadata store, or cannot be read.
    """
    with _connect(store) as connection:
        return {
            version: _origin(connection, execution, store)
            for version, execution in _pushed(connection, base_path).items()
        }


def examples_of(store: Path, base_path: Path, version: int) -> Path | None:
    """Returns the folder of the examples that a version was trained and evaluated on.

    Args:
        store: the metadata store.
        base_path: folder with the versions.
        version: the version.

    Returns:
        The folder; None if the store does not contain the version.

    Raises:
        ServingError: the file is not an ML Metadata store, or cannot be read.
    """
    with _connect(store) as connection:
        execution = _pushed(connection, base_path).get(version)
        folder = _first(connection, EXAMPLES_FOLDER, _first(connection, MODEL, execution))
    return None if folder is None else resolve_uri(store, folder)


def resolve_uri(store: Path, uri: str) -> Path:
    """Returns the current path of an artifact. The folder of its store may have been moved or copied.

    Args:
        store: the metadata store.
        uri: the address in the store: a path relative to the store's folder, or the absolute path at its creation.
    """
    root, path = store.absolute().parent, Path(uri)
    # The longest tail of the old path that exists below the new folder.
    parts = path.relative_to(path.anchor).parts
    tails = (root.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((tail for tail in tails if tail.exists()), path)


@contextmanager
def _connect(store: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f'{store.absolute().as_uri()}?mode=ro', uri=True)) as connection:
            yield connection
    except (sqlite3.Error, ValueError) as error:
        raise ServingError(f'cannot read the metadata store {store}: {error}') from error


def _pushed(connection: sqlite3.Connection, base_path: Path) -> dict[int, int]:
    """Returns the last execution that pushed each version."""
    rows = connection.execute(
        PUSHED
    ).fetchall()  # oldest first: a version that was pushed again replaces the entry
    folders = ((Path(destination), pushing) for _, pushing, destination in rows)
    return {
        int(folder.name): pushing
        for folder, pushing in folders
        if folder.parent.name == base_path.name and folder.name.isdecimal()
    }


def _first(connection: sqlite3.Connection, query: str, key: int | None) -> Any:
    row = connection.execute(query, (key,)).fetchone() if key is not None else None
    return row[0] if row else None


def _origin(connection: sqlite3.Connection, pushing: int, store: Path) -> Origin:
    model = _first(connection, MODEL, pushing)
    properties = dict(connection.execute(EXAMPLES, (model,)).fetchall()) if model is not None else {}
    inputs = json.loads(_first(connection, INPUT, model) or '{}').get('splits', [])
    evaluation = _first(connection, EVALUATION, model)
    values, problem = {}, ''
    try:
        values = metrics(resolve_uri(store, evaluation)) if evaluation else {}
    except ServingError as error:
        problem = str(error)
    return Origin(
        _first(connection, RUN, pushing) or '',
        [str(split.get('pattern', '')) for split in inputs],
        str(properties.get('input_fingerprint', '')),
        properties.get('rows'),
        values,
        problem,
    )
