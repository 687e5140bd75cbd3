"""JSON is read, rejected and written as by the stock server: values, first errors and their messages."""

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaiven.serving.common.status import Code, StatusError
from vaiven.serving.server import json_document, json_exact, json_slices, rest_examples, rest_predict
from vaiven.serving.server.json_exact import JsonError
from vaiven.serving.wire import messages, tensors
from vaiven.serving.wire.dtypes import NUMBERS

pytestmark = pytest.mark.slow


def inputs_of(**dtypes: str) -> dict[str, Any]:
    return {name: SimpleNamespace(dtype=NUMBERS[f'DT_{dtype.upper()}']) for name, dtype in dtypes.items()}


def read(body: str | bytes, **dtypes: str) -> dict[str, Any]:
    """The tensors of a predict request as nested lists."""
    data = body if isinstance(body, bytes) else body.encode()
    arrays, _ = rest_predict.predict_inputs(json_document.parse(data), inputs_of(**dtypes))
    return {name: array.tolist() for name, array in arrays.items()}


def refusal(body: str | bytes, **dtypes: str) -> str:
    with pytest.raises(StatusError) as caught:
        read(body, **dtypes)
    assert caught.value.code == Code.INVALID_ARGUMENT
    return caught.value.message


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('16777217', 16777216.0),
        ('-2000000011', float(np.float32(-2000000011))),
        ('2000000011.0', float(np.float32(2000000011))),
        ('18446744073709551615', 18446744073709551616.0),
        ('1' + '0' * 30, float(np.float32(1e30))),
        ('-1' + '0' * 40, -math.inf),
        ('1e39', math.inf),
        ('-3.5e38', -math.inf),
        ('1.7976931348623157e308', math.inf),
        ('2.2250738585072014e-308', 0.0),
        ('3', 3.0),
    ],
)
def test_any_number_is_cast_to_a_float(text: str, value: float) -> None:
    assert read(f'{{"instances": [{text}]}}', x='float') == {'x': [value]}
    assert read(f'{{"inputs": {text}}}', x='float') == {'x': value}


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('9007199254740993', 9007199254740992.0),
        ('18446744073709551616', 1.8446744073709552e19),
        ('1' + '0' * 30, 1e30),
        ('1e308', 1e308),
        ('-0', 0.0),
        ('5e-324', 5e-324),
    ],
)
def test_any_number_is_cast_to_a_double(text: str, value: float) -> None:
    assert read(f'{{"instances": [1, {text}]}}', x='double') == {'x': [1.0, value]}


@pytest.mark.parametrize('text', ['1e309', '-1e999', '1' + '0' * 310, '9' * 5000])
@pytest.mark.parametrize('dtype', ['float', 'double'])
def test_a_number_beyond_every_double_is_not_json(text: str, dtype: str) -> None:
    assert 'Number too big to be stored in double' in refusal(f'{{"instances": [{text}]}}', x=dtype)


@pytest.mark.parametrize(
    ('dtype', 'bad'),
    [
        ('int32', '2147483648'), ('int32', '-2147483649'), ('int32', '7.0'), ('int32', '1e2'), ('int32', 'true'),
        ('int8', '128'), ('uint8', '-1'), ('int16', '40000'), ('int64', '9223372036854775808'),
        ('uint32', '4294967296'), ('uint64', '18446744073709551616'), ('uint64', '-1'), ('int64', '"7"'),
        ('bool', '1'), ('bool', '"true"'), ('bool', 'null'), ('string', '7'), ('string', 'false'),
        ('float', '"7"'), ('float', 'true'), ('float', 'null'), ('double', '{}'), ('float', '{"b64": "YQ=="}'),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused(dtype: str, bad: str) -> None:
    assert f'is not of expected type: {dtype}' in refusal(f'{{"inputs": [{bad}]}}', x=dtype)


@pytest.mark.parametrize(
    ('dtype', 'text', 'value'),
    [
        ('int8', '-128', -128), ('uint8', '255', 255), ('int64', '-9223372036854775808', -(1 << 63)),
        ('uint64', '18446744073709551615', (1 << 64) - 1), ('bool', 'false', False), ('int32', '-0', 0),
        ('string', '"caf\\u00e9 \\ud83d\\ude00"', 'café 😀'.encode()), ('string', '""', b''),
        ('string', '"a\\u0000b"', b'a\0b'), ('string', '{"b64": ""}', b''), ('string', '{"b64": "_w=="}', None),
        ('string', '{"b64": "/w=="}', b'\xff'), ('string', '{"b64": "/w"}', b'\xff'),
        ('string', '{"b64": " /\\nw = ="}', b'\xff'), ('string', '{"b64": "/w="}', None),
        ('string', '{"b64": "/"}', None), ('string', '{"b64": "YWI=YWI="}', None),
    ],
)  # fmt: skip
def test_the_limits_of_each_dtype(dtype: str, text: str, value: object) -> None:
    if value is None:
        assert refusal(f'{{"inputs": {text}}}', x=dtype) == 'Unable to base64 decode'
    else:
        assert read(f'{{"inputs": {text}}}', x=dtype) == {'x': value}


@pytest.mark.parametrize(
    ('body', 'says'),
    [
        ('', 'JSON Parse error: The document is empty'),
        (' \n', 'JSON Parse error: The document is empty. at offset: 2'),
        ('inputs = 3', 'JSON Parse error: Invalid value. at offset: 0'),
        ('{"inputs": [4, ]}', 'Invalid value. at offset: 15'),
        ('{"inputs": [4 5]}', 'Missing a comma or ] after an array element. at offset: 14'),
        ('{"inputs": [4}', 'Missing a comma or ] after an array element.'),
        ('{"inputs": 4 "x"', 'Missing a comma or } after an object member.'),
        ('{"inputs" 4}', 'Missing a colon after a name of object member.'),
        ('{inputs: 4}', 'Missing a name for object member.'),
        ('{"inputs": 4,}', 'Missing a name for object member.'),
        ('{"inputs": "4', 'Missing a closing quotation mark in string.'),
        ('{"inputs": "\t"}', 'Invalid encoding in string.'),
        ('{"inputs": "\\x"}', 'Invalid escape character in string.'),
        ('{"inputs": "\\u12g4"}', 'Incorrect hex digit after \\u escape in string.'),
        ('{"other": "\\udc80", "inputs": 1}', 'The surrogate pair in string is invalid.'),
        ('{"inputs": 4.}', 'Miss fraction part in number.'),
        ('{"inputs": 4e}', 'Miss exponent in number.'),
        ('{"inputs": -}', 'Invalid value.'),
        ('{"inputs": Infinit}', 'JSON Parse error: '),
        ('{"inputs": nul}', 'Invalid value.'),
        ('4', 'JSON Value: 4 Is not object'),
        ('{"instances": 4}', "Expecting 'instances' to be an list/array"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"instances": {}, "inputs": []}', "expecting only one of 'inputs' or 'instances' keys to exist"),
        ('{"signature_name": ["s"]}', "'signature_name' key must be a string value."),
        ('{"inputs": {"y": 4}}', "Missing named input: x in 'inputs' object."),
    ],
)
def test_invalid_json_and_invalid_requests_have_the_stock_servers_messages(body: str, says: str) -> None:
    def read_all() -> None:
        values = json_document.parse(body.encode())
        rest_predict.read_signature_name(values)
        rest_predict.predict_inputs(values, inputs_of(x='float'))

    with pytest.raises(StatusError) as caught:
        read_all()
    assert says in caught.value.message


@pytest.mark.parametrize(
    ('instances', 'says'),
    [
        ('[[1, 2], [3]]', "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 2 but"),
        ('[[1, 2], [[3, 4]]]', 'Expecting shape [2] but got: [1,2]'),
        ('[5, [5]]', 'Expecting shape [] but got: [1]'),
        ('[[1, "a"], 5]', 'element: 0'),
        ('[[[1], [2]], [[1], 2]]', 'JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2'),
        ('[[[1, 2], [3]]]', 'Encountered list at unexpected size: 1 at level: 1 expected size: 2'),
        ('[[1, [2]]]', 'Encountered list at unexpected level: 1 expected < 1'),
        ('[{"x": 1}, {"x": "a"}]', "element: 1 key: x of 'instances' list."),
        ('[{"x": 1}, {"y": 1}]', 'element: 1 key: y of \'instances\' list. Error: INVALID_ARGUMENT: JSON object: '
                                 'does not have named input: y'),
        ('[{"x": 1}, {}]', "element: 1 of 'instances' list. JSON object: {} keys must be equal to: x"),
        ('[{"x": "a"}, 5]', 'element: 0 key: x'),
        ('[{"x": 1}, 5]', 'Expecting object but got list at item 1 of input list'),
        ('[5, {"x": 1}]', 'Expecting value/list but got object at item 1 of input list'),
    ],
)  # fmt: skip
def test_the_first_row_with_a_fault_is_named(instances: str, says: str) -> None:
    assert says in refusal(f'{{"instances": {instances}}}', x='int32')


def test_of_equal_keys_the_first_counts() -> None:
    assert read('{"inputs": 1, "inputs": 2}', x='int32') == {'x': 1}
    assert read('{"inputs": {"x": [1], "x": [2]}}', x='int32') == {'x': [1]}
    assert read('{"instances": [{"x": 1, "x": 2}, {"x": 3}]}', x='int32') == {'x': [1, 3]}
    assert 'not formatted correctly' in refusal('{"inputs": {"x": {"b64": "YQ", "b64": "Yg"}}}', x='string')


def test_a_dtype_that_json_cannot_represent_is_unimplemented() -> None:
    for text in ('[1.5]', '[]'):
        with pytest.raises(StatusError, match='to type: half') as caught:
            read(f'{{"inputs": {text}}}', x='half')
        assert caught.value.code == Code.UNIMPLEMENTED
    assert 'Error: UNIMPLEMENTED: Conversion of JSON Value: 1.5' in refusal('{"instances": [1.5]}', x='half')


def test_depth_has_no_limit_in_ignored_values() -> None:
    for pair in (b'[]', b'{}'):
        opening = pair[:1] if pair == b'[]' else b'{"k":'
        deep = opening * 60_000 + b'4' + pair[1:] * 60_000
        assert read(b'{"more": %b, "inputs": [1]}' % deep, x='int32') == {'x': [1]}
        with pytest.raises(StatusError, match='key must be a string value'):
            rest_predict.read_signature_name(json_document.parse(b'{"signature_name": %b}' % deep))
        assert refusal(b'{"inputs": %b}' % deep, x='int32')


def test_a_value_in_an_error_is_written_as_json_and_cut() -> None:
    body = '{"instances": [], "flags": [true, null, -1.5], "more": {"a": "\\"ñ"}}'
    assert refusal(body, x='int32') == (
        'JSON Value: {\n    "instances": [],\n    "flags": [true, null, -1.5],\n    "more": {\n'
        '        "a": "\\"ñ"\n    }\n} No values in \'instances\' array'
    )
    message = refusal(f'{{"instances": 1, "long": {[12345678] * 1000}}}', x='int32')
    assert len(message) < 400
    assert len(json_document.show([['x' * 10] * 10] * 10_000)) < 300
    assert len(json_document.show(['x' * 1_000_000])) < 600


def test_bytes_that_are_not_utf8_stay_as_they_are_in_a_large_text_too() -> None:
    strings = [b'\xff\xe9', b'a\\"\xc3', 'añ'.encode()] * 9000
    body = b'{"instances": [%b]}' % b','.join(b'"%b"' % string for string in strings)
    assert len(body) > json_slices.SLICE_BYTES
    assert read(body, x='string')['x'] == [string.replace(b'\\', b'') for string in strings]


def test_the_offset_of_a_fault_in_a_large_text_is_the_place_in_it() -> None:
    good = b'{"instances": [' + b'[0.125, 7], ' * 20_000
    with pytest.raises(StatusError, match=f'Invalid value. at offset: {len(good)}'):
        json_document.parse(good + b'x]}')


TEXTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=150, deadline=None)
@given(
    TEXTS,
    st.booleans(),
    st.lists(st.tuples(st.integers(0), st.sampled_from(b'[]{},:"\\ 09.eN\0')), max_size=2),
)
def test_slices_accept_and_reject_the_same_as_the_whole_text(
    value: Any, escaped: bool, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(json.dumps(value, ensure_ascii=escaped).encode('utf-8', 'surrogatepass'))
    for place, byte in changes:
        data[place % len(data)] = byte
    text = bytes(data)
    outcomes: list[Any] = []
    for parse in (lambda: json_exact.parse(text)[0], lambda: json_slices.parse_large(text)):
        try:
            outcomes.append(('value', normal(parse())))
        except JsonError as error:
            outcomes.append(('error', error.message))
    if not any('too big' in str(outcome) for outcome in outcomes):
        assert outcomes[0] == outcomes[1]


@pytest.fixture(autouse=True, scope='module')
def small_slices() -> Any:
    """Makes the slices so small that short texts are split, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_slices, 'SLICE_BYTES', 48)
        patch.setattr(json_slices, '_PAUSE_SECONDS', 0)
        yield


def normal(value: Any) -> str:
    """`value` as text; integers beyond 64 bits are doubles for one parser, and large integers for the other."""
    if isinstance(value, list):
        return '[' + ','.join(map(normal, value)) + ']'
    if isinstance(value, dict):
        return '{' + ','.join(f'{key!r}:{normal(item)}' for key, item in value.items()) + '}'
    beyond = type(value) is int and not -(1 << 63) <= value < 1 << 64
    return repr(float(value)) if beyond else repr(value)


def outputs(row_format: bool, **arrays: Any) -> Any:
    response = messages.PredictResponse()
    for name, array in arrays.items():
        tensors.write_proto(response.outputs[name], np.asarray(array))
    return ''.join(rest_predict.predict_outputs(response, row_format))


def test_large_answers_are_the_same_json_as_small_ones() -> None:
    numbers = np.arange(30_000, dtype=np.float32).reshape(3, 2, 5000)
    many = np.arange(24_000, dtype=np.int64).reshape(12_000, 2)
    for array in (numbers, many, many[:, 0], numbers[:1]):
        assert json.loads(outputs(True, y=array)) == {'predictions': array.tolist()}
        assert json.loads(outputs(False, y=array)) == {'outputs': array.tolist()}
    words = np.array([b'a'] * 12_000, object)
    rows = [{'word': 'a', 'y': row} for row in many.tolist()]
    assert json.loads(outputs(True, y=many, word=words)) == {'predictions': rows}
    wide = {'a': numbers, 'b': numbers[:, 0, :2]}
    expected = [{'a': a, 'b': b} for a, b in zip(numbers.tolist(), wide['b'].tolist(), strict=True)]
    assert json.loads(outputs(True, **wide)) == {'predictions': expected}
    assert json.loads(outputs(False, **wide)) == {'outputs': {'a': numbers.tolist(), 'b': wide['b'].tolist()}}


def test_empty_answers_and_answers_without_rows() -> None:
    empty = np.zeros((0, 3), np.float32)
    assert json.loads(outputs(True, y=empty)) == {'predictions': []}
    assert json.loads(outputs(True, y=empty, z=np.zeros((0,), np.int32))) == {'predictions': []}
    assert json.loads(outputs(False, y=np.zeros((2, 0), np.float32))) == {'outputs': [[], []]}
    assert json.loads(outputs(False, y=np.float64(2.5))) == {'outputs': 2.5}
    for arrays, says in (
        ({}, 'Cannot convert empty tensor map to JSON'),
        ({'y': np.int32(1)}, 'Tensor name: y has no shape information'),
        ({'y': [1, 2], 'z': [1]}, 'Tensor name: z has inconsistent batch size: 1 expecting: 2'),
        ({'y': np.array([1j])}, 'Failed to write JSON value for tensor type: complex128'),
    ):
        with pytest.raises(StatusError, match=says):
            outputs(True, **arrays)


def example_of(text: str) -> Any:
    body = json_document.parse(b'{"examples": [%b]}' % text.encode())
    return rest_examples.examples_input(body, 'classify').example_list.examples[0].features.feature


@pytest.mark.parametrize(
    ('text', 'field', 'values'),
    [
        ('7', 'int64_list', [7]), ('[7, true, false]', 'int64_list', [7, 1, 0]),
        ('7.0', 'float_list', [7.0]), ('[1e39, NaN, -Inf]', 'float_list', [math.inf, math.nan, -math.inf]),
        ('100000000000000000000', 'float_list', [float(np.float32(1e20))]),
        ('-9223372036854775808', 'int64_list', [-(1 << 63)]),
        ('["ñ", {"b64": "/w=="}]', 'bytes_list', ['ñ'.encode(), b'\xff']),
        ('[]', None, []),
    ],
)  # fmt: skip
def test_a_feature_is_of_the_kind_of_its_values(text: str, field: str | None, values: list[Any]) -> None:
    feature = example_of(f'{{"f": {text}}}')['f']
    assert feature.WhichOneof('kind') == field
    if field:
        assert repr(list(getattr(feature, field).value)) == repr(values)


def test_of_features_with_one_name_the_last_counts() -> None:
    assert list(example_of('{"f": "a", "f": [1.5]}')['f'].float_list.value) == [1.5]


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('{"f": [7, 7.0]}', 'Unexpected element type in feature: f expecting type: int64'),
        ('{"f": ["a", true]}', 'Unexpected element type in feature: f expecting type: bytes'),
        ('{"f": [7.5, 18446744073709551615]}', 'expecting type: float'),
        ('{"f": 9223372036854775808}', 'Feature: f has uint64_t element. Only int64_t is supported.'),
        ('{"f": [{"a": 1}]}', 'Feature: f has element with unexpected JSON type: Object'),
        ('{"f": [[7]]}', 'Feature: f has element with unexpected JSON type: Array'),
        ('{"f": null}', 'Feature: f has element with unexpected JSON type: Null'),
        ('{"f": {"b64": "/"}}', 'Unable to base64 decode'),
        ('[{"f": 1}]', 'Example must be JSON object but got JSON Array'),
        ('true', 'Example must be JSON object but got JSON True'),
    ],
)
def test_an_example_that_is_refused(text: str, says: str) -> None:
    with pytest.raises(StatusError) as caught:
        example_of(text)
    assert says in caught.value.message


def test_results_without_rows_are_errors() -> None:
    with pytest.raises(StatusError, match='Cannot convert empty ClassificationResults to JSON'):
        rest_examples.classification_outputs(messages.ClassificationResponse())
    with pytest.raises(StatusError, match='Cannot convert empty RegressionResults to JSON'):
        rest_examples.regression_outputs(messages.RegressionResponse())
