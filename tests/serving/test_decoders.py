"""Decoders accept any bytes: they return a value or raise their one error, with memory in proportion to the input."""

import json
import math
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any

import decoding
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vaiven.serving.common import textproto
from vaiven.serving.common.status import StatusError
from vaiven.serving.server import json_document, json_values, model_config, rest_predict
from vaiven.serving.server.json_exact import ENCODING
from vaiven.serving.wire import messages, tensors
from vaiven.serving.wire.dtypes import DT_STRING, NUMBERS, kind_of_number

FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NUMERIC = [
    number
    for name, number in NUMBERS.items()
    if name
    in {
        'DT_FLOAT',
        'DT_DOUBLE',
        'DT_BOOL',
        *(f'DT_{sign}INT{bits}' for sign in ('', 'U') for bits in (8, 16, 32, 64)),
    }
]
SIZES = st.one_of(st.integers(-2, 4), st.sampled_from([1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -1 << 63]))
VALUES = st.one_of(
    st.floats(), st.integers(-(1 << 70), 1 << 70), st.text(max_size=8), st.booleans(), st.none(),
    st.fixed_dictionaries({'b64': st.text('abY=*é', max_size=6)}),
)  # fmt: skip
JSON = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(['x', 'text', 'b64', '', '\ud800', '\0']), inner, max_size=3),
    ),
    max_leaves=12,
)
# Texts that a generator of values never writes.
ODD = [
    b'', b'\xff\xfe', b'\xef\xbb\xbf{}', b'{"instances": [1e999999999]}', b'{"instances": [1e400, Infinity]}',
    b'{"instances": [' + b'9' * 400 + b'.0]}', b'{"instances": ' + b'[' * 10_000, b'{"instances":' * 10_000,
    b'{"instances": ["\\ud800"]}', b'{"\\udfff": 1, "instances": [{"\\udfff": 1}]}', b'{"instances": ["\xed\xa0\x80"]}',
    b'{"instances": [1], "instances": [2]}', b'{"instances": [{"x": 1, "x": 2}]}', b'{"instances": [{"b64": "YQ=="}]}',
    b'{"instances": ["\\u0000"]}', b'{"instances": [1]\x00}', b'\x00', b'{"instances": [-0, -0.0, 1e-999, 01]}',
    b'{"signature_name": "\\ud800", "inputs": 1}', b'{"inputs": ' + b'[' * 65 + b']' * 65 + b'}',
]  # fmt: skip


@st.composite
def protos(draw: st.DrawFn) -> bytes:
    """TensorProtos whose parts may contradict one another."""
    proto = messages.TensorProto(dtype=draw(st.sampled_from([*NUMBERS.values(), 99, 101])))
    for size in draw(st.lists(SIZES, max_size=4)):
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.unknown_rank = draw(st.integers(0, 20)) == 0
    if draw(st.booleans()):
        proto.tensor_content = draw(st.binary(max_size=64))
    fields = {
        'float_val': st.floats(width=32), 'double_val': st.floats(), 'int_val': st.integers(-(1 << 31), (1 << 31) - 1),
        'string_val': st.binary(max_size=8), 'scomplex_val': st.floats(width=32), 'dcomplex_val': st.floats(),
        'int64_val': st.integers(-(1 << 63), (1 << 63) - 1), 'bool_val': st.booleans(),
        'half_val': st.integers(-(1 << 31), (1 << 31) - 1), 'uint32_val': st.integers(0, (1 << 32) - 1),
        'uint64_val': st.integers(0, (1 << 64) - 1),
    }  # fmt: skip
    kinds = {name: kind_field(number) for name, number in NUMBERS.items()}
    field = kinds.get(messages.DataType.values_by_number[proto.dtype].name) if proto.dtype < 99 else None
    if field in fields:
        getattr(proto, field).extend(draw(st.lists(fields[field], max_size=6)))
    elif field:
        setattr(proto, field, draw(st.binary(max_size=6)))
    return proto.SerializeToString()


def kind_field(number: int) -> str | None:
    try:
        return kind_of_number(number).field
    except ValueError:
        return None


@FEW
@given(st.one_of(protos(), st.binary(max_size=80)))
def test_any_bytes_are_a_tensor_of_their_shape_or_a_value_error(data: bytes) -> None:
    decoding.check_tensor(data)


@FEW
@given(st.binary(max_size=60))
@example(b'\x01' + b'\xff' * 10)
@example(b'\xff')
def test_any_bytes_are_so_many_strings_or_a_value_error(data: bytes) -> None:
    decoding.check_strings(data)


@pytest.mark.parametrize(
    ('dtype', 'count', 'value'),
    [
        ('DT_FLOAT', 1 << 25, {}),
        ('DT_STRING', 1 << 21, {}),
        ('DT_STRING', 1 << 14, {'string_val': [b'x' * 10_000]}),
        ('DT_BOOL', 1 << 27, {'bool_val': [True]}),
    ],
)
def test_a_few_bytes_do_not_claim_gigabytes(dtype: str, count: int, value: dict) -> None:
    proto = messages.TensorProto(dtype=NUMBERS[dtype], **value)
    proto.tensor_shape.dim.add(size=count)
    with pytest.raises(ValueError, match=r'repeats its last value .* larger than 67108864 bytes'):
        tensors.to_array(proto)


def test_content_that_is_too_short_allocates_no_memory() -> None:
    proto = messages.TensorProto(dtype=DT_STRING, tensor_content=b'\1a')
    proto.tensor_shape.dim.add(size=1 << 25)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match='too short'):
            tensors.to_array(proto)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@FEW
@given(
    st.integers(0, 255),
    st.one_of(
        JSON,
        st.fixed_dictionaries(
            {}, optional={'instances': st.lists(JSON, max_size=4), 'inputs': JSON, 'signature_name': JSON}
        ),
    ),
)
def test_any_json_is_inputs_or_a_status_error(picked: int, value: Any) -> None:
    decoding.check_predict(bytes([picked]) + json.dumps(value).encode())
    decoding.check_predict(
        bytes([picked]) + json.dumps(value, ensure_ascii=False).encode('utf-8', 'surrogatepass')
    )


@pytest.mark.parametrize('body', ODD, ids=lambda body: ascii(body[:30]))
def test_odd_json_is_inputs_or_a_status_error(body: bytes) -> None:
    for picked in range(len(decoding.SIGNATURES)):
        decoding.check_predict(bytes([picked]) + body)
    decoding.check_examples(body.replace(b'instances', b'examples'))
    decoding.check_examples(
        body.replace(b'{"instances": [', b'{"examples": [{"x": [').replace(b']}', b']}]}')
    )


@FEW
@given(
    st.one_of(
        JSON, st.fixed_dictionaries({'examples': st.lists(JSON, max_size=3)}, optional={'context': JSON})
    )
)
def test_any_json_is_examples_or_a_status_error(value: Any) -> None:
    decoding.check_examples(json.dumps(value).encode())


def text_of(array: np.ndarray[Any, Any]) -> bytes:
    return b'{"x": [' + ','.join(json_values.from_tensor(array)).encode(*ENCODING) + b']}'


@FEW
@given(st.sampled_from(NUMERIC), st.binary(min_size=8, max_size=64))
def test_numbers_of_every_dtype_come_back_from_json_as_they_went(number: int, data: bytes) -> None:
    dtype = kind_of_number(number).dtype
    data = data[: len(data) // 8 * 8]
    array = np.frombuffer(data, np.uint8) > 127 if dtype == np.bool_ else np.frombuffer(data, dtype)
    back = json_values.to_tensor(json_document.parse(text_of(array))['x'], number)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@FEW
@given(st.lists(st.binary(max_size=12), min_size=1), st.booleans())
def test_strings_come_back_from_json_as_they_went(items: list[bytes], as_base64: bool) -> None:
    array = np.array(items, object)
    texts = ','.join(json_values.from_tensor(array, as_base64)).encode(*ENCODING)
    back = json_values.to_tensor(json_document.parse(b'{"x": [' + texts + b']}')['x'], DT_STRING)
    assert back.tolist() == items


def test_a_number_beyond_every_double_is_refused_and_infinity_is_not() -> None:
    for text in (b'1e999', b'-1e400', b'1' + b'0' * 309 + b'.0', b'[Infinity, 1e400]'):
        for dtype in ('DT_FLOAT', 'DT_DOUBLE'):
            with pytest.raises(StatusError, match='Number too big to be stored in double'):
                json_values.to_tensor(json_document.parse(b'{"x": ' + text + b'}')['x'], NUMBERS[dtype])
    kept = json_values.to_tensor(json_document.parse(b'{"x": [Inf, -Infinity]}')['x'], NUMBERS['DT_FLOAT'])
    assert kept.tolist() == [math.inf, -math.inf]


def test_the_first_of_equal_keys_counts() -> None:
    assert json_document.parse(b'{"a": 1, "a": 2}') == {'a': 1}


def seconds(work: Any) -> float:
    began = time.process_time()
    with pytest.raises(StatusError):
        work()
    return time.process_time() - began


def test_bad_bodies_take_time_in_proportion_to_their_length() -> None:
    quotes = b'{"a": Inf ' + b'\\"' * 32_000
    assert seconds(lambda: json_document.parse(quotes)) < 1
    rows = {'instances': [[1.0]] * 200_000 + [['x']]}
    inputs = {'x': SimpleNamespace(dtype=NUMBERS['DT_FLOAT'])}
    assert seconds(lambda: rest_predict.predict_inputs(rows, inputs)) < 1


def test_the_row_that_does_not_match_is_named_wherever_it_is() -> None:
    inputs = {'x': SimpleNamespace(dtype=NUMBERS['DT_FLOAT'])}
    for index in (0, 1, 1023, 1024, 1025, 2999):
        for bad in ('x', [1.0, 2.0]):
            rows: list[Any] = [[1.0]] * 3000
            rows[index] = bad
            named = index if index or bad == 'x' else 1  # the first says what the others must be
            with pytest.raises(StatusError, match=f'Failed to process element: {named} of'):
                rest_predict.predict_inputs({'instances': rows}, inputs)


WORDS = r"""
    model_config_list config name base_path "a" "/b" model_platform "tensorflow" { } : < > [ ] , 1 -1
    99999999999999999999 1e999 nan "\377" "\0" "\ud800" ' # version_labels key value model_version_policy specific
    versions all latest num_versions custom_model_config [type.googleapis.com/tensorflow.serving.ModelServerConfig]
    type_url logging_config sampling_config sampling_rate max_batch_size allowed_batch_sizes true ñ
    num_batch_threads batch_timeout_micros
"""
CONFIG = st.lists(st.sampled_from([*WORDS.split(), '\n', '\0']), max_size=30)


@FEW
@given(CONFIG, st.text(max_size=40))
def test_any_text_is_a_configuration_or_a_status_error(words: list[str], text: str) -> None:
    for data in (' '.join(words), text):
        decoding.check_model_config(data.encode('utf-8', 'surrogatepass'))
        decoding.check_batching(data.encode('utf-8', 'surrogatepass'))


@pytest.mark.parametrize(
    'text',
    [
        'custom_model_config { [type.googleapis.com/tensorflow.serving.ModelServerConfig] { ' * 1000,
        'model_config_list { config { name: "a" base_path: "/a\\000b" model_platform: "tensorflow" } }',
        'custom_model_config { type_url: "\\777" }',
        'x: ' + '{' * 10_000,
        '[' * 10_000,
    ],
    ids=lambda text: text[:30],
)
def test_odd_texts_are_not_a_configuration(text: str) -> None:
    with pytest.raises((StatusError, textproto.TextProtoError)):
        model_config.models(textproto.parse(text, messages.ModelServerConfig(), messages.pool))
    decoding.check_batching(text.encode())
