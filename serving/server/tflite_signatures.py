"""The SignatureDefs in the metadata of a TFLite model, which TensorFlow Serving reads."""

import struct
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from vaiven.serving.common.status import invalid_argument
from vaiven.serving.wire import messages

METADATA = b'signature_defs_metadata'


def declared_signatures(data: bytes) -> dict[str, Any]:
    """SignatureDefs by name in the metadata of the model `data`, none if there are none.

    Raises:
        StatusError: the metadata are damaged.
    """
    # Both come with TensorFlow.
    from flatbuffers import flexbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAsModel(data, 0)
        for number in range(model.MetadataLength()):
            metadata = model.Metadata(number)
            if metadata.Name() == METADATA:
                content = model.Buffers(metadata.Buffer()).DataAsNumpy().tobytes()
                found = flexbuffers.GetRoot(content).AsMap
                keys = [key.AsKeyBytes.decode('utf-8') for key in found.Keys]
                return {
                    key: messages.SignatureDef.FromString(bytes(value.AsStringBytes))
                    for key, value in zip(keys, found.Values, strict=True)
                }
    except (DecodeError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise invalid_argument(f'Invalid SignatureDefs found in TfLite model: {error}') from error
    return {}


def fit_names(signatures: Mapping[str, Any], inputs: set[str], outputs: set[str]) -> None:
    """Makes `signatures` name tensors of the model, whose names may lack the `:0` of TensorFlow's.

    Args:
        signatures: SignatureDefs by name; changed.
        inputs, outputs: names of the model's tensors.

    Raises:
        StatusError: a signature names a tensor that the model does not have.
    """
    for signature in signatures.values():
        for side, infos, known in (
            ('input', signature.inputs, inputs),
            ('output', signature.outputs, outputs),
        ):
            for alias, info in infos.items():
                if info.name not in known and plain_name(info.name) in known:
                    info.name = plain_name(info.name)
                if info.name not in known:
                    raise invalid_argument(
                        f"Signature {side} {alias} references an unknown tensor: Unknown tensor '{info.name}'."
                    )


def plain_name(tensor: str) -> str:
    """The name of a tensor without the number of the output."""
    return tensor.partition(':')[0]
