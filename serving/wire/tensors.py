"""Arrays to TensorProto and back, for every dtype that numpy has, and strings.

Strings are arrays of dtype object whose items are `bytes`. Both ways of carrying values are read: the raw
`tensor_content`, and the typed list, whose last value is repeated when it is shorter than the tensor.
"""

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vaiven.serving.wire import messages
from vaiven.serving.wire.dtypes import DT_BOOL, DT_STRING, Kind, kind_of_array, kind_of_number
from vaiven.serving.wire.strings import decode_strings, packed_field, varint

# A message of 20 bytes can ask for any size by repeating one value: no more than could be sent in full.
MAX_REPEATED_BYTES = 1 << 26
# Values that are converted in one call of C, which lets no other thread run.
_AT_ONCE = 1 << 16
# Values of which it pays to read and write the bytes of the message.
_MANY = 1 << 10
# Fields whose values stand in a message as they do in memory.
_RAW_FIELDS = ('float_val', 'double_val')
# What a string takes in numpy and TensorFlow beside its bytes.
STRING_BYTES = 64
# As many as numpy allows, and fewer than TensorFlow's 254.
MAX_DIMENSIONS = 64
# numpy multiplies the other dimensions even where one is 0, and refuses what does not fit its sizes.
_MAX_PRODUCT = np.iinfo(np.int64).max // 16


def to_proto(value: ArrayLike, dtype: DTypeLike | None = None, *, typed: bool = False) -> Any:
    """A TensorProto of `value`.

    Args:
        value: an array, a number, a string, or nested lists of these.
        dtype: what to convert to; None keeps the array's own (Python floats become float32, integers int32
            where they fit, as TensorFlow does).
        typed: write the typed list, as a server's answer has it, rather than `tensor_content`. Strings are
            always a typed list.

    Raises:
        ValueError: the lists are ragged, or the dtype cannot travel.
    """
    proto = messages.TensorProto()
    write_proto(proto, value, dtype, typed=typed)
    return proto


def write_proto(proto: Any, value: ArrayLike, dtype: DTypeLike | None = None, *, typed: bool = False) -> None:
    """Like `to_proto`, into an empty TensorProto that is there already, which spares a copy."""
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
    """The array that a TensorProto holds. It may be read-only; it shares memory with no message.

    Args:
        proto: a TensorProto, of these messages or of TensorFlow's own.
        max_repeated_bytes: how much memory a last value that is repeated may take. A tensor that stands in the
            message in full is as large as the message, and may have any size.

    Raises:
        ValueError: no such dtype, a negative or unknown dimension, too large, or values that do not fill it.
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
    """The sizes in a TensorShapeProto. Raises ValueError where it is not fully known or has too many."""
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
        # Not numpy's own string dtypes: they drop NUL bytes at the end.
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
            # Those of 2 and 4 bits, too, which numpy does not know.
            flat = (flat.view(kind.plain) if flat.dtype.names else flat).astype(np.int32)
        field = getattr(proto, kind.field)
        for start in range(0, len(flat), _AT_ONCE):
            part = flat[start : start + _AT_ONCE]
            if kind.field in _RAW_FIELDS and len(flat) > _MANY:
                proto.MergeFromString(_packed(proto, kind.field, part))
            else:
                field.extend(part.tolist())


def _packed(proto: Any, field: str, part: NDArray[Any]) -> bytes:
    """`part` as it stands in a serialized message: ten times as fast as one by one."""
    data = part.astype(part.dtype.newbyteorder('<'), copy=False).tobytes()
    tag = proto.DESCRIPTOR.fields_by_name[field].number << 3 | 2
    return bytes([tag]) + varint(len(data)) + data


def _unpacked(proto: Any, field: str, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """The numbers of a long field, from the bytes of the message; None where they are not found at once."""
    count, number = len(getattr(proto, field)), proto.DESCRIPTOR.fields_by_name[field].number
    data = proto.SerializeToString()
    found = packed_field(data, number)
    if found is None or found[1] - found[0] != count * dtype.itemsize:
        return None
    return np.frombuffer(data, dtype.newbyteorder('<'), count, found[0]).astype(dtype, copy=False)


def _read_typed(proto: Any, kind: Kind) -> NDArray[Any]:
    """The values as they stand in the typed list, fewer or more than the tensor has."""
    values = getattr(proto, kind.field)
    if kind.number == DT_STRING:
        items = np.empty(len(values), object)
        for start in range(0, len(values), _AT_ONCE):
            items[start : start + _AT_ONCE] = values[start : start + _AT_ONCE]
        return items
    if kind.field == 'float8_val':
        return np.frombuffer(values, np.uint8).view(kind.dtype)
    if kind.bits is not None:
        return _numbers(values, np.dtype(np.int32)).astype(kind.bits).view(kind.dtype)
    if kind.field in _RAW_FIELDS and len(values) > _MANY:
        unpacked = _unpacked(proto, kind.field, kind.dtype)
        if unpacked is not None:
            return unpacked
    if kind.dtype.kind == 'c':
        parts = _numbers(values, kind.parts)
        return parts[: len(parts) // 2 * 2].view(kind.dtype)
    # int_val carries everything up to 32 bits; what is out of range wraps, as in TensorFlow.
    source = np.dtype(np.int32) if kind.field == 'int_val' else kind.dtype
    return _numbers(values, source).astype(kind.plain, copy=False).view(kind.dtype)


def _numbers(values: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The numbers of a repeated field."""
    if len(values) <= _AT_ONCE:
        return np.fromiter(values, dtype, len(values))
    array = np.empty(len(values), dtype)
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
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
        # Any byte but 0 and 1 is undefined behaviour in C++.
        array = array.view(np.uint8) != 0
    return array.reshape(shape)
