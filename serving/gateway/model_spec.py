"""Reads and extends the ModelSpec in the bytes of a request without decoding anything else.

Protobuf merges two messages in one field, so a request gets a label by a second `model_spec` at its end that contains
only the label. https://protobuf.dev/programming-guides/encoding/
"""

from functools import lru_cache
from typing import NamedTuple

from vaiven.serving.wire.strings import read_varint

# More fields than any request has; a message of only tiny fields would block the event loop.
MAX_FIELDS = 10_000
# A ModelSpec of ordinary length is cached instead of decoded again.
_REMEMBERED_BYTES = 256
_MODEL_SPEC_TAG = 0x0A  # field 1, with a length: `model_spec`, and `tasks` of MultiInference
_NAME_TAG, _VERSION_TAG, _LABEL_TAG = 0x0A, 0x12, 0x22


class Spec(NamedTuple):
    """The model of a request: its name, and whether the request sets a version by number or label."""

    name: bytes
    names_version: bool


class _MalformedError(ValueError):
    pass


def read(request: bytes) -> Spec | None:
    """Returns the model of a request whose field 1 is `model_spec`; None if missing or not a message."""
    try:
        name, names_version = b'', False
        for tag, _, start, end in _fields(request):
            if tag == _MODEL_SPEC_TAG:
                reading = _known if end - start <= _REMEMBERED_BYTES else _spec
                part = reading(request[start:end])
                name = name if part.name is None else part.name
                names_version = names_version or part.names_version
    except ValueError:
        return None
    return Spec(name, names_version) if name else None


def with_label(request: bytes, label: str) -> bytes:
    """Returns the request with the label in its ModelSpec. Only for requests that `read` accepted."""
    return request + _suffix(label)


def read_first_task(request: bytes) -> Spec | None:
    """Like `read`, for the first task of a MultiInferenceRequest, which selects the version in the server."""
    try:
        task = _first(request)
    except ValueError:
        return None
    return read(request[task[1] : task[2]]) if task is not None else None


def with_label_in_first_task(request: bytes, label: str) -> bytes:
    """Like `with_label`, for a MultiInferenceRequest that `read_first_task` accepted."""
    task = _first(request)
    assert task is not None
    field, start, end = task
    return request[:field] + _field(_MODEL_SPEC_TAG, with_label(request[start:end], label)) + request[end:]


def _first(request: bytes) -> tuple[int, int, int] | None:
    """Returns the offsets of the first task: its start, the start of its content, and its end."""
    return next((field[1:] for field in _fields(request) if field[0] == _MODEL_SPEC_TAG), None)


@lru_cache(1024)
def _suffix(label: str) -> bytes:
    return _field(_MODEL_SPEC_TAG, _field(_LABEL_TAG, label.encode()))


def _field(tag: int, content: bytes) -> bytes:
    length, written = len(content), bytearray([tag])
    while length > 0x7F:
        written.append(length & 0x7F | 0x80)
        length >>= 7
    written.append(length)
    return bytes(written) + content


class _Part(NamedTuple):
    """Reads one of the messages that are merged to a ModelSpec; None if it does not contain the name."""

    name: bytes | None
    names_version: bool


def _spec(data: bytes) -> _Part:
    name, names_version = None, False
    for tag, _, start, end in _fields(data):
        if tag == _NAME_TAG:
            name = data[start:end]
        elif tag in (_VERSION_TAG, _LABEL_TAG):
            names_version = True
    return _Part(name, names_version)


_known = lru_cache(1024)(_spec)


def _fields(data: bytes) -> list[tuple[int, int, int, int]]:
    """Returns tag, start, content start and end of each field. Raises ValueError."""
    fields: list[tuple[int, int, int, int]] = []
    place, size = 0, len(data)
    while place < size:
        field_start = place
        tag, place = read_varint(data, place)
        kind = tag & 7
        if tag < 8 or len(fields) == MAX_FIELDS:
            raise _MalformedError
        start = place
        if kind == 2:
            length, start = read_varint(data, place)
            place = start + length
        elif kind == 0:
            _, place = read_varint(data, place)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:  # groups, which no request has
            raise _MalformedError
        if place > size:
            raise _MalformedError
        fields.append((tag, field_start, start, place))
    return fields
