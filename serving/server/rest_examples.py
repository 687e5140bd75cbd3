"""Classify and Regress over REST: requests of examples as JSON objects, responses of lists."""

import json
from typing import Any

import numpy as np

from vaiven.serving.common.status import invalid_argument
from vaiven.serving.server import json_values
from vaiven.serving.server.json_document import encode_text, is_object, members, show, type_name
from vaiven.serving.server.json_errors import decode_base64, number_is_too_big, too_big_error
from vaiven.serving.wire import messages

INT64 = (-(1 << 63), (1 << 63) - 1)
UINT64_MAX = (1 << 64) - 1


def examples_input(body: dict[str, Any], method: str) -> Any:
    """The Input of a classify or regress request.

    Args:
        body: the JSON object.
        method: `classify` or `regress`, for messages.

    Raises:
        StatusError: the body has no examples, or one of them is invalid.
    """
    examples_message = messages.Input()
    if 'context' in body:
        _fill_example(body['context'], examples_message.example_list_with_context.context)
        target = examples_message.example_list_with_context
    else:
        target = examples_message.example_list
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
    return examples_message


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise invalid_argument(f'Example must be JSON object but got JSON {type_name(value)}')
    for name, content in members(value):
        key = encode_text(name).decode('utf-8', 'replace')
        feature = example.features.feature[key]
        feature.Clear()  # the last of equal names counts, as upstream
        for item in content if isinstance(content, list) else [content]:
            _add_value(feature, key, item)


def _add_value(feature: Any, name: str, item: Any) -> None:
    if item is None or isinstance(item, list) or is_object(item):
        raise invalid_argument(f'Feature: {name} has element with unexpected JSON type: {type_name(item)}')
    field = _field_of(item)
    kind = feature.WhichOneof('kind')
    if kind not in (None, field):
        raise invalid_argument(
            f'Unexpected element type in feature: {name} expecting type: {kind.removesuffix("_list")}'
        )
    value: Any
    if field == 'bytes_list':
        value = encode_text(item) if isinstance(item, str) else decode_base64(item['b64'])
    elif field == 'float_list':
        if number_is_too_big(item):
            raise too_big_error()
        value = float(item)
    else:
        value = int(item)
        if value > INT64[1]:
            raise invalid_argument(
                f'Feature: {name} has uint64_t element. Only int64_t is supported. Received: {value}'
            )
    getattr(feature, field).value.append(value)


def _field_of(item: Any) -> str:
    if isinstance(item, str | dict):
        return 'bytes_list'
    # RapidJSON, the stock server's parser, reads an integer beyond 64 bits as a double.
    return 'float_list' if isinstance(item, float) or not INT64[0] <= item <= UINT64_MAX else 'int64_list'


def classification_outputs(response: Any) -> str:
    """A ClassificationResponse as JSON: a list of [label, score] per example. Raises StatusError if it is empty."""
    if not response.result.classifications:
        raise invalid_argument('Cannot convert empty ClassificationResults to JSON')
    rows = []
    for row in response.result.classifications:
        scores = json_values.floats(np.array([entry.score for entry in row.classes], np.float32))
        labels = [json.dumps(entry.label, ensure_ascii=False) for entry in row.classes]
        rows.append('[' + ', '.join(f'[{a}, {b}]' for a, b in zip(labels, scores, strict=True)) + ']')
    # The key is `results`, though upstream's documentation says `result`.
    return '{\n    "results": [' + ', '.join(rows) + '\n    ]\n}'


def regression_outputs(response: Any) -> str:
    """A RegressionResponse as JSON: a number per example. Raises StatusError if it is empty."""
    if not response.result.regressions:
        raise invalid_argument('Cannot convert empty RegressionResults to JSON')
    values = np.array([entry.value for entry in response.result.regressions], np.float32)
    return '{\n    "results": [' + ', '.join(json_values.floats(values)) + ']\n}'
