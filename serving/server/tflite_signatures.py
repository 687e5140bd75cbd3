"""The SignatureDefs in the metadata of a TFLite model, as TensorFlow Serving reads them (tflite_session.cc)."""

import struct
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from vaiven.serving.common.status import invalid_argument
from vaiven.serving.wire import messages

METADATA = b'signature_defs_metadata'


def declared_signatures(data: bytes) -> dict[str, Any]:
    """The SignatureDefs in the metadata of a TFLite model, by name; empty if it has none.

    Args:
        data: content of the model file.

    Raises:
        StatusError: the metadata is damaged.
    """
    # Both are dependencies of TensorFlow, which is imported by now.
    from flatbuffers import flexbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAsModel(data, 0)
        for number in range(model.MetadataLength()):
            metadata = model.Metadata(number)
            if metadata.Name() == METADATA:
                content = model.Buffers(metadata.Buffer()).DataAsNumpy().tobytes()
                signatures = flexbuffers.GetRoot(content).AsMap
                keys = [key.AsKeyBytes.decode('utf-8') for key in signatures.Keys]
                return {
                    key: messages.SignatureDef.FromString(bytes(value.AsStringBytes))
                    for key, value in zip(keys, signatures.Values, strict=True)
                }
    # The readers of flatbuffers do not check offsets: damaged data ends in any of these.
    except (DecodeError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise invalid_argument(f'Invalid SignatureDefs found in TfLite model: {error}') from error
    return {}


def match_tensor_names(signatures: Mapping[str, Any], inputs: set[str], outputs: set[str]) -> None:
    """Replaces tensor names in `signatures` by those of the model: the converter may have dropped the `:0`.

    Args:
        signatures: SignatureDefs by name; changed in place.
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
    """The name of a tensor without its output index, such as `text` for `text:0`."""
    return tensor.partition(':')[0]
