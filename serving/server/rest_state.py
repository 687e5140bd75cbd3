"""States, signatures, health and errors over REST."""

import json
from typing import Any

from google.protobuf import json_format

from vaiven.serving.common.status import StatusError
from vaiven.serving.server.api import Api
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


def models_outputs(api: Api) -> str:
    """Every model that is configured, in the order of the names, with the state of its versions, as JSON.

    It is ours: the stock server answers /v1/models with an error.
    """
    listed = []
    for name in api.manager.names():
        request = messages.GetModelStatusRequest()
        request.model_spec.name = name
        try:
            versions = _as_dict(api.status(request))['model_version_status']
        except StatusError:
            versions = []  # none has been found yet
        listed.append({'name': name, 'model_version_status': versions})
    return json.dumps({'models': listed}, indent=1, ensure_ascii=False)


def health(api: Api) -> tuple[int, str]:
    """HTTP status and body of /healthz: 200 as long as there is somebody to answer."""
    return 200, json.dumps({'status': 'draining' if api.draining else 'serving'})


def readiness(api: Api) -> tuple[int, str]:
    """HTTP status and body of /readyz: 200 if traffic should come here, else 503 and why not."""
    missing = api.manager.unready()
    ready = api.ready()
    body = {'ready': ready, 'draining': api.draining, 'models_not_ready': missing}
    return 200 if ready else 503, json.dumps(body, ensure_ascii=False)


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
    """The body of every answer that is an error; what is no UTF-8 in `text` is replaced."""
    text = text.encode('utf-8', 'surrogatepass').decode('utf-8', 'replace')
    return json.dumps({'error': text}, indent=4, ensure_ascii=False)
