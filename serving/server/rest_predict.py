"""Predict over REST, in row format (`instances`, `predictions`) and columnar format (`inputs`, `outputs`)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from vaiven.serving.common.status import StatusError, invalid_argument
from vaiven.serving.server import json_values
from vaiven.serving.server.json_document import is_object, members, show
from vaiven.serving.wire import tensors

# Rows that are compared with the first one by numpy.
_ROWS_AT_ONCE = 1024
# Values of a response that become one part of the text: about a millisecond.
_VALUES_AT_ONCE = 1 << 12


def read_signature_name(body: dict[str, Any]) -> str:
    """The value of `signature_name`, or ''. Raises StatusError if it is not a string."""
    name = body.get('signature_name', '')
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {show(body)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def predict_inputs(body: dict[str, Any], inputs: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], bool]:
    """The tensors of a predict request, and whether it is in row format.

    Args:
        body: the JSON object of the request.
        inputs: the TensorInfo of each input of the signature.

    Raises:
        StatusError: the body does not match the signature.
    """
    if 'instances' in body and 'inputs' in body:
        raise invalid_argument(
            f"JSON Value: {show(body)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            'keys to exist '
        )
    if 'instances' in body:
        instances = body['instances']
        if not isinstance(instances, list):
            raise invalid_argument(f"JSON Value: {show(body)} Expecting 'instances' to be an list/array")
        if not instances:
            raise invalid_argument(f"JSON Value: {show(body)} No values in 'instances' array")
        return _rows(instances, inputs), True
    if 'inputs' in body:
        return _columns(body['inputs'], inputs), False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _rows(instances: list[Any], inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    # The first row decides the form of all; `{"b64": …}` is a string and not an object.
    as_objects = is_object(instances[0])
    if not as_objects and len(inputs) > 1:
        raise invalid_argument(
            'instances is a plain list, but expecting list of objects as multiple input tensors required '
            'as per tensorinfo_map'
        )
    try:
        return _stacked(instances, inputs, as_objects)
    except (_RowMismatchError, StatusError):
        # The fast path only knows that there is an error. The slow one finds the first, for upstream's message.
        _raise_first_error(instances, inputs, as_objects)
        raise


class _RowMismatchError(Exception):
    """Rows differ in form, or their keys are not those of the signature."""


def _stacked(instances: list[Any], inputs: Mapping[str, Any], as_objects: bool) -> dict[str, NDArray[Any]]:
    """A tensor of all rows for each input."""
    for item in instances:
        if is_object(item) != as_objects or (as_objects and item.keys() != inputs.keys()):
            raise _RowMismatchError
    if as_objects:
        return {
            name: json_values.to_tensor([item[name] for item in instances], info.dtype)
            for name, info in inputs.items()
        }
    ((name, info),) = inputs.items()
    return {name: json_values.to_tensor(instances, info.dtype)}


def _raise_first_error(instances: list[Any], inputs: Mapping[str, Any], as_objects: bool) -> None:
    """Raises StatusError for the first row that does not match, with the stock server's message."""
    first: dict[str, NDArray[Any]] = {}
    for start in range(0, len(instances), _ROWS_AT_ONCE):
        part = instances[start : start + _ROWS_AT_ONCE]
        if first and _match_first_row(part, inputs, as_objects, first):
            continue
        for index, item in enumerate(part, start):
            if is_object(item) != as_objects:
                expected, got = ('object', 'list') if as_objects else ('value/list', 'object')
                raise invalid_argument(f'Expecting {expected} but got {got} at item {index} of input list')
            for name, value in members(item) if as_objects else [(next(iter(inputs)), item)]:
                try:
                    _check_row(name, value, inputs, first)
                except StatusError as error:
                    key = f' key: {name}' if as_objects else ''
                    raise invalid_argument(
                        f"Failed to process element: {index}{key} of 'instances' list. "
                        f'Error: {error.code.name}: {error.message}'
                    ) from None
            if as_objects and item.keys() != inputs.keys():
                raise invalid_argument(
                    f"Failed to process element: {index} of 'instances' list. JSON object: {show(item)} "
                    f'keys must be equal to: {",".join(sorted(inputs))}'
                )


def _check_row(name: str, value: Any, inputs: Mapping[str, Any], first: dict[str, NDArray[Any]]) -> None:
    """Checks that a value is a tensor of the input, with the shape of the first row. Raises StatusError."""
    if name not in inputs:
        raise invalid_argument(f'JSON object: does not have named input: {name}')
    array = json_values.to_tensor(value, inputs[name].dtype)
    expected = first.setdefault(name, array)
    if array.size != expected.size:
        raise invalid_argument(f'Expecting tensor size: {expected.size} but got: {array.size}')
    if array.shape != expected.shape:
        raise invalid_argument(f'Expecting shape {_shape(expected)} but got: {_shape(array)}')


def _match_first_row(
    items: list[Any], inputs: Mapping[str, Any], as_objects: bool, first: dict[str, NDArray[Any]]
) -> bool:
    """Whether all of `items` have the form and shapes of the first row. Row by row, this would take seconds."""
    try:
        arrays = _stacked(items, inputs, as_objects)
    except (_RowMismatchError, StatusError):
        return False
    return all(array.shape[1:] == first[name].shape for name, array in arrays.items())


def _shape(array: NDArray[Any]) -> str:
    return '[' + ','.join(map(str, array.shape)) + ']'


def _columns(value: Any, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    if not is_object(value):
        if len(inputs) > 1:
            raise invalid_argument(
                'inputs is a plain value/list, but expecting an object as multiple input tensors required '
                'as per tensorinfo_map'
            )
        ((name, info),) = inputs.items()
        return {name: json_values.to_tensor(value, info.dtype)}
    # Upstream ignores unknown keys here, though not in row format.
    for name in inputs:
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: json_values.to_tensor(value[name], info.dtype) for name, info in inputs.items()}


def predict_outputs(response: Any, row_format: bool) -> Iterator[str]:
    """A PredictResponse as JSON, in parts.

    Args:
        response: the PredictResponse.
        row_format: whether the key is `predictions`, with an item per row; else `outputs`, with an item per tensor.

    Raises:
        StatusError: the outputs have no common batch dimension, or a dtype that JSON cannot represent.
    """
    arrays = {name: tensors.to_array(response.outputs[name]) for name in sorted(response.outputs)}
    if not arrays:
        raise invalid_argument('Cannot convert empty tensor map to JSON')
    return _row_outputs(arrays) if row_format else _column_outputs(arrays)


def _row_outputs(arrays: dict[str, NDArray[Any]]) -> Iterator[str]:
    batch = -1
    for name, array in arrays.items():
        if not array.ndim:
            raise invalid_argument(f'Tensor name: {name} has no shape information ')
        if batch >= 0 and len(array) != batch:
            raise invalid_argument(
                f'Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}'
            )
        batch = len(array)
    if len(arrays) == 1:  # without the name of the output, as upstream
        ((name, array),) = arrays.items()
        yield '{\n    "predictions": '
        yield from json_values.nested(array, _is_base64(name))
        yield '\n}'
        return
    yield '{\n    "predictions": ['
    size = max(array.size for array in arrays.values()) // max(batch, 1)
    # Rows per part of the text; a row of more values is split itself.
    step = max(1, _VALUES_AT_ONCE // max(size, 1))
    for start in range(0, batch, step):
        parts = {name: array[start : start + step] for name, array in arrays.items()}
        yield ',\n' if start else '\n'
        yield from _large_object(parts) if step == 1 else [',\n'.join(_objects(parts))]
    yield '\n    ]\n}'


def _objects(arrays: dict[str, NDArray[Any]]) -> list[str]:
    """The text of an object per row."""
    columns = [json_values.rows(array, _is_base64(name)) for name, array in arrays.items()]
    keys = [json.dumps(name, ensure_ascii=False) for name in arrays]
    return [
        '        {\n'
        + ',\n'.join(f'            {key}: {value}' for key, value in zip(keys, values, strict=True))
        + '\n        }'
        for values in zip(*columns, strict=True)
    ]


def _large_object(arrays: dict[str, NDArray[Any]]) -> Iterator[str]:
    """The text of the object for a single row, in parts."""
    prefix = '        {'
    for name, array in arrays.items():
        yield f'{prefix}\n            {json.dumps(name, ensure_ascii=False)}: '
        yield from json_values.nested(array[0], _is_base64(name))
        prefix = ','
    yield '\n        }'


def _column_outputs(arrays: dict[str, NDArray[Any]]) -> Iterator[str]:
    if len(arrays) == 1:
        ((name, array),) = arrays.items()
        yield '{\n    "outputs": '
        yield from json_values.nested(array, _is_base64(name))
        yield '\n}'
        return
    prefix = '{\n    "outputs": {'
    for name, array in arrays.items():
        yield f'{prefix}\n        {json.dumps(name, ensure_ascii=False)}: '
        yield from json_values.nested(array, _is_base64(name))
        prefix = ','
    yield '\n    }\n}'


def _is_base64(name: str) -> bool:
    # Upstream decides by the name of the output, and not by its content.
    return name.endswith('_bytes')
