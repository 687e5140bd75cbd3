"""REST: the same requests as JSON over HTTP, with the standard library alone."""

import base64
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import RequestError, request_error
from vaiven.serving.client.results import Metadata, Signature, Target, TensorSpec, VersionStatus
from vaiven.serving.client.transport import Arrays, Features

CODES = {
    400: 'INVALID_ARGUMENT',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
    409: 'ABORTED',
    413: 'RESOURCE_EXHAUSTED',
    429: 'RESOURCE_EXHAUSTED',
    501: 'UNIMPLEMENTED',
    503: 'UNAVAILABLE',
    504: 'DEADLINE_EXCEEDED',
}


class RestTransport:
    """A `Transport` over HTTP. The configuration of a server cannot be changed this way."""

    def __init__(self, url: str, connection: Connection) -> None:
        """Raises ServingError where a certificate cannot be used."""
        self.address = url.rstrip('/')
        self._max_bytes = connection.max_message_bytes
        self._attempts = connection.attempts
        self._headers = {'Content-Type': 'application/json', **dict(connection.headers())}
        # A proxy of the environment is for the way out, never for a model server.
        handlers: list[Any] = [urllib.request.ProxyHandler({})]
        if (context := connection.ssl_context()) is not None:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def predict(
        self, target: Target, inputs: Mapping[str, ArrayLike], outputs: Sequence[str], timeout: float
    ) -> Arrays:
        body: dict[str, Any] = {
            'inputs': {name: _to_json(np.asarray(value)) for name, value in inputs.items()}
        }
        if target.signature:
            body['signature_name'] = target.signature
        answer = self._call(_path(target) + ':predict', target, timeout, body)['outputs']
        if isinstance(answer, dict):
            arrays = {name: _from_json(value) for name, value in answer.items()}
        else:  # a signature with one output: the answer does not name it
            arrays = {self._only_output(target, timeout): _from_json(answer)}
        missing = [name for name in outputs if name not in arrays]
        if missing:
            details = f'output tensor alias not found in signature: {missing[0]}'
            raise request_error('INVALID_ARGUMENT', details, self.address, timeout, target)
        return {name: arrays[name] for name in outputs or arrays}

    def classify(
        self, target: Target, examples: Sequence[Features], timeout: float
    ) -> list[list[tuple[str, float]]]:
        body: dict[str, Any] = {'examples': [dict(features) for features in examples]}
        if target.signature:
            body['signature_name'] = target.signature
        results = self._call(_path(target) + ':classify', target, timeout, body)['results']
        return [[(label, float(score)) for label, score in each] for each in results]

    def regress(self, target: Target, examples: Sequence[Features], timeout: float) -> list[float]:
        body: dict[str, Any] = {'examples': [dict(features) for features in examples]}
        if target.signature:
            body['signature_name'] = target.signature
        results = self._call(_path(target) + ':regress', target, timeout, body)['results']
        return [float(value) for value in results]

    def metadata(self, target: Target, timeout: float) -> Metadata:
        answer = self._call(_path(target) + '/metadata', target, timeout)
        signatures = answer['metadata']['signature_def']['signature_def']
        return Metadata(
            int(answer['model_spec']['version']),
            {
                name: Signature(
                    _tensor_specs(each['inputs']), _tensor_specs(each['outputs']), each['method_name']
                )
                for name, each in signatures.items()
            },
        )

    def status(self, target: Target, timeout: float) -> list[VersionStatus]:
        answer = self._call(_path(target), target, timeout)
        found = [
            VersionStatus(
                int(each['version']), each['state'], each.get('status', {}).get('error_message', '')
            )
            for each in answer['model_version_status']
        ]
        return sorted(found, key=lambda each: each.version, reverse=True)

    def reload(self, config: Any, timeout: float) -> None:
        raise RequestError(
            'labels and versions can only be changed over gRPC: give the gRPC address', 'UNIMPLEMENTED', ''
        )

    def close(self) -> None:
        self._opener.close()

    def _only_output(self, target: Target, timeout: float) -> str:
        signatures = self.metadata(target, timeout).signatures
        return next(iter(signatures[target.signature or 'serving_default'].outputs))

    def _call(self, path: str, target: Target, timeout: float, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        if data is not None and len(data) > self._max_bytes:
            details = f'the request has {len(data)} bytes; the most allowed is {self._max_bytes}'
            raise request_error('INVALID_ARGUMENT', details, self.address, timeout, target)
        request = urllib.request.Request(self.address + path, data, self._headers)
        deadline = time.monotonic() + timeout
        for attempt in range(self._attempts):
            code, details, answer = self._try(request, max(0.001, deadline - time.monotonic()))
            pause = 0.1 * 3**attempt * random.uniform(0.8, 1.2)
            if code != 'UNAVAILABLE' or attempt + 1 == self._attempts or time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        if code:
            raise request_error(code, details, self.address, timeout, target)
        return answer

    def _try(self, request: urllib.request.Request, timeout: float) -> tuple[str, str, Any]:
        """Code and details of what went wrong, '' for nothing; and the answer."""
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return '', '', json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return CODES.get(error.code, 'UNKNOWN'), _details(error.read(), error.reason), None
        except TimeoutError as error:
            return 'DEADLINE_EXCEEDED', str(error), None
        except ValueError:
            return 'UNIMPLEMENTED', 'its answer is no JSON', None
        except OSError as error:
            late = isinstance(getattr(error, 'reason', None), TimeoutError)
            return ('DEADLINE_EXCEEDED' if late else 'UNAVAILABLE'), f'cannot connect: {error}', None


def _path(target: Target) -> str:
    path = '/v1/models/' + urllib.parse.quote(target.model, safe='')
    if target.version is not None:
        return f'{path}/versions/{target.version}'
    if target.label is not None:
        return f'{path}/labels/{urllib.parse.quote(target.label, safe="")}'
    return path


def _details(content: bytes, reason: str) -> str:
    try:
        return str(json.loads(content)['error'])
    except (ValueError, KeyError, TypeError):
        return reason


def _to_json(array: NDArray[Any]) -> Any:
    if array.dtype.kind in 'SUO':
        return _text(array.tolist())
    return array.tolist()


def _text(value: Any) -> Any:
    """Strings as they are; bytes as text, or in base64 where they are no UTF-8."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {'b64': base64.b64encode(value).decode()}
    return value


def _from_json(value: Any) -> NDArray[Any]:
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    if isinstance(first, str | dict):
        return np.asarray(_bytes(value), object)
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_bytes(item) for item in value]
    return base64.b64decode(value['b64']) if isinstance(value, dict) else value.encode()


def _tensor_specs(infos: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {
        name: TensorSpec(
            info['dtype'],
            None
            if info['tensor_shape'].get('unknown_rank')
            else tuple(int(dim['size']) for dim in info['tensor_shape'].get('dim', [])),
        )
        for name, info in infos.items()
    }
