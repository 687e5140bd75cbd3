"""Classify and Regress over REST: examples as JSON objects, results as lists."""

import json
from typing import Any

import numpy as np

from vaiven.serving.server import jsonvalues
from vaiven.serving.server.jsonvalues import is_object, show
from vaiven.serving.server.status import invalid_argument
from vaiven.serving.wire import messages

INT64 = (-(1 << 63), (1 << 63) - 1)
FLOAT_MAX = float(np.finfo(np.float32).max)


def examples_input(body: dict[str, Any], method: str) -> Any:
    """The Input of a classify or regress request. Raises StatusError."""
    built = messages.Input()
    if 'context' in body:
        _fill_example(body['context'], built.example_list_with_context.context)
        target = built.example_list_with_context
    else:
        target = built.example_list
    if 'examples' not in body:
        raise invalid_argument(
            f"JSON Value: {show(body)} When method is {method}, key 'examples' is expected and was not found"
        )
    examples = body['examples']
    if not isinstance(examples, list):
        raise invalid_argument(f"JSON Value: {show(body)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid_argument(f"JSON Value: {show(body)} 'examples' value is an empty array")
    for example in examples:
        _fill_example(example, target.examples.add())
    return built


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f'Example must be JSON object but got JSON {_type_name(value)}')
    for name, content in value.items():
        key = jsonvalues.encoded(name).decode('utf-8', 'replace')
        feature = example.features.feature[key]
        for item in content if isinstance(content, list) else [content]:
            _add_value(feature, key, item)


def _add_value(feature: Any, name: str, item: Any) -> None:
    if item is None or isinstance(item, list) or is_object(item):
        raise invalid_argument(f'Feature: {name} has element with unexpected JSON type: {_type_name(item)}')
    value: Any
    if isinstance(item, str):
        field, value = 'bytes_list', jsonvalues.encoded(item)
    elif isinstance(item, dict):
        field, value = 'bytes_list', jsonvalues.decoded(item['b64'])
    elif isinstance(item, float):
        field, value = 'float_list', item
        if FLOAT_MAX < abs(item) < float('inf') or jsonvalues.is_too_big(item):
            raise invalid_argument(
                f'Cannot convert JSON value: {show(item)} to float without loss of precision.'
            )
    else:
        field, value = 'int64_list', int(item)
        if not INT64[0] <= value <= INT64[1]:
            raise invalid_argument(f'Feature: {name} has uint64 element. Only int64 is supported.')
    kind = feature.WhichOneof('kind')
    if kind not in (None, field):
        raise invalid_argument(
            f'Unexpected element type in feature: {name} expecting type: {kind.removesuffix("_list")}'
        )
    getattr(feature, field).value.append(value)


def _type_name(value: Any) -> str:
    names = {type(None): 'Null', dict: 'Object', str: 'String', list: 'Array', bool: str(value)}
    return names.get(type(value), 'Number')


def classification_outputs(response: Any) -> str:
    """A ClassificationResponse as JSON: for each example a list of [label, score]."""
    rows = []
    for row in response.result.classifications:
        scores = jsonvalues.floats(np.array([entry.score for entry in row.classes], np.float32))
        labels = [json.dumps(entry.label, ensure_ascii=False) for entry in row.classes]
        rows.append('[' + ', '.join(f'[{a}, {b}]' for a, b in zip(labels, scores, strict=True)) + ']')
    return '{\n    "results": [' + ', '.join(rows) + '\n    ]\n}'


def regression_outputs(response: Any) -> str:
    """A RegressionResponse as JSON: a number for each example."""
    values = np.array([entry.value for entry in response.result.regressions], np.float32)
    return '{\n    "results": [' + ', '.join(jsonvalues.floats(values)) + ']\n}'
