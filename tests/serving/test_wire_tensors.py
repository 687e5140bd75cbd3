"""Arrays survive a round trip through TensorProto; invalid messages are refused before memory is allocated."""

import random

import ml_dtypes
import numpy as np
import pytest

from vaiven.serving.wire import messages, tensors
from vaiven.serving.wire.dtypes import NUMBERS

pytestmark = pytest.mark.slow

NUMERIC = [
    np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32,
    np.uint64, np.bool_, np.complex64, np.complex128, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2,
    ml_dtypes.float8_e4m3fn, ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2, ml_dtypes.uint2,
    [('qint8', np.int8)], [('quint8', np.uint8)], [('qint16', np.int16)], [('quint16', np.uint16)], [('qint32', '<i4')],
]  # fmt: skip


@pytest.mark.parametrize('typed', [False, True])
@pytest.mark.parametrize(
    'dtype', NUMERIC, ids=lambda dtype: (np.dtype(dtype).names or [np.dtype(dtype).name])[0]
)
def test_every_numeric_dtype_survives_a_round_trip(dtype: type, typed: bool) -> None:
    array = np.array([[0, 1, 3], [2, 1, 0]], np.int8).astype(np.dtype(dtype))
    back = tensors.to_array(tensors.to_proto(array, typed=typed))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_extremes_and_not_a_number_come_back() -> None:
    for typed in (False, True):
        floats = np.array([np.nan, np.inf, -np.inf, np.finfo('f').tiny, -0.0], np.float32)
        back = tensors.to_array(tensors.to_proto(floats, typed=typed))
        assert floats.tobytes() == back.tobytes()
        for dtype in (np.int64, np.uint64, np.int8):
            ends = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
            np.testing.assert_array_equal(tensors.to_array(tensors.to_proto(ends, typed=typed)), ends)


def test_strings_keep_their_bytes() -> None:
    items = ['', 'año', '😀', b'\x00\xff', b'ends in nul\x00']
    back = tensors.to_array(tensors.to_proto(items))
    assert back.tolist() == [b'', 'año'.encode(), '😀'.encode(), b'\x00\xff', b'ends in nul\x00']


def test_string_scalar_and_matrix_keep_their_shapes() -> None:
    assert tensors.to_array(tensors.to_proto('one')).shape == ()
    matrix = np.array([[b'a', b'b']], object)
    np.testing.assert_array_equal(tensors.to_array(tensors.to_proto(matrix)), matrix)


def test_numbers_without_a_dtype_become_float32_and_int32() -> None:
    assert tensors.to_proto([1.5]).dtype == NUMBERS['DT_FLOAT']
    assert tensors.to_proto([1]).dtype == NUMBERS['DT_INT32']
    assert tensors.to_proto([1 << 40]).dtype == NUMBERS['DT_INT64']
    assert tensors.to_proto(np.array([1.5])).dtype == NUMBERS['DT_DOUBLE']


def test_big_endian_and_strided_arrays_travel_as_values() -> None:
    array = np.arange(12, dtype='>i4').reshape(3, 4)[:, ::2]
    for typed in (False, True):
        np.testing.assert_array_equal(tensors.to_array(tensors.to_proto(array, typed=typed)), array)


def proto(dtype: str, shape: list[int], **fields: object) -> object:
    built = messages.TensorProto(dtype=NUMBERS[dtype], **fields)
    for size in shape:
        built.tensor_shape.dim.add(size=size)
    return built


def test_short_typed_list_repeats_its_last_value() -> None:
    assert tensors.to_array(proto('DT_FLOAT', [4], float_val=[1, 2])).tolist() == [1, 2, 2, 2]
    assert tensors.to_array(proto('DT_STRING', [3], string_val=[b'x'])).tolist() == [b'x', b'x', b'x']
    assert tensors.to_array(proto('DT_COMPLEX64', [2], scomplex_val=[1, 2])).tolist() == [1 + 2j, 1 + 2j]


def test_empty_typed_list_is_zeros_and_a_longer_one_is_cut() -> None:
    assert tensors.to_array(proto('DT_INT32', [2])).tolist() == [0, 0]
    assert tensors.to_array(proto('DT_STRING', [1])).tolist() == [b'']
    assert tensors.to_array(proto('DT_INT64', [1], int64_val=[5, 6])).tolist() == [5]


def test_small_integers_wrap_as_in_tensorflow() -> None:
    assert tensors.to_array(proto('DT_UINT8', [2], int_val=[256, -1])).tolist() == [0, 255]


def test_integers_of_four_bits_and_quantised_ones_are_read_as_tensorflow_does() -> None:
    assert tensors.to_array(proto('DT_INT4', [3], int_val=[7, -1])).tolist() == [7, -1, -1]
    assert tensors.to_array(proto('DT_UINT4', [2], int_val=[-1, 2])).tolist() == [15, 2]
    quantised = tensors.to_array(proto('DT_QINT8', [3], int_val=[5, -1]))
    assert quantised.dtype.names == ('qint8',)
    assert quantised['qint8'].tolist() == [5, -1, -1]
    assert tensors.to_array(proto('DT_QUINT8', [2], tensor_content=b'\x01\xff'))['quint8'].tolist() == [
        1,
        255,
    ]


def test_strings_in_tensor_content_are_read() -> None:
    content = bytes([1, 0, 2]) + b'abc'
    assert tensors.to_array(proto('DT_STRING', [3], tensor_content=content)).tolist() == [b'a', b'', b'bc']


@pytest.mark.parametrize(
    ('dtype', 'shape', 'fields', 'says'),
    [
        (
            'DT_FLOAT',
            [3],
            {'tensor_content': b'12345'},
            r'does not fill a tensor of DT_FLOAT and shape \[3\]',
        ),
        ('DT_FLOAT', [-1], {'float_val': [1]}, 'must not be negative'),
        ('DT_FLOAT', [1 << 40], {'float_val': [1]}, 'is larger than'),
        ('DT_FLOAT', [1 << 40, 1 << 40, 0], {}, 'is too large'),
        ('DT_FLOAT', [1] * 65, {'float_val': [1]}, 'at most 64 dimensions'),
        ('DT_INVALID', [1], {}, 'DT_INVALID cannot be converted'),
        ('DT_RESOURCE', [], {}, 'DT_RESOURCE cannot be converted'),
        ('DT_VARIANT', [1], {'int_val': [1]}, 'DT_VARIANT cannot be converted'),
        ('DT_STRING', [2], {'tensor_content': b'\x01'}, 'too short for 2 strings'),
        ('DT_STRING', [1], {'tensor_content': b'\x05a'}, '1 bytes for strings of 5'),
        ('DT_STRING', [1], {'tensor_content': b'\xff'}, 'ends inside the lengths'),
        ('DT_STRING', [1], {'tensor_content': b'\xff' * 11}, 'ends inside the lengths'),
    ],
)
def test_a_message_that_is_not_a_tensor_is_refused(
    dtype: str, shape: list[int], fields: dict, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        tensors.to_array(proto(dtype, shape, **fields))


def test_a_tensor_without_repetition_may_have_any_size() -> None:
    size = (1 << 28) + 1
    assert len(tensors.to_array(proto('DT_UINT8', [size], tensor_content=bytes(size)))) == size


def test_memory_for_a_repeated_value_is_limited_by_the_argument() -> None:
    assert len(tensors.to_array(proto('DT_FLOAT', [100], float_val=[1]), 400)) == 100
    with pytest.raises(ValueError, match='repeats its last value 101 times is larger than 400 bytes'):
        tensors.to_array(proto('DT_FLOAT', [102], float_val=[1]), 400)


@pytest.mark.parametrize(
    'dtype', [np.float32, np.float64, '>f4', np.uint64, np.float16, np.complex64, np.object_]
)
def test_long_typed_lists_come_back_as_they_went(dtype: str | type) -> None:
    items = [b'a', b'b'] * 100_000
    array = np.array(items, object) if dtype == np.object_ else (np.arange(200_000) % 999).astype(dtype)
    if dtype == np.uint64:
        array[-1] = np.iinfo(np.uint64).max
    sent = tensors.to_proto(array, typed=True)
    np.testing.assert_array_equal(tensors.to_array(sent), array)
    np.testing.assert_array_equal(tensors.to_array(type(sent).FromString(sent.SerializeToString())), array)


SIZES = (-1, 0, 1, 2, 3, 7, 1 << 16, 1 << 31, 1 << 40, (1 << 62) + 1, (1 << 63) - 1, -(1 << 63))
FIELDS = {
    'float_val': 1.5, 'double_val': 2.5, 'int_val': -1, 'string_val': b'x\0', 'scomplex_val': 1.0, 'int64_val': 1 << 40,
    'bool_val': True, 'dcomplex_val': 2.0, 'half_val': 70_000, 'uint32_val': 5, 'uint64_val': (1 << 64) - 1,
}  # fmt: skip


@pytest.mark.parametrize('seed', range(20))
def test_any_message_is_a_tensor_or_refused_within_its_memory(seed: int) -> None:
    draw = random.Random(seed)
    outcomes = set()
    for _ in range(300):
        request = messages.TensorProto(dtype=draw.randrange(-1, 40))
        for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3, 70))):
            request.tensor_shape.dim.add(size=draw.choice(SIZES if draw.random() < 0.3 else SIZES[1:6]))
        for field in draw.sample(list(FIELDS), draw.choice((0, 1, 1, 11))):
            getattr(request, field).extend([FIELDS[field]] * draw.randrange(5))
        if draw.random() < 0.3:
            request.tensor_content = draw.randbytes(draw.choice((1, 2, 4, 8, 12, 100)))
        try:
            array = tensors.to_array(request, 1000)
        except ValueError:
            outcomes.add('refused')
            continue
        outcomes.add('tensor')
        assert list(array.shape) == [dim.size for dim in request.tensor_shape.dim]
        assert array.nbytes <= 1000 + 16 * request.ByteSize()
        np.testing.assert_array_equal(tensors.to_array(tensors.to_proto(array, typed=True)), array)
    assert outcomes == {'tensor', 'refused'}


def test_a_long_list_in_another_order_is_read_too() -> None:
    numbers = np.arange(5000, dtype=np.float32)
    sent = tensors.to_proto(numbers, typed=True)
    strange = b'\x9d\x06\x01\x02\x03\x04'  # an unknown field of four bytes
    for data in (strange + sent.SerializeToString(), sent.SerializeToString() + strange):
        np.testing.assert_array_equal(tensors.to_array(messages.TensorProto.FromString(data)), numbers)
    sent.float_val.append(7)
    np.testing.assert_array_equal(tensors.to_array(sent), numbers)


def test_unknown_rank_is_refused() -> None:
    request = messages.TensorProto(dtype=NUMBERS['DT_FLOAT'])
    request.tensor_shape.unknown_rank = True
    with pytest.raises(ValueError, match='unknown_rank'):
        tensors.to_array(request)


@pytest.mark.parametrize('value', [[[1], [1, 2]], [object()], np.array(['2020'], 'M8[Y]'), ['a', 1]])
def test_an_unsupported_value_is_a_value_error(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (numpy's own words for ragged lists)
        tensors.to_proto(value)  # type: ignore[arg-type]
