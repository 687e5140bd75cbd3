"""Conversion between arrays and TensorProto, for all dtypes of numpy and for strings.

String arrays have the dtype object, with items of type `bytes`. Both representations of values are read: the raw
`tensor_content`, and the typed lists. A typed list that is shorter than the tensor repeats its last value.
"""

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vaiven.serving.wire import messages
from vaiven.serving.wire.dtypes import DT_BOOL, DT_STRING, Kind, kind_of_array, kind_of_number
from vaiven.serving.wire.strings import decode_strings, packed_field, varint

# A message of 20 bytes can declare a tensor of any size by repeating one value. The limit is the default maximum size
# of a request.
MAX_REPEATED_BYTES = 1 << 26
# Values per call of C, which holds Python's interpreter lock.
_CHUNK = 1 << 16
# From this many values on, the bytes of the message are read and written directly, which is ten times as fast.
_RAW_THRESHOLD = 1 << 10
# Packed fields whose bytes are those of a little-endian array.
_RAW_FIELDS = ('float_val', 'double_val')
# Memory of a string in numpy and TensorFlow in addition to its bytes.
STRING_BYTES = 64
# The limit of numpy; TensorFlow's is 254.
MAX_DIMENSIONS = 64
# numpy multiplies all dimensions but zeros, and raises if the product exceeds its sizes.
_MAX_PRODUCT = np.iinfo(np.int64).max // 16


def to_proto(value: ArrayLike, dtype: DTypeLike | None = None, *, typed: bool = False) -> Any:
    """A TensorProto with the values of `value`.

    Args:
        value: an array, a number, a string, or nested lists of these.
        dtype: the dtype of the tensor; None for that of the array. As in TensorFlow, Python floats are float32, and
            integers are int32 if they fit.
        typed: whether to write typed lists, as a server's response does, and not `tensor_content`. Strings are always
            typed lists.

    Raises:
        ValueError: the lists are ragged, or TensorProto does not support the dtype.
    """
    proto = messages.TensorProto()
    write_proto(proto, value, dtype, typed=typed)
    return proto


def write_proto(proto: Any, value: ArrayLike, dtype: DTypeLike | None = None, *, typed: bool = False) -> None:
    """Writes an array to an empty TensorProto in place, which saves the copy that `to_proto` would need.

    Args:
        proto: the empty TensorProto.
        value: an array, a number, a string, or nested lists of these.
        dtype: the dtype of the tensor; None for that of the array, as for `to_proto`.
        typed: whether to write typed lists, and not `tensor_content`.

    Raises:
        ValueError: the lists are ragged, or TensorProto does not support the dtype.
    """
    array = _as_array(value, dtype)
    kind = kind_of_array(array)
    proto.dtype = kind.number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if kind.number == DT_STRING:
        proto.string_val.extend(_as_bytes(item) for item in array.ravel().tolist())
    elif typed:
        _write_typed(proto, kind, array)
    else:
        proto.tensor_content = np.ascontiguousarray(array, array.dtype.newbyteorder('<')).tobytes()


def to_array(proto: Any, max_repeated_bytes: int = MAX_REPEATED_BYTES) -> NDArray[Any]:
    """The array in a TensorProto. It may be read-only, and shares no memory with the message.

    Args:
        proto: a TensorProto of this project or of TensorFlow.
        max_repeated_bytes: maximum memory of a repeated last value. Tensors without repetition are limited by the size
            of the message only.

    Raises:
        ValueError: the dtype is not supported, a dimension is negative or unknown, the tensor is too large, or its
            values do not match its shape.
    """
    kind = kind_of_number(proto.dtype)
    shape = shape_of(proto.tensor_shape)
    count = math.prod(shape)
    content = proto.tensor_content
    if content:
        return _from_content(content, kind, count, shape)
    values = _read_typed(proto, kind)
    if len(values) != count:
        _check_repeated(values, kind, count, max_repeated_bytes)
        values = _fill(values, kind, count)
    return values if len(shape) == 1 else values.reshape(shape)


def shape_of(proto: Any) -> tuple[int, ...]:
    """The shape in a TensorShapeProto. Raises ValueError if it is not fully known, or has too many dimensions."""
    if proto.unknown_rank:
        raise ValueError('the shape of a tensor must be known; received: unknown_rank')
    shape = tuple([dim.size for dim in proto.dim])
    if len(shape) > MAX_DIMENSIONS:
        raise ValueError(f'tensors have at most {MAX_DIMENSIONS} dimensions; received: {len(shape)}')
    if shape and min(shape) < 0:
        raise ValueError(f'the dimensions of a tensor must not be negative; received: {_text(shape)}')
    if math.prod([size for size in shape if size]) > _MAX_PRODUCT:
        raise ValueError(f'tensor of shape {_text(shape)} is too large')
    return shape


def _text(shape: tuple[int, ...]) -> str:
    return '[' + ','.join(map(str, shape)) + ']'


def _as_array(value: ArrayLike, dtype: DTypeLike | None) -> NDArray[Any]:
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value, dtype)
    if dtype is None and isinstance(_first(value), str | bytes):
        # The string dtypes of numpy would drop NUL bytes at the end.
        return np.asarray(value, object)
    array = np.asarray(value, dtype)
    if dtype is None:
        if array.dtype == np.float64:
            return array.astype(np.float32)
        if array.dtype == np.int64 and array.size and _fits_int32(array):
            return array.astype(np.int32)
    return array


def _first(value: Any) -> object:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return value


def _fits_int32(array: NDArray[Any]) -> bool:
    limits = np.iinfo(np.int32)
    return bool(limits.min <= array.min() and array.max() <= limits.max)


def _as_bytes(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode('utf-8')
    raise ValueError(f'a tensor of strings takes str and bytes; received: {type(item).__name__}')


def _write_typed(proto: Any, kind: Kind, array: NDArray[Any]) -> None:
    flat = np.ascontiguousarray(array).ravel()
    if kind.bits is not None:
        flat = flat.view(kind.bits)
    if kind.field == 'float8_val':
        proto.float8_val = flat.tobytes()
    else:
        if flat.dtype.kind == 'c':
            flat = flat.view(flat.real.dtype)
        elif kind.field == 'int_val':
            # Also integers of 2 and 4 bits, which only ml_dtypes can convert.
            flat = (flat.view(kind.plain) if flat.dtype.names else flat).astype(np.int32)
        field = getattr(proto, kind.field)
        for start in range(0, len(flat), _CHUNK):
            part = flat[start : start + _CHUNK]
            if kind.field in _RAW_FIELDS and len(flat) > _RAW_THRESHOLD:
                proto.MergeFromString(_packed(proto, kind.field, part))
            else:
                field.extend(part.tolist())


def _packed(proto: Any, field: str, part: NDArray[Any]) -> bytes:
    """A packed field with the values of `part`, serialized: ten times as fast as to append them."""
    data = part.astype(part.dtype.newbyteorder('<'), copy=False).tobytes()
    tag = proto.DESCRIPTOR.fields_by_name[field].number << 3 | 2  # wire type 2: length-delimited
    return bytes([tag]) + varint(len(data)) + data


def _unpacked(proto: Any, field: str, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """The values of a packed field, from the serialized message; None if they are not in one block."""
    count, number = len(getattr(proto, field)), proto.DESCRIPTOR.fields_by_name[field].number
    data = proto.SerializeToString()
    content = packed_field(data, number)
    if content is None or content[1] - content[0] != count * dtype.itemsize:
        return None
    return np.frombuffer(data, dtype.newbyteorder('<'), count, content[0]).astype(dtype, copy=False)


def _read_typed(proto: Any, kind: Kind) -> NDArray[Any]:
    """The values of the typed list; there may be fewer or more than the tensor has."""
    values = getattr(proto, kind.field)
    if kind.number == DT_STRING:
        items = np.empty(len(values), object)
        for start in range(0, len(values), _CHUNK):
            items[start : start + _CHUNK] = values[start : start + _CHUNK]
        return items
    if kind.field == 'float8_val':
        return np.frombuffer(values, np.uint8).view(kind.dtype)
    if kind.bits is not None:
        return _numbers(values, np.dtype(np.int32)).astype(kind.bits).view(kind.dtype)
    if kind.field in _RAW_FIELDS and len(values) > _RAW_THRESHOLD:
        unpacked = _unpacked(proto, kind.field, kind.dtype)
        if unpacked is not None:
            return unpacked
    if kind.dtype.kind == 'c':
        parts = _numbers(values, kind.parts)
        return parts[: len(parts) // 2 * 2].view(kind.dtype)
    # `int_val` carries all integers of up to 32 bits. Values out of range wrap around, as in TensorFlow.
    source = np.dtype(np.int32) if kind.field == 'int_val' else kind.dtype
    return _numbers(values, source).astype(kind.plain, copy=False).view(kind.dtype)


def _numbers(values: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values of a repeated field of numbers."""
    if len(values) <= _CHUNK:
        return np.fromiter(values, dtype, len(values))
    array = np.empty(len(values), dtype)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK]
        array[start : start + len(part)] = np.fromiter(part, dtype, len(part))
    return array


def _check_repeated(values: NDArray[Any], kind: Kind, count: int, max_bytes: int) -> None:
    size = kind.dtype.itemsize
    if kind.number == DT_STRING:
        size = STRING_BYTES + (len(values[-1]) if len(values) else 0)
    if (count - len(values)) * size > max_bytes:
        raise ValueError(
            f'a tensor that repeats its last value {count - len(values)} times is larger than {max_bytes} bytes'
        )


def _fill(values: NDArray[Any], kind: Kind, count: int) -> NDArray[Any]:
    if len(values) > count:
        return values[:count]
    filled = np.empty(count, kind.dtype)
    filled[: len(values)] = values
    filled[len(values) :] = values[-1] if len(values) else (b'' if kind.number == DT_STRING else 0)
    return filled


def _from_content(content: bytes, kind: Kind, count: int, shape: tuple[int, ...]) -> NDArray[Any]:
    if kind.number == DT_STRING:
        strings = decode_strings(content, count)
        items = np.empty(count, object)
        items[:] = strings
        return items.reshape(shape)
    expected = count * kind.dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f'tensor_content of {len(content)} bytes does not fill a tensor of {kind.name} '
            f'and shape {_text(shape)}, which takes {expected}'
        )
    array = np.frombuffer(content, kind.dtype)
    if sys.byteorder == 'big':
        array = array.byteswap()
    if kind.number == DT_BOOL:
        # As a bool in C++, a byte other than 0 and 1 is undefined behaviour.
        array = array.view(np.uint8) != 0
    return array.reshape(shape)
