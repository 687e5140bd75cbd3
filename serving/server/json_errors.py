"""Finds the first error in JSON that is not a tensor, and raises it with the stock server's message."""

import base64
import binascii
from typing import Any

import numpy as np

from vaiven.serving.common.status import Code, StatusError, invalid_argument
from vaiven.serving.server.json_document import encode_text, is_base64, is_too_big, show, type_name
from vaiven.serving.wire.dtypes import Kind

MAX_DIMENSIONS = 64  # numpy's limit; TensorFlow allows 254
_KINDS = ('DT_STRING', 'DT_FLOAT', 'DT_DOUBLE', 'DT_BOOL')  # and the integers
_WHITE_SPACE = {ord(character): None for character in ' \t\n\v\f\r'}
# Characters of base64 per call; a call holds the interpreter lock. A multiple of four.
_DECODED_AT_ONCE = 1 << 20


def shape_of(value: Any) -> list[int]:
    """The shape of nested lists, along the first elements. Raises StatusError for too many dimensions."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > MAX_DIMENSIONS:
            raise invalid_argument(
                f'Encountered list at unexpected level: {MAX_DIMENSIONS} expected < {MAX_DIMENSIONS}'
            )
        if not value:
            break
        value = value[0]
    return shape


def raise_first_error(value: Any, kind: Kind) -> None:
    """Raises StatusError for the first error that keeps `value` from being a tensor; returns if there is none."""
    shape = shape_of(value)
    rank = len(shape)
    stack = [iter([value])]  # not by recursion: a client may send any depth
    while stack:
        for item in stack[-1]:
            level = len(stack) - 1
            if not isinstance(item, list):
                if level != rank:
                    raise invalid_argument(
                        f'JSON Value: {show(item)} found at incorrect level: {level + 1} in the JSON DOM. '
                        f'Expected at level: {rank}'
                    )
                check_leaf(item, kind)
                continue
            if level >= rank:
                raise invalid_argument(f'Encountered list at unexpected level: {level} expected < {rank}')
            if len(item) != shape[level]:
                raise invalid_argument(
                    f'Encountered list at unexpected size: {len(item)} at level: {level} '
                    f'expected size: {shape[level]}'
                )
            stack.append(iter(item))
            break
        else:
            stack.pop()


def check_leaf(value: Any, kind: Kind) -> None:
    """Raises StatusError if `value`, which is not a list, does not have the dtype."""
    if kind.name == 'DT_STRING':
        to_bytes(value, kind)
    elif isinstance(value, dict):
        raise _type_error(value, kind)
    elif kind.name in ('DT_FLOAT', 'DT_DOUBLE'):
        if type(value) not in (int, float):
            raise _type_error(value, kind)
        if number_is_too_big(value):
            raise too_big_error()
    elif kind.name == 'DT_BOOL':
        if not isinstance(value, bool):
            raise _type_error(value, kind)
    elif kind.dtype.kind in 'iu':
        limits = np.iinfo(kind.dtype)
        if type(value) is not int or not limits.min <= value <= limits.max:
            raise _type_error(value, kind)
    else:
        check_kind(kind, value)


def check_kind(kind: Kind, value: Any) -> None:
    """Raises StatusError if JSON cannot represent the dtype."""
    if kind.name not in _KINDS and kind.dtype.kind not in 'iu':
        raise StatusError(
            Code.UNIMPLEMENTED, f'Conversion of JSON Value: {show(value)} to type: {kind.short_name}'
        )


def _type_error(value: Any, kind: Kind) -> StatusError:
    return invalid_argument(
        f'JSON Value: {show(value)} Type: {type_name(value)} is not of expected type: {kind.short_name}'
    )


def number_is_too_big(value: float) -> bool:
    """Whether a number is beyond the range of a double, and was not written as a constant such as `Infinity`."""
    try:
        return is_too_big(float(value)) if isinstance(value, int) else is_too_big(value)
    except OverflowError:
        return True


def too_big_error() -> StatusError:
    """The error for a number beyond the range of a double."""
    return invalid_argument('JSON Parse error: Number too big to be stored in double.')


def to_bytes(value: Any, kind: Kind) -> bytes:
    """The bytes of a JSON string or `{"b64": …}`. Raises StatusError for other values."""
    if isinstance(value, str):
        return encode_text(value)
    if isinstance(value, dict):
        if not is_base64(value):
            raise invalid_argument(f'JSON Value: {show(value)} not formatted correctly for base64 data')
        return decode_base64(value['b64'])
    raise _type_error(value, kind)


def decode_base64(text: str) -> bytes:
    """The bytes of a base64 string. Raises StatusError if it is invalid.

    As upstream (absl::Base64Unescape), white space is skipped and padding is optional, but wrong padding is an error.
    """
    digits = text.translate(_WHITE_SPACE) if not text.isalnum() else text
    bare = digits.rstrip('=.')
    missing = -len(bare) % 4
    if missing == 3 or len(digits) - len(bare) not in (0, missing):
        raise invalid_argument('Unable to base64 decode')
    padded = bare + '=' * missing
    try:
        return b''.join(
            base64.b64decode(padded[start : start + _DECODED_AT_ONCE], validate=True)
            for start in range(0, len(padded), _DECODED_AT_ONCE)
        )
    except (binascii.Error, ValueError):
        raise invalid_argument('Unable to base64 decode') from None
