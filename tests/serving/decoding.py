"""Properties that hold for any input of a decoder; the property tests and the fuzzer share these checks.

Each check takes bytes, and fails with anything that is not the one error that its decoder may raise.
"""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from vaiven.serving.common import textproto
from vaiven.serving.common.status import StatusError
from vaiven.serving.server import (
    batching_parameters,
    json_document,
    json_values,
    model_config,
    rest_examples,
    rest_predict,
    rest_state,
)
from vaiven.serving.server.json_exact import ENCODING
from vaiven.serving.wire import messages, tensors
from vaiven.serving.wire.dtypes import DT_STRING, NUMBERS, kind_of_number
from vaiven.serving.wire.strings import decode_strings

# What a tensor may take for each byte of its message, and for no byte at all.
BYTES_PER_BYTE = 64
BYTES_AT_LEAST = tensors.MAX_REPEATED_BYTES
# Inputs of signatures of every form: one of each dtype, two, and one that JSON cannot carry.
SIGNATURES = [
    *({'x': SimpleNamespace(dtype=number)} for name, number in NUMBERS.items() if name != 'DT_INVALID'),
    {'x': SimpleNamespace(dtype=NUMBERS['DT_FLOAT']), 'text': SimpleNamespace(dtype=DT_STRING)},
]


def check_tensor(data: bytes) -> None:
    """A TensorProto is an array of its shape and dtype, or a ValueError."""
    try:
        proto = messages.TensorProto.FromString(data)
        array = tensors.to_array(proto)
    except (DecodeError, ValueError):
        return
    assert array.shape == tuple(dim.size for dim in proto.tensor_shape.dim)
    assert array.dtype == kind_of_number(proto.dtype).dtype
    assert array.nbytes <= BYTES_AT_LEAST + BYTES_PER_BYTE * len(data)
    if array.nbytes > 1 << 16:
        return
    if proto.dtype == DT_STRING:
        assert all(type(item) is bytes for item in array.ravel())
        assert sum(map(len, array.ravel())) <= BYTES_AT_LEAST + len(data)
    for typed in (False, True):
        back = tensors.to_array(tensors.to_proto(array, typed=typed))
        assert (back.shape, back.dtype) == (array.shape, array.dtype)
        # A signalling NaN may become a quiet one.
        assert proto.dtype == DT_STRING or typed or back.tobytes() == array.tobytes()
        assert np.all((back == array) | (back != back))


def check_strings(data: bytes) -> None:
    """Bytes are the requested number of strings, or a ValueError; the first byte is that number."""
    count, content = (data[0], data[1:]) if data else (0, b'')
    try:
        found = decode_strings(content, count)
    except ValueError:
        return
    assert len(found) == count
    assert content.endswith(b''.join(found))


def check_predict(data: bytes) -> None:
    """A body is tensors for the inputs of the signature, or a StatusError; the first byte picks the signature."""
    picked, body = (data[0], data[1:]) if data else (0, b'')
    inputs = SIGNATURES[picked % len(SIGNATURES)]
    try:
        values = json_document.parse(body)
        rest_predict.read_signature_name(values)
        arrays, _ = rest_predict.predict_inputs(values, inputs)
    except StatusError as error:
        _check_error(error)
        return
    assert arrays.keys() == inputs.keys()
    for name, array in arrays.items():
        assert array.dtype == kind_of_number(inputs[name].dtype).dtype
        texts = json_values.from_tensor(array)
        assert len(texts) == math.prod(array.shape)
        back = json_values.to_tensor(
            [json_document.parse(b'{"x": %s}' % _bytes(item))['x'] for item in texts], inputs[name].dtype
        )
        np.testing.assert_array_equal(back, array.ravel())


def check_examples(data: bytes) -> None:
    """A body is examples, or a StatusError."""
    try:
        built = rest_examples.examples_input(json_document.parse(data), 'classify')
    except StatusError as error:
        _check_error(error)
        return
    assert messages.Input.FromString(built.SerializeToString()) is not None


def check_model_config(data: bytes) -> None:
    """A text is models, or an error that says why."""
    _check_text(data, messages.ModelServerConfig, model_config.models)


def check_batching(data: bytes) -> None:
    """A text is batching parameters, or an error that says why."""
    _check_text(data, messages.BatchingParameters, batching_parameters.from_proto)


def _check_text(data: bytes, message_class: Any, read: Callable[[Any], Any]) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        read(textproto.parse(text, message_class(), messages.pool))
    except textproto.TextProtoError as error:
        told = str(error)
    except StatusError as error:
        _check_error(error)
        return
    else:
        return
    assert told.isprintable()


def _check_error(error: StatusError) -> None:
    """The error can be sent, over REST and over gRPC."""
    assert json_document.parse(rest_state.error_output(error.message).encode())['error']


def _bytes(text: str) -> bytes:
    return text.encode(*ENCODING)


CHECKS: dict[str, Callable[[bytes], None]] = {
    'tensor': check_tensor,
    'strings': check_strings,
    'predict': check_predict,
    'examples': check_examples,
    'model_config': check_model_config,
    'batching': check_batching,
}
