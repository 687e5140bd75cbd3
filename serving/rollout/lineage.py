"""Where a version came from, read from the ML Metadata store of the run that pushed it, by sqlite3 alone."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from vaiven.serving.errors import ServingError
from vaiven.serving.rollout.records import Records

STORE = 'metadata.sqlite'

# Every artifact that a model was made from, and every execution on the way.
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
EVALUATION = """
select Artifact.uri from Event used
join Event made on made.execution_id = used.execution_id and made.type = 4
join Artifact on Artifact.id = made.artifact_id join Type on Type.id = Artifact.type_id
where used.artifact_id = ? and used.type = 3 and Type.name = 'ModelEvaluation' order by Artifact.id desc
"""


@dataclass(frozen=True)
class Origin:
    """What a version was made from.

    Attributes:
        run: name of the pipeline's run: the moment it began.
        data: names of the files.
        fingerprint: of the data, where the pipeline took one.
        rows: how many it had.
        metrics: of the evaluation on held-out rows, by name.
        problem: why there are none, where the evaluation cannot be read.
    """

    run: str = ''
    data: list[str] = field(default_factory=list)
    fingerprint: str = ''
    rows: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    problem: str = ''


def store_of(base_path: Path) -> Path:
    """Where `vaiven run` puts the store that belongs to a serving folder."""
    return base_path.parent.parent / STORE


def origins(store: Path, base_path: Path) -> dict[int, Origin]:
    """The origin of each version that was pushed to `base_path` (or to where it lay once), as the store knows it.

    Raises:
        ServingError: the file is no ML Metadata store, or cannot be read.
    """
    found = {}
    try:
        with closing(sqlite3.connect(f'{store.absolute().as_uri()}?mode=ro', uri=True)) as connection:
            for _, execution, destination in connection.execute(PUSHED).fetchall():
                folder = Path(destination)
                if folder.parent.name == base_path.name and folder.name.isdecimal():
                    found[int(folder.name)] = _origin(connection, execution)
    except (sqlite3.Error, ValueError) as error:
        raise ServingError(f'cannot read the metadata store {store}: {error}') from error
    return found


def _origin(connection: sqlite3.Connection, pushing: int) -> Origin:
    def first(query: str, key: int | None) -> Any:
        row = connection.execute(query, (key,)).fetchone() if key is not None else None
        return row[0] if row else None

    model = first(MODEL, pushing)
    about = dict(connection.execute(EXAMPLES, (model,)).fetchall()) if model is not None else {}
    given = json.loads(first(INPUT, model) or '{}').get('splits', [])
    evaluation = first(EVALUATION, model)
    measured, problem = {}, ''
    try:
        measured = metrics(Path(evaluation)) if evaluation else {}
    except ServingError as error:
        problem = str(error)
    return Origin(
        first(RUN, pushing) or '',
        [str(each.get('pattern', '')) for each in given],
        str(about.get('input_fingerprint', '')),
        about.get('rows'),
        measured,
        problem,
    )


def metrics(evaluation: Path) -> dict[str, float]:
    """The plain numbers of all held-out rows in a folder of TensorFlow Model Analysis; none where it has gone.

    Raises:
        ServingError: a file is damaged, or cannot be read.
    """
    found = {}
    for path in sorted(evaluation.glob('metrics-*.tfrecord')):
        with Records(path) as records:
            while (record := records.next()) is not None:
                try:
                    message = _metrics_class().FromString(record)
                except DecodeError as error:
                    raise ServingError(f'{path} is damaged: a record holds no metrics') from error
                if message.slice_key.slices:
                    continue
                for each in message.metrics:
                    key = each.key
                    of_it = key.model_name in ('', 'candidate') and not key.is_diff
                    if of_it and each.value.HasField('number'):
                        found[key.name] = each.value.number.value
    return found


@cache
def _metrics_class() -> Any:
    """MetricsForSlice, as far as it matters here: TensorFlow Model Analysis takes seconds to import."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name='metrics.proto', package='metrics', syntax='proto3')

    def message(name: str, *fields: tuple[int, str, int | str, bool]) -> None:
        made = file.message_type.add(name=name)
        for number, label, kind, repeated in fields:
            made.field.add(
                name=label,
                number=number,
                type=kinds.TYPE_MESSAGE if isinstance(kind, str) else kind,
                type_name=f'.metrics.{kind}' if isinstance(kind, str) else None,
                label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
            )

    message('Number', (1, 'value', kinds.TYPE_DOUBLE, False))
    message('Value', (1, 'number', 'Number', False))
    message(
        'Key',
        (1, 'name', kinds.TYPE_STRING, False),
        (4, 'model_name', kinds.TYPE_STRING, False),
        (5, 'is_diff', kinds.TYPE_BOOL, False),
    )
    message('KeyAndValue', (1, 'key', 'Key', False), (2, 'value', 'Value', False))
    message('SliceKey', (1, 'slices', kinds.TYPE_BYTES, True))
    message('Metrics', (1, 'slice_key', 'SliceKey', False), (51, 'metrics', 'KeyAndValue', True))
    pool = DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName('metrics.Metrics'))
