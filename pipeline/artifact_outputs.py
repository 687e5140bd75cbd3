"""The artifacts of an execution, as plain values."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2

_Event = metadata_store_pb2.Event  # type: ignore[attr-defined]
_OUTPUT_EVENTS = (_Event.OUTPUT, _Event.INTERNAL_OUTPUT)


@dataclasses.dataclass(frozen=True)
class Output:
    """One artifact: where it lies, and its properties, custom ones among them."""

    id: int
    uri: str
    properties: dict[str, int | float | str]


Outputs = dict[str, list[Output]]


def outputs_of(store: MetadataStore, execution_id: int) -> Outputs:
    """What an execution made or took from the cache, by output key."""
    keys = {
        event.artifact_id: event.path.steps[0].key
        for event in store.get_events_by_execution_ids([execution_id])
        if event.type in _OUTPUT_EVENTS
    }
    found: Outputs = {}
    for artifact in store.get_artifacts_by_id(sorted(keys)):
        properties = {**_plain(artifact.properties), **_plain(artifact.custom_properties)}
        found.setdefault(keys[artifact.id], []).append(Output(artifact.id, artifact.uri, properties))
    return found


def _plain(properties: Mapping[str, Any]) -> dict[str, int | float | str]:
    plain = {}
    for name, value in properties.items():
        kind = value.WhichOneof('value')
        if kind in ('int_value', 'double_value', 'string_value'):
            plain[name] = getattr(value, kind)
    return plain
