"""States, signatures and errors over REST."""

import json
from typing import Any

from google.protobuf import json_format

from vaiven.serving.wire import messages


def _as_dict(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        descriptor_pool=messages.pool,
    )


def status_outputs(response: Any) -> str:
    """A GetModelStatusResponse as JSON."""
    return json.dumps(_as_dict(response), indent=1, ensure_ascii=False)


def metadata_outputs(response: Any) -> str:
    """A GetModelMetadataResponse as JSON, with the signatures written out."""
    signatures = messages.SignatureDefMap()
    response.metadata['signature_def'].Unpack(signatures)
    spec = _as_dict(response.model_spec)
    return json.dumps(
        {'model_spec': spec, 'metadata': {'signature_def': _as_dict(signatures)}},
        indent=1,
        ensure_ascii=False,
    )


def error_output(text: str) -> str:
    """The body of every answer that is an error."""
    return json.dumps({'error': text}, indent=4, ensure_ascii=False)
