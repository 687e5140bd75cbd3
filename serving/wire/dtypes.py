"""The dtypes that a TensorProto can carry: their DataType numbers, numpy dtypes, and fields."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaiven.serving.wire.messages import DataType

NUMBERS: dict[str, int] = {value.name: value.number for value in DataType.values}
NAMES: dict[int, str] = {number: name for name, number in NUMBERS.items()}

DT_STRING = NUMBERS['DT_STRING']
DT_BOOL = NUMBERS['DT_BOOL']

_FIELDS = {
    'DT_FLOAT': (np.float32, 'float_val'),
    'DT_DOUBLE': (np.float64, 'double_val'),
    'DT_INT32': (np.int32, 'int_val'),
    'DT_UINT8': (np.uint8, 'int_val'),
    'DT_INT16': (np.int16, 'int_val'),
    'DT_INT8': (np.int8, 'int_val'),
    'DT_UINT16': (np.uint16, 'int_val'),
    'DT_STRING': (np.object_, 'string_val'),
    'DT_COMPLEX64': (np.complex64, 'scomplex_val'),
    'DT_COMPLEX128': (np.complex128, 'dcomplex_val'),
    'DT_INT64': (np.int64, 'int64_val'),
    'DT_BOOL': (np.bool_, 'bool_val'),
    'DT_HALF': (np.float16, 'half_val'),
    'DT_UINT32': (np.uint32, 'uint32_val'),
    'DT_UINT64': (np.uint64, 'uint64_val'),
    # In numpy, TensorFlow defines these as structures of one field.
    'DT_QINT8': ([('qint8', np.int8)], 'int_val'),
    'DT_QUINT8': ([('quint8', np.uint8)], 'int_val'),
    'DT_QINT16': ([('qint16', np.int16)], 'int_val'),
    'DT_QUINT16': ([('quint16', np.uint16)], 'int_val'),
    'DT_QINT32': ([('qint32', np.int32)], 'int_val'),
}

# numpy has these only with the package ml_dtypes, a dependency of TensorFlow.
_ML_FIELDS = {
    'DT_BFLOAT16': ('bfloat16', 'half_val'),
    'DT_FLOAT8_E5M2': ('float8_e5m2', 'float8_val'),
    'DT_FLOAT8_E4M3FN': ('float8_e4m3fn', 'float8_val'),
    'DT_FLOAT8_E4M3FNUZ': ('float8_e4m3fnuz', 'float8_val'),
    'DT_FLOAT8_E4M3B11FNUZ': ('float8_e4m3b11fnuz', 'float8_val'),
    'DT_FLOAT8_E5M2FNUZ': ('float8_e5m2fnuz', 'float8_val'),
    'DT_INT4': ('int4', 'int_val'),
    'DT_UINT4': ('uint4', 'int_val'),
    'DT_INT2': ('int2', 'int_val'),
    'DT_UINT2': ('uint2', 'int_val'),
}


@dataclass(frozen=True)
class Kind:
    """One dtype.

    Attributes:
        name: name in DataType, such as `DT_FLOAT`.
        number: number in DataType.
        dtype: numpy's dtype; object for strings.
        field: the repeated field of TensorProto that carries its values.
    """

    name: str
    number: int
    dtype: np.dtype[Any]
    field: str

    @property
    def bits(self) -> type[np.uint16] | None:
        """The integer dtype in which `half_val` carries 16-bit floats; None for other fields."""
        return np.uint16 if self.field == 'half_val' else None

    @property
    def plain(self) -> np.dtype[Any]:
        """The integer dtype of a quantised dtype; `dtype` itself for all others."""
        return self.dtype[0] if self.dtype.names else self.dtype

    @property
    def parts(self) -> np.dtype[Any]:
        """The dtype of the real and the imaginary part of a complex dtype."""
        return np.dtype(f'f{self.dtype.itemsize // 2}')

    @property
    def short_name(self) -> str:
        """The name in TensorFlow's messages: `float`, `int32`, `string`."""
        return self.name.removeprefix('DT_').lower()


_BY_NUMBER = {
    NUMBERS[name]: Kind(name, NUMBERS[name], np.dtype(dtype), field)  # type: ignore[call-overload]  # numpy's stubs want literals
    for name, (dtype, field) in _FIELDS.items()
}
_BY_DTYPE = {kind.dtype: kind for kind in _BY_NUMBER.values()}


def kind_of_number(number: int) -> Kind:
    """The kind with this DataType number. Raises ValueError if this module does not support it."""
    kind = _BY_NUMBER.get(number)
    if kind is not None:
        return kind
    name = NAMES.get(number, str(number))
    if name in _ML_FIELDS:
        try:
            import ml_dtypes
        except ImportError:
            raise ValueError(f'{name} needs the package ml_dtypes') from None
        dtype_name, field = _ML_FIELDS[name]
        kind = Kind(name, number, np.dtype(getattr(ml_dtypes, dtype_name)), field)
        _BY_NUMBER[number] = _BY_DTYPE[kind.dtype] = kind
        return kind
    raise ValueError(f'tensors of dtype {name} cannot be converted; known: ' + ', '.join(_FIELDS))


def kind_of_array(array: NDArray[Any]) -> Kind:
    """The kind of an array's dtype, whatever its byte order. Raises ValueError if TensorFlow has no such dtype."""
    kind = _BY_DTYPE.get(array.dtype)
    if kind is None:
        if array.dtype.kind in 'SUOT':  # bytes, str, object, and numpy 2's StringDType
            return _BY_NUMBER[DT_STRING]
        dtype = array.dtype.newbyteorder('=')
        if dtype in _BY_DTYPE:
            return _BY_DTYPE[dtype]
        number = NUMBERS.get(f'DT_{dtype.name.upper()}')
        if number is None:
            raise ValueError(f'arrays of dtype {dtype} cannot be converted; known: ' + ', '.join(_FIELDS))
        kind = kind_of_number(number)
    return kind
