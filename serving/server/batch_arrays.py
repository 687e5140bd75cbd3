"""The arrays of a batch: built from those of several requests, and its outputs split by request again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.common.status import StatusError, failed_precondition, invalid_argument

Feeds = Mapping[str, NDArray[Any]]


class BatchDimensionError(Exception):
    """An output does not have one row for each row of the inputs."""


class ShapeMismatchError(Exception):
    """The rows of a batch have different shapes, and padding is off."""


def batch_size(feeds: Feeds) -> int:
    """The first dimension of all inputs. Raises StatusError, INVALID_ARGUMENT, where they differ."""
    sizes = {len(value) for value in feeds.values()}
    if len(sizes) != 1:
        raise invalid_argument('Batching session Run() input tensors must have equal 0th-dimension size')
    return sizes.pop()


def concatenate(requests: Sequence[Feeds], padding_rows: int, *, pad: bool) -> dict[str, NDArray[Any]]:
    """The inputs of one batch: those of all requests, in their order.

    Args:
        requests: inputs of each request, by the same names; each array is (rows, ...).
        padding_rows: rows to add so that the batch has an allowed size.
        pad: whether rows of different shapes are padded to the largest.

    Returns:
        Arrays of shape (rows of all requests + padding_rows, ...).

    Raises:
        ShapeMismatchError: the rows have different shapes, and `pad` is false.
    """
    batch = {}
    for name in requests[0]:
        values = [feeds[name] for feeds in requests]
        if pad:
            values = _padded(values)
        elif len({value.shape[1:] for value in values}) > 1:
            raise ShapeMismatchError
        if padding_rows and len(values[-1]):
            # Upstream repeats row 0 of the last request: zeros could be invalid input for the model.
            values.append(np.repeat(values[-1][:1], padding_rows, axis=0))
        batch[name] = np.concatenate(values) if len(values) > 1 else values[0]
    return batch


def _padded(values: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """`values` with all rows padded to the largest shape."""
    if len({value.ndim for value in values}) > 1:
        raise ShapeMismatchError
    largest = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
    padded = []
    for value in values:
        if list(value.shape[1:]) != largest:
            whole = np.empty((len(value), *largest), value.dtype)
            # Upstream fills with the first element of the tensor. This would corrupt token ids, so the models of this
            # project take strings of shape (rows,).
            whole[...] = value.flat[0] if value.size else (b'' if value.dtype == object else 0)
            whole[tuple(slice(size) for size in value.shape)] = value
            value = whole
        padded.append(value)
    return padded


def have_batch_dimension(outputs: Sequence[NDArray[Any]], rows: int) -> bool:
    """Whether each of `outputs` has the shape (rows, ...)."""
    return all(output.ndim and len(output) == rows for output in outputs)


def split_rows(outputs: list[NDArray[Any]], sizes: Sequence[int], rows: int) -> Iterator[list[NDArray[Any]]]:
    """The outputs of each request, from those of a batch.

    Args:
        outputs: arrays of shape (rows, ...).
        sizes: rows of each request.
        rows: rows of the batch, padding included.

    Raises:
        BatchDimensionError: an output has another first dimension than `rows`.
    """
    if not have_batch_dimension(outputs, rows):
        raise BatchDimensionError
    start = 0
    for size in sizes:
        yield [output[start : start + size] for output in outputs]
        start += size


def merge_outputs(chunks: Sequence[list[NDArray[Any]]]) -> list[NDArray[Any]]:
    """The outputs of a request that ran in several chunks."""
    if len(chunks) == 1:
        return chunks[0]
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def batch_dimension_status() -> StatusError:
    """The error of a request whose outputs cannot be merged again."""
    return failed_precondition(
        "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
        'tensors: the chunks of a request of more rows than max_execution_batch_size cannot be merged'
    )
