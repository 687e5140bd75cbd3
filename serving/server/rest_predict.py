"""Predict over REST: rows (`instances`, `predictions`) and columns (`inputs`, `outputs`)."""

import json
import math
from typing import Any

from numpy.typing import NDArray

from vaiven.serving.server import jsonvalues
from vaiven.serving.server.jsonvalues import is_object, show
from vaiven.serving.server.status import StatusError, invalid_argument
from vaiven.serving.wire import tensors

_AT_ONCE = 1024


def read_signature_name(body: dict[str, Any]) -> str:
    """The name under `signature_name`, or ''. Raises StatusError if it is no string."""
    name = body.get('signature_name', '')
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {show(body)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def predict_inputs(body: dict[str, Any], inputs: dict[str, Any]) -> tuple[dict[str, NDArray[Any]], bool]:
    """The tensors of a predict request, and whether it is in row format (`instances`).

    Args:
        body: the parsed request.
        inputs: the TensorInfo of each input of the signature.

    Raises:
        StatusError: the body does not fit the signature.
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


def _rows(instances: list[Any], inputs: dict[str, Any]) -> dict[str, NDArray[Any]]:
    named = is_object(instances[0])
    if not named and len(inputs) > 1:
        raise invalid_argument(
            'instances is a plain list, but expecting list of objects as multiple input tensors required '
            'as per tensorinfo_map'
        )
    for index, item in enumerate(instances):
        if is_object(item) != named:
            expected, got = ('object', 'list') if named else ('value/list', 'object')
            raise invalid_argument(f'Expecting {expected} but got {got} at item {index} of input list')
        if named and item.keys() != inputs.keys():
            extra = sorted(item.keys() - inputs.keys())
            if extra:
                raise invalid_argument(
                    f"Failed to process element: {index} key: {extra[0]} of 'instances' list. Error: "
                    f'INVALID_ARGUMENT: JSON object: does not have named input: {extra[0]}'
                )
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {show(item)} "
                f'keys must be equal to: {",".join(sorted(inputs))}'
            )
    if not named:
        ((name, info),) = inputs.items()
        return {name: _stack(instances, info.dtype, '')}
    return {
        name: _stack([item[name] for item in instances], info.dtype, f' key: {name}')
        for name, info in inputs.items()
    }


def _stack(items: list[Any], dtype: int, key: str) -> NDArray[Any]:
    """One tensor of all items; an item that does not fit is named in the error."""
    try:
        return jsonvalues.to_tensor(items, dtype)
    except StatusError:
        first: NDArray[Any] | None = None
        for start in range(0, len(items), _AT_ONCE):
            part = items[start : start + _AT_ONCE]
            if first is not None and _are_like(part, dtype, first):
                continue
            for index, item in enumerate(part, start):
                where = (
                    f"Failed to process element: {index}{key} of 'instances' list. Error: INVALID_ARGUMENT: "
                )
                try:
                    array = jsonvalues.to_tensor(item, dtype)
                except StatusError as error:
                    raise invalid_argument(where + error.message) from None
                first = array if first is None else first
                if array.size != first.size:
                    raise invalid_argument(
                        f'{where}Expecting tensor size: {first.size} but got: {array.size}'
                    ) from None
                if array.shape != first.shape:
                    raise invalid_argument(
                        f'{where}Expecting shape {_shape(first)} but got: {_shape(array)}'
                    ) from None
        raise


def _are_like(items: list[Any], dtype: int, first: NDArray[Any]) -> bool:
    """Whether each of `items` is a tensor of the shape of `first`: one by one it would take long to find out."""
    try:
        return jsonvalues.to_tensor(items, dtype).shape[1:] == first.shape
    except StatusError:
        return False


def _shape(array: NDArray[Any]) -> str:
    return '[' + ','.join(map(str, array.shape)) + ']'


def _columns(value: Any, inputs: dict[str, Any]) -> dict[str, NDArray[Any]]:
    if not is_object(value):
        if len(inputs) > 1:
            raise invalid_argument(
                'inputs is a plain value/list, but expecting an object as multiple input tensors required '
                'as per tensorinfo_map'
            )
        ((name, info),) = inputs.items()
        return {name: jsonvalues.to_tensor(value, info.dtype)}
    for name in inputs:
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: jsonvalues.to_tensor(value[name], info.dtype) for name, info in inputs.items()}


def predict_outputs(response: Any, row_format: bool) -> str:
    """A PredictResponse as JSON, under `predictions` (rows) or `outputs` (columns). Raises StatusError."""
    arrays = {name: tensors.to_array(response.outputs[name]) for name in sorted(response.outputs)}
    if not arrays:
        raise invalid_argument('Cannot convert empty tensor map to JSON')
    return _row_outputs(arrays) if row_format else _column_outputs(arrays)


def _row_outputs(arrays: dict[str, NDArray[Any]]) -> str:
    batch = -1
    columns = {}
    for name, array in arrays.items():
        if not array.ndim:
            raise invalid_argument(f'Tensor name: {name} has no shape information ')
        if batch >= 0 and len(array) != batch:
            raise invalid_argument(
                f'Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}'
            )
        batch = len(array)
        columns[name] = _split(_values(name, array), array.shape)
    if len(columns) == 1:
        rows = next(iter(columns.values()))
        return '{\n    "predictions": [' + ', '.join(rows) + '\n    ]\n}'
    keys = [json.dumps(name, ensure_ascii=False) for name in columns]
    objects = [
        '        {\n'
        + ',\n'.join(f'            {key}: {value}' for key, value in zip(keys, values, strict=True))
        + '\n        }'
        for values in zip(*columns.values(), strict=True)
    ]
    return '{\n    "predictions": [\n' + ',\n'.join(objects) + '\n    ]\n}'


def _column_outputs(arrays: dict[str, NDArray[Any]]) -> str:
    texts = {name: _nested(_values(name, array), array.shape) for name, array in arrays.items()}
    if len(texts) == 1:
        return '{\n    "outputs": ' + next(iter(texts.values())) + '\n}'
    members = [f'        {json.dumps(name, ensure_ascii=False)}: {value}' for name, value in texts.items()]
    return '{\n    "outputs": {\n' + ',\n'.join(members) + '\n    }\n}'


def _values(name: str, array: NDArray[Any]) -> list[str]:
    return jsonvalues.from_tensor(array, as_base64=name.endswith('_bytes'))


def _split(values: list[str], shape: tuple[int, ...]) -> list[str]:
    """The texts of the rows, from the texts of all values."""
    for axis in range(len(shape) - 1, 0, -1):
        size = shape[axis]
        if size:
            values = ['[' + ', '.join(values[i : i + size]) + ']' for i in range(0, len(values), size)]
        else:
            values = ['[]'] * math.prod(shape[:axis])
    return values


def _nested(values: list[str], shape: tuple[int, ...]) -> str:
    if not shape:
        return values[0]
    return '[' + ', '.join(_split(values, shape)) + ']'
