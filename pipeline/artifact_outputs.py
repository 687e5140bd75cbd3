"""The output artifacts of an execution, as plain values."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

_Event = metadata_store_pb2.Event  # type: ignore[attr-defined]
_OUTPUT_EVENTS = (_Event.OUTPUT, _Event.INTERNAL_OUTPUT)


@dataclasses.dataclass(frozen=True)
class OutputArtifact:
    """An output artifact.

    Attributes:
        id: its id in the metadata store.
        uri: its location.
        properties: value by name; the custom properties are included.
    """

    id: int
    uri: str
    properties: dict[str, int | float | str]


Outputs = dict[str, list[OutputArtifact]]


def execution_outputs(store: MetadataStore, execution_id: int) -> Outputs:
    """The artifacts that an execution created or took from the cache, by output key.

    Args:
        store: the metadata store.
        execution_id: id of the execution.
    """
    keys = {
        event.artifact_id: event.path.steps[0].key
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type in _OUTPUT_EVENTS
    }
    outputs: Outputs = {}
    for artifact in store.get_artifacts_by_id(sorted(keys)):
        properties = {**_to_python(artifact.properties), **_to_python(artifact.custom_properties)}
        outputs.setdefault(keys[artifact.id], []).append(
            OutputArtifact(artifact.id, artifact.uri, properties)
        )
    return outputs


def _to_python(properties: Mapping[str, Any]) -> dict[str, int | float | str]:
    values: dict[str, int | float | str] = {}
    for name, value in properties.items():
        kind = value.WhichOneof('value')
        if kind in ('int_value', 'double_value', 'string_value'):
            values[name] = getattr(value, kind)
    return values
