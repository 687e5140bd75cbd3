"""The JSON of states, signatures, health and errors."""

import json
from typing import Any

from google.protobuf import json_format

from vaiven.serving.common.status import StatusError
from vaiven.serving.server.api import Api
from vaiven.serving.wire import messages


def _as_dict(message: Any) -> dict[str, Any]:
    # Upstream prints proto names, defaults, and 64-bit integers as strings; `json_format` does so with these options.
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        descriptor_pool=messages.pool,
    )


def status_outputs(response: Any) -> str:
    """A GetModelStatusResponse as JSON."""
    return json.dumps(_as_dict(response), indent=1, ensure_ascii=False)


def models_outputs(api: Api) -> str:
    """All configured models, sorted by name, with the states of their versions, as JSON.

    The stock server has no such list: it answers /v1/models with an error.
    """
    models = []
    for name in api.manager.names():
        request = messages.GetModelStatusRequest()
        request.model_spec.name = name
        try:
            versions = _as_dict(api.status(request))['model_version_status']
        except StatusError:
            versions = []  # its base path has not been read yet
        models.append({'name': name, 'model_version_status': versions})
    return json.dumps({'models': models}, indent=1, ensure_ascii=False)


def health(api: Api) -> tuple[int, str]:
    """HTTP status and body of /healthz: 200 as long as the process answers."""
    return 200, json.dumps({'status': 'draining' if api.draining else 'serving'})


def readiness(api: Api) -> tuple[int, str]:
    """HTTP status and body of /readyz: 200 if requests should be sent here, else 503 with the reasons."""
    ready = api.ready()
    body = {'ready': ready, 'draining': api.draining, 'models_not_ready': api.manager.unready()}
    return 200 if ready else 503, json.dumps(body, ensure_ascii=False)


def metadata_outputs(response: Any) -> str:
    """A GetModelMetadataResponse as JSON, with its signatures unpacked."""
    signatures = messages.SignatureDefMap()
    response.metadata['signature_def'].Unpack(signatures)
    spec = _as_dict(response.model_spec)
    return json.dumps(
        {'model_spec': spec, 'metadata': {'signature_def': _as_dict(signatures)}},
        indent=1,
        ensure_ascii=False,
    )


def error_output(text: str) -> str:
    """The body of an error response. Characters of `text` that UTF-8 cannot encode are replaced."""
    text = text.encode('utf-8', 'surrogatepass').decode('utf-8', 'replace')
    # Upstream's indentation: four spaces of RapidJSON here, and one of protobuf above.
    return json.dumps({'error': text}, indent=4, ensure_ascii=False)
