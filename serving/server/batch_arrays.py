"""One set of arrays made of those of several requests, and what comes of it parted again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.status import invalid_argument

Feeds = Mapping[str, NDArray[Any]]


class NotRowsError(Exception):
    """An output does not have one row for each row of the inputs."""


class UnlikeShapesError(Exception):
    """Rows of different shapes came together, and are not to be padded."""


def rows_of(feeds: Feeds) -> int:
    """The first dimension of all. Raises StatusError, INVALID_ARGUMENT, where they differ."""
    sizes = {len(value) for value in feeds.values()}
    if len(sizes) != 1:
        raise invalid_argument('Batching session Run() input tensors must have equal 0th-dimension size')
    return sizes.pop()


def join(requests: Sequence[Feeds], missing: int, *, pad: bool) -> dict[str, NDArray[Any]]:
    """The inputs of all requests, one after the other.

    Args:
        requests: with the same names.
        missing: how many times more the first row of the last request is to stand at the end, to fill a batch up.
        pad: whether rows of unlike shapes are padded.

    Raises:
        UnlikeShapesError: rows of different shapes came together, and are not to be padded.
    """
    found = {}
    for name in requests[0]:
        values = [feeds[name] for feeds in requests]
        if pad:
            values = _padded(values)
        elif len({value.shape[1:] for value in values}) > 1:
            raise UnlikeShapesError
        if missing and len(values[-1]):
            values.append(np.repeat(values[-1][:1], missing, axis=0))
        found[name] = np.concatenate(values) if len(values) > 1 else values[0]
    return found


def _padded(values: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """All with rows of one shape: what is missing takes the first element of the tensor, as upstream."""
    if len({value.ndim for value in values}) > 1:
        raise UnlikeShapesError
    largest = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
    padded = []
    for value in values:
        if list(value.shape[1:]) != largest:
            whole = np.empty((len(value), *largest), value.dtype)
            whole[...] = value.flat[0] if value.size else (b'' if value.dtype == object else 0)
            whole[tuple(slice(size) for size in value.shape)] = value
            value = whole
        padded.append(value)
    return padded


def are_rows(outputs: Sequence[NDArray[Any]], rows: int) -> bool:
    """Whether each of `outputs` has one row for each of `rows`."""
    return all(output.ndim and len(output) == rows for output in outputs)


def part(outputs: list[NDArray[Any]], sizes: Sequence[int], rows: int) -> Iterator[list[NDArray[Any]]]:
    """Each request's rows of the outputs of a batch of `rows`. Raises NotRowsError."""
    if not are_rows(outputs, rows):
        raise NotRowsError
    start = 0
    for size in sizes:
        yield [output[start : start + size] for output in outputs]
        start += size
