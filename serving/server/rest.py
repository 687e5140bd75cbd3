"""The REST port: paths, methods and status codes on an `Api`; the bodies are read and written elsewhere."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from vaiven.serving.server import jsonvalues, log, rest_examples, rest_predict, rest_state
from vaiven.serving.server.api import SIGNATURE_FIELD, Api
from vaiven.serving.server.status import HTTP_STATUS, Code, StatusError, invalid_argument
from vaiven.serving.wire import messages, tensors

_NAME = r'([^/:]+)'
_VERSION = r'(?:/versions/(\d+)|/labels/([^/:]+))?'
_FLAGS = re.IGNORECASE | re.ASCII
_ASK = re.compile(rf'/v1/models/{_NAME}{_VERSION}:(classify|regress|predict)', _FLAGS)
_LOOK = re.compile(rf'/v1/models(?:/{_NAME})?{_VERSION}(?:/(metadata))?', _FLAGS)
_API = re.compile(r'/v1/.*', _FLAGS | re.DOTALL)
MAX_VERSION = (1 << 63) - 1
NOT_FOUND_PAGE = (
    '<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n'
)
CORS = {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'POST, GET',
    'Access-Control-Allow-Headers': 'Content-Type',
}


@dataclass(frozen=True)
class RestSettings:
    """How the port behaves."""

    timeout_seconds: float = 30.0
    max_body_bytes: int = 64 << 20
    cors: bool = False


class Rest:
    """Handles requests of an aiohttp server."""

    def __init__(self, api: Api, workers: Executor, settings: RestSettings) -> None:
        self._api = api
        self._workers = workers
        self._settings = settings

    async def handle(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path
        if request.method == 'OPTIONS':
            return self._options(request)
        if not _API.fullmatch(path):
            return web.Response(status=404, text=NOT_FOUND_PAGE, content_type='text/html')
        try:
            work = await self._work(request, path)
            running = asyncio.get_running_loop().run_in_executor(self._workers, work)
            text, status = await asyncio.wait_for(running, self._settings.timeout_seconds), 200
        except StatusError as error:
            text, status = rest_state.error_output(error.message), HTTP_STATUS[error.code]
        except TimeoutError:
            text = rest_state.error_output(f'no answer after {self._settings.timeout_seconds} s')
            status = HTTP_STATUS[Code.DEADLINE_EXCEEDED]
        except _BodyTooLargeError:
            limit = self._settings.max_body_bytes
            text, status = rest_state.error_output(f'the request is larger than {limit} bytes'), 413
        except _NoVersionError:
            text, status = '', 400
        except (web.HTTPException, asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            log.problem('request failed', error=f'{type(error).__name__}: {error}')
            text, status = rest_state.error_output(f'{type(error).__name__}: {error}'), 500
        body = text.encode(*jsonvalues.ENCODING)
        headers = {'Content-Type': 'application/json', **(CORS if self._settings.cors else {})}
        response = web.Response(status=status, body=body, headers=headers)
        if status == 413:
            response.force_close()
        return response

    def _options(self, request: web.BaseRequest) -> web.Response:
        origin = request.headers.get('Origin', '')
        known = 'http://' in origin or 'https://' in origin
        return web.Response(status=200 if known else 400, headers=CORS if self._settings.cors else {})

    async def _work(self, request: web.BaseRequest, path: str) -> Callable[[], str]:
        """What to do in a worker thread for the JSON text of the answer. Raises StatusError for a bad path."""
        malformed = invalid_argument(f'Malformed request: {request.method} {path}')
        if request.method == 'POST':
            match = _ASK.fullmatch(path)
            if not match:
                raise malformed
            spec = _spec(*match.groups()[:3])
            ask = {'predict': self._predict, 'classify': self._classify, 'regress': self._regress}
            answer = ask.get(match[4])
            if answer is None:
                raise malformed
            body = await self._body(request)
            return lambda: answer(spec, body)
        match = _LOOK.fullmatch(path) if request.method == 'GET' else None
        if not match:
            raise malformed
        name, version, label, metadata = match.groups()
        if not name:
            raise invalid_argument('Missing model name in request.')
        spec = _spec(name, version, label)
        return lambda: self._metadata(spec) if metadata else self._status(spec)

    async def _body(self, request: web.BaseRequest) -> bytes:
        parts = bytearray()
        async for part in request.content.iter_any():
            parts += part
            if len(parts) > self._settings.max_body_bytes:
                raise _BodyTooLargeError
        return bytes(parts)

    def _predict(self, spec: Any, body: bytes) -> str:
        values = jsonvalues.parse(body)
        spec.signature_name = _proto_text(rest_predict.read_signature_name(values))
        inputs = self._api.signature_inputs(spec, spec.signature_name)
        if not inputs:
            name = spec.signature_name or 'DEFAULT'
            raise invalid_argument(f'Failed to get input map for signature: {name}')
        arrays, row_format = rest_predict.predict_inputs(values, inputs)
        request = messages.PredictRequest(model_spec=spec)
        for name, array in arrays.items():
            request.inputs[name].CopyFrom(tensors.to_proto(array))
        return rest_predict.predict_outputs(self._api.predict(request), row_format)

    def _classify(self, spec: Any, body: bytes) -> str:
        values = jsonvalues.parse(body)
        spec.signature_name = _proto_text(rest_predict.read_signature_name(values))
        examples = rest_examples.examples_input(values, 'classify')
        response = self._api.classify(messages.ClassificationRequest(model_spec=spec, input=examples))
        return rest_examples.classification_outputs(response)

    def _regress(self, spec: Any, body: bytes) -> str:
        values = jsonvalues.parse(body)
        spec.signature_name = _proto_text(rest_predict.read_signature_name(values))
        examples = rest_examples.examples_input(values, 'regress')
        response = self._api.regress(messages.RegressionRequest(model_spec=spec, input=examples))
        return rest_examples.regression_outputs(response)

    def _status(self, spec: Any) -> str:
        return rest_state.status_outputs(self._api.status(messages.GetModelStatusRequest(model_spec=spec)))

    def _metadata(self, spec: Any) -> str:
        request = messages.GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_FIELD])
        return rest_state.metadata_outputs(self._api.metadata(request))


class _BodyTooLargeError(Exception):
    pass


class _NoVersionError(Exception):
    """A version that is no 64-bit number: the stock server answers 400 with nothing in it."""


def _proto_text(text: str) -> str:
    """`text` as a proto string can hold it: half surrogates replaced, so that it matches no name."""
    return text.encode('utf-8', 'replace').decode('utf-8')


def _spec(name: str, version: str | None, label: str | None) -> Any:
    spec = messages.ModelSpec(name=unquote(name))
    if version:
        if len(version) > 19 or int(version) > MAX_VERSION:
            raise _NoVersionError
        spec.version.value = int(version)
    elif label:
        spec.version_label = unquote(label)
    return spec
