"""REST paths, number formats, codes and messages are those of TensorFlow Serving."""

import base64
import gzip
import json
import math
import urllib.request
from typing import Any

import pytest

PREDICT = '/v1/models/half:predict'


def predict(rest: Any, body: object, path: str = PREDICT) -> Any:
    status, answer = rest(path, body)
    assert status == 200, answer
    return answer


def test_rows_and_columns(rest) -> None:
    assert predict(rest, {'instances': [1.0, 2, 5]}) == {'predictions': [2.5, 3.0, 4.5]}
    assert predict(rest, {'instances': [{'x': 1.0}, {'x': 2}]}) == {'predictions': [2.5, 3.0]}
    assert predict(rest, {'inputs': [1.0]}) == {'outputs': [2.5]}
    assert predict(rest, {'inputs': {'x': [1.0], 'unknown': 3}}) == {'outputs': [2.5]}


def test_several_outputs_are_objects(rest) -> None:
    body = {'signature_name': 'upper', 'instances': ['añ', {'b64': base64.b64encode(b'b').decode()}]}
    b64 = [{'b64': base64.b64encode(text).decode()} for text in ('añ'.encode(), b'b')]
    assert predict(rest, body) == {
        'predictions': [{'raw_bytes': b64[0], 'upper': 'Añ'}, {'raw_bytes': b64[1], 'upper': 'B'}]
    }
    columns = {'signature_name': 'upper', 'inputs': {'text': ['a']}}
    assert predict(rest, columns)['outputs']['upper'] == ['A']


def test_matrices_and_scalars_in_columns(rest) -> None:
    body = {'signature_name': 'add', 'inputs': {'matrix': [[1, 2], [3, 4]], 'number': 1}}
    assert predict(rest, body) == {'outputs': {'sum': [[2, 3], [4, 5]], 'total': 10}}
    empty = {'signature_name': 'add', 'inputs': {'matrix': [[], []], 'number': 1}}
    assert predict(rest, empty) == {'outputs': {'sum': [[], []], 'total': 0}}


def raw(rest: Any, body: bytes) -> str:
    request = urllib.request.Request(rest.url + PREDICT, body)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers['Content-Type'] == 'application/json'
        return answer.read().decode()


def test_floats_are_written_short_if_that_is_the_same_number(rest) -> None:
    text = raw(rest, b'{"instances": [1, -3.6, 0.2, 1e20, -4, 0.333333333, -3.999998]}')
    items = text[text.index('[') + 1 : text.index(']')].replace('\n', '').split(',')
    assert [item.strip() for item in items] == [
        '2.5', '0.200000048', '2.1', '5e+19', '0.0', '2.16666675', '9.53674316e-07',
    ]  # fmt: skip


def test_not_a_number_and_infinities_go_in_and_out(rest) -> None:
    text = raw(rest, b'{"instances": [NaN, Infinity, -Infinity, Inf, -Inf]}')
    assert '[NaN, Infinity, -Infinity, Infinity, -Infinity' in text


def test_numbers_that_a_float_cannot_represent_are_cast(rest) -> None:
    body = b'{"instances": [16777217, 1e39, -1e39, 1000000000000000000000000000000]}'
    text = raw(rest, body)
    assert json.loads(text)['predictions'] == [8388610.0, math.inf, -math.inf, 5e29]


def test_bytes_after_the_object_are_ignored(rest) -> None:
    assert '[2.5' in raw(rest, b' \n{"instances": [1]} and more {')


def test_strings_that_are_not_utf8_come_back_as_they_went(rest) -> None:
    request = urllib.request.Request(
        rest.url + PREDICT, b'{"signature_name": "upper", "instances": ["\xe9\\u0000\\n"]}'
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b'"upper": "\xe9\\u0000\\n"' in answer.read()


def test_a_request_may_be_gzip(rest) -> None:
    body = gzip.compress(b'{"instances": [1]}')
    status, answer = rest(PREDICT, body, headers={'Content-Encoding': 'gzip'})
    assert (status, answer) == (200, {'predictions': [2.5]})


def test_bool_and_flag_types(rest) -> None:
    status, answer = rest(PREDICT, {'signature_name': 'types', 'inputs': {'half': [1.0], 'flag': [True]}})
    assert status == 501
    assert 'half' in answer['error']


@pytest.mark.parametrize(
    ('body', 'says'),
    [
        (b'', 'JSON Parse error: The document is empty'),
        (b'{"instances": [1', 'JSON Parse error: '),
        (b'[1]', 'JSON Value: [1] Is not object'),
        (b'{}', "Missing 'inputs' or 'instances' key"),
        ({'instances': [1], 'inputs': [1]}, "expecting only one of 'inputs' or 'instances' keys to exist"),
        ({'instances': 1}, "Expecting 'instances' to be an list/array"),
        ({'instances': []}, "No values in 'instances' array"),
        ({'instances': ['x']}, 'JSON Value: "x" Type: String is not of expected type: float'),
        ({'instances': [None]}, 'JSON Value: null Type: Null is not of expected type: float'),
        ({'instances': [True]}, 'JSON Value: true Type: True is not of expected type: float'),
        ({'instances': [[1], [1, 2]]}, 'Expecting tensor size: 1 but got: 2'),
        ({'instances': [1, [2]]}, "Failed to process element: 1 of 'instances' list."),
        ({'instances': [1, {'x': 2}]}, 'Expecting value/list but got object at item 1 of input list'),
        ({'instances': [{'x': 1}, 2]}, 'Expecting object but got list at item 1 of input list'),
        ({'instances': [{'z': 1}]}, 'JSON object: does not have named input: z'),
        (b'{"instances": [' + b'9' * 5000 + b']}', 'JSON Parse error: '),
        (b'{"instances": [' + b'9' * 400 + b']}', 'JSON Parse error: '),
        (b'{"instances": ' + b'[' * 10000 + b']' * 10000 + b'}', ''),
        ({'inputs': {'z': [1]}}, "Missing named input: x in 'inputs' object."),
        ({'inputs': [[1], 2]}, 'found at incorrect level'),
        ({'signature_name': 7, 'inputs': [1]}, "'signature_name' key must be a string value."),
        ({'signature_name': 's', 'inputs': [1]}, 'Serving signature name: "s" not found in signature def'),
        ({'signature_name': 'add', 'instances': [1]}, 'instances is a plain list, but expecting list of obj'),
        ({'signature_name': 'add', 'inputs': [1]}, 'inputs is a plain value/list, but expecting an object'),
        ({'signature_name': 'add', 'instances': [{'matrix': [1]}]}, 'keys must be equal to: matrix,number'),
        (
            {'signature_name': 'add', 'inputs': {'matrix': [[1.0]], 'number': 1}},
            'JSON Value: 1.0 Type: Number',
        ),
        ({'signature_name': 'add', 'inputs': {'matrix': [[1 << 31]], 'number': 1}}, 'Value: 2147483648 Type'),
        ({'signature_name': 'upper', 'inputs': [1]}, 'is not of expected type: string'),
        ({'signature_name': 'upper', 'inputs': [{'b64': '*'}]}, 'Unable to base64 decode'),
        (
            {'signature_name': 'upper', 'inputs': [{'b64': 'YQ==', 'x': 1}]},
            'not formatted correctly for base64',
        ),
        (b'{"signature_name": "upper", "inputs": ["\\ud800"]}', 'surrogate pair'),
    ],
)
def test_bodies_that_are_refused(rest, body: object, says: str) -> None:
    status, answer = rest(PREDICT, body)
    assert status == 400
    assert says in answer['error']


@pytest.mark.parametrize(
    ('path', 'body', 'status', 'error'),
    [
        ('/v1/models/no:predict', {'instances': [1]}, 404, 'Servable not found for request: Latest(no)'),
        (
            '/v1/models/half/versions/9:predict',
            {'instances': [1]},
            404,
            'Servable not found for request: Specific(half, 9)',
        ),
        (
            '/v1/models/half/labels/x:predict',
            {'instances': [1]},
            400,
            'Unrecognized servable version label: x',
        ),
        ('/v1/models/half:PREDICT', {}, 400, 'Malformed request: POST /v1/models/half:PREDICT'),
        ('/v1/models/half:predict?x=1', {}, 400, 'Malformed request: POST /v1/models/half:predict?x=1'),
        ('/v1/models/half', {}, 400, 'Malformed request: POST /v1/models/half'),
        ('/v1/models/versions/1', None, 400, 'Missing model name in request.'),
        ('/v1/models/no', None, 404, 'Could not find any versions of model no'),
        ('/v1/models/half/versions/9', None, 404, 'Could not find version 9 of model half'),
        ('/v1/models/no/metadata', None, 404, 'Servable not found for request: Latest(no)'),
        ('/v1/other', None, 400, 'Malformed request: GET /v1/other'),
        ('/v1/models/half:predict', None, 400, 'Malformed request: GET /v1/models/half:predict'),
    ],
)
def test_paths_that_are_refused(rest, path: str, body: object, status: int, error: str) -> None:
    assert rest(path, body) == (status, {'error': error})


@pytest.mark.parametrize('method', ['PUT', 'DELETE', 'HEAD', 'PATCH'])
def test_other_methods_are_refused(rest, method: str) -> None:
    status, _ = rest('/v1/models/half', method=method)
    assert status == 400


def test_paths_are_case_insensitive_and_names_are_decoded(rest) -> None:
    assert predict(rest, {'instances': [1]}, '/V1/MODELS/half:predict') == {'predictions': [2.5]}
    assert predict(rest, {'instances': [1]}, '/v1/models/h%61lf/versions/1:predict') == {'predictions': [2.5]}
    assert predict(rest, {'instances': [1]}, '/v1/models/half/versions/0001:predict') == {
        'predictions': [2.5]
    }


def test_a_version_beyond_64_bits_has_an_empty_body(rest) -> None:
    assert rest('/v1/models/half/versions/18446744073709551615') == (400, '')


def test_other_paths_are_a_page(rest) -> None:
    status, answer = rest('/other')
    assert status == 404
    assert '<H1>Not Found</H1>' in answer


def test_errors_are_indented_by_four(rest) -> None:
    request = urllib.request.Request(rest.url + '/v1/models/versions/1', method='GET')
    with pytest.raises(urllib.request.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.read() == b'{\n    "error": "Missing model name in request."\n}'
    assert caught.value.headers['Content-Type'] == 'application/json'


def test_status_and_metadata(rest) -> None:
    expected = {
        'model_version_status': [
            {'version': '1', 'state': 'AVAILABLE', 'status': {'error_code': 'OK', 'error_message': ''}}
        ]
    }
    for path in ('/v1/models/half', '/v1/models/half/versions/1', '/v1/models/half/labels/any'):
        assert rest(path) == (200, expected)
    status, answer = rest('/v1/models/half/metadata')
    assert status == 200
    assert answer['model_spec'] == {'name': 'half', 'signature_name': '', 'version': '1'}
    signature = answer['metadata']['signature_def']['signature_def']['serving_default']
    assert signature['inputs']['x'] == {
        'dtype': 'DT_FLOAT',
        'tensor_shape': {'dim': [{'size': '-1', 'name': ''}], 'unknown_rank': False},
        'name': 'serving_default_x:0',
    }
    assert signature['defaults'] == {}


def test_classify_and_regress(rest) -> None:
    body = {'signature_name': 'classify', 'examples': [{'x': 0.25}, {'x': [1.0]}]}
    assert rest('/v1/models/half:classify', body) == (
        200,
        {'results': [[['low', 0.75], ['high', 0.25]], [['low', 0.0], ['high', 1.0]]]},
    )
    body = {'signature_name': 'regress', 'context': {'x': 3.0}, 'examples': [{}, {'x': 4.0}]}
    assert rest('/v1/models/half:regress', body) == (200, {'results': [6.0, 8.0]})


@pytest.mark.parametrize(
    ('body', 'says'),
    [
        ({}, "When method is classify, key 'examples' is expected"),
        ({'examples': 1}, "Expecting 'examples' value to be an list/array"),
        ({'examples': []}, "'examples' value is an empty array"),
        ({'examples': [1]}, 'Example must be JSON object but got JSON Number'),
        ({'examples': [{'x': None}]}, 'Feature: x has element with unexpected JSON type: Null'),
        ({'examples': [{'x': [[1.0]]}]}, 'Feature: x has element with unexpected JSON type: Array'),
        ({'examples': [{'x': [1.0, 'a']}]}, 'Unexpected element type in feature: x expecting type: float'),
        ({'examples': [{'x': 1 << 63}]}, 'Feature: x has uint64_t element. Only int64_t is supported.'),
        ({'examples': [{'x': 1}]}, ''),
        ({'examples': [{'x': 1.0}], 'signature_name': 'regress'}, 'Expected classification signature'),
    ],
)
def test_examples_that_are_refused(rest, body: dict, says: str) -> None:
    status, answer = rest('/v1/models/half:classify', {'signature_name': 'classify', **body})
    assert status == 400
    assert says in answer['error']


def test_options_answers_an_origin(rest) -> None:
    assert rest('/v1/models/half', method='OPTIONS', headers={'Origin': 'http://x'}) == (200, '')
    assert rest('/v1/models/half', method='OPTIONS') == (400, '')


def test_a_body_above_the_limit_is_refused_and_the_next_answered(rest) -> None:
    try:
        status, _ = rest(PREDICT, b' ' * (65 << 20))
        assert status == 413
    except OSError:
        pass  # the server hung up while we were still sending
    assert predict(rest, {'instances': [1]}) == {'predictions': [2.5]}


def test_a_small_gzip_that_unpacks_to_too_much_is_refused(rest) -> None:
    body = gzip.compress(b' ' * (65 << 20))
    status, answer = rest(PREDICT, body, headers={'Content-Encoding': 'gzip'})
    assert status == 413, json.dumps(answer)
