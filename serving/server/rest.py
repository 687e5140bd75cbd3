"""The REST port: paths, methods and status codes on an `Api`; the bodies are read and written elsewhere."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from vaiven.serving.common import log, prometheus_text
from vaiven.serving.common.http_body import Bodies, BodyTooLargeError
from vaiven.serving.common.limits import MAX_VERSION
from vaiven.serving.common.status import HTTP_STATUS, Code, StatusError, invalid_argument
from vaiven.serving.server import rest_state
from vaiven.serving.server.api import SIGNATURE_FIELD, Api
from vaiven.serving.server.auth import REFUSAL, Access, Tokens
from vaiven.serving.server.json_exact import ENCODING
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.rest_infer import RestInference
from vaiven.serving.wire import messages

_NAME = r'([^/:]+)'
_VERSION = r'(?:/versions/(\d+)|/labels/([^/:]+))?'
_FLAGS = re.IGNORECASE | re.ASCII
_ASK = re.compile(rf'/v1/models/{_NAME}{_VERSION}:(classify|regress|predict)', _FLAGS)
_LOOK = re.compile(rf'/v1/models(?:/{_NAME})?{_VERSION}(?:/(metadata))?', _FLAGS)
_API = re.compile(r'/v1/.*', _FLAGS | re.DOTALL)
_LARGE_BYTES = 1 << 18
NOT_FOUND_PAGE = (
    '<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n'
)
CORS = {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'POST, GET',
    'Access-Control-Allow-Headers': 'Content-Type',
}


@dataclass(frozen=True)
class RestOptions:
    """How the port behaves."""

    timeout_seconds: float = 30.0
    max_body_bytes: int = 64 << 20
    cors: bool = False
    metrics_path: str = ''  # '': no metrics


class Rest:
    """Handles requests of an aiohttp server."""

    def __init__(
        self,
        api: Api,
        workers: Executor,
        settings: RestOptions,
        *,
        metrics: Metrics | None = None,
        tokens: Access | Tokens | None = None,
    ) -> None:
        """The port.

        Args:
            api: answers the requests.
            workers: reads and writes what is large.
            settings: how the port behaves.
            metrics: served at `settings.metrics_path`.
            tokens: one of them must be in every request but those for health; None lets everybody in.
        """
        self._api = api
        self._settings = settings
        self._metrics = metrics
        self._tokens = tokens
        self._ask = RestInference(api, workers, metrics)
        self._bodies = Bodies(settings.max_body_bytes)
        self._cors = dict(CORS) if settings.cors else {}
        if settings.cors and tokens is not None:
            self._cors['Access-Control-Allow-Headers'] += ', Authorization'

    def close(self) -> None:
        """Starts no more work in threads."""
        self._ask.close()
        self._bodies.close()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path
        if request.method == 'OPTIONS':  # a browser asks this without a token
            return self._options(request)
        place = path.partition('?')[0] if request.method in ('GET', 'HEAD') else ''
        if place == '/healthz':
            return _json(*rest_state.health(self._api))
        if place == '/readyz':
            return _json(*rest_state.readiness(self._api))
        if self._tokens is not None and not self._allowed(request, self._tokens):
            return self._unauthenticated()
        if place and place == self._settings.metrics_path and self._metrics is not None:
            page = await asyncio.to_thread(self._metrics.render)
            return web.Response(
                body=page.encode('utf-8', 'replace'), headers={'Content-Type': prometheus_text.CONTENT_TYPE}
            )
        if not _API.fullmatch(path):
            return web.Response(status=404, text=NOT_FOUND_PAGE, content_type='text/html')
        response = await self._answered(request, path)
        response.headers.update(self._cors)
        return response

    async def _answered(self, request: web.BaseRequest, path: str) -> web.Response:
        try:
            answering = self._answer(request, path)
            text: str | list[bytes]
            text, status = await asyncio.wait_for(answering, self._settings.timeout_seconds), 200
        except StatusError as error:
            text, status = rest_state.error_output(error.message), HTTP_STATUS[error.code]
        except TimeoutError:
            text = rest_state.error_output(f'no answer after {self._settings.timeout_seconds} s')
            status = HTTP_STATUS[Code.DEADLINE_EXCEEDED]
        except BodyTooLargeError:
            limit = self._settings.max_body_bytes
            text, status = rest_state.error_output(f'the request is larger than {limit} bytes'), 413
        except _NoVersionError:
            text, status = '', 400
        except web.RequestPayloadError as error:
            reason = str(error).rpartition('message:')[2].strip()
            text, status = rest_state.error_output(f'the body cannot be read: {reason}'), 400
        except (web.HTTPException, asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            log.problem('request failed', error=f'{type(error).__name__}: {error}')
            text, status = rest_state.error_output(f'{type(error).__name__}: {error}'), 500
        return _json(status, text)

    def _allowed(self, request: web.BaseRequest, tokens: Access | Tokens) -> bool:
        headers = request.headers.getall('Authorization', [])
        return len(headers) == 1 and tokens.allows(headers[0])

    def _unauthenticated(self) -> web.Response:
        response = _json(HTTP_STATUS[Code.UNAUTHENTICATED], rest_state.error_output(REFUSAL))
        response.headers.update({'WWW-Authenticate': 'Bearer', **self._cors})
        return response

    def _options(self, request: web.BaseRequest) -> web.Response:
        origin = request.headers.get('Origin', '')
        known = 'http://' in origin or 'https://' in origin
        return web.Response(status=200 if known else 400, headers=self._cors)

    async def _answer(self, request: web.BaseRequest, path: str) -> str | list[bytes]:
        """The JSON text of the answer. Raises StatusError."""
        malformed = invalid_argument(f'Malformed request: {request.method} {path}')
        if request.method == 'POST':
            match = _ASK.fullmatch(path)
            if not match:
                raise malformed
            spec = _spec(*match.groups()[:3])
            ask = {'predict': self._ask.predict, 'classify': self._ask.classify, 'regress': self._ask.regress}
            answer = ask.get(match[4])
            if answer is None:
                raise malformed
            deadline = time.monotonic() + self._settings.timeout_seconds
            return await answer(spec, await self._bodies.read(request), deadline)
        match = _LOOK.fullmatch(path) if request.method == 'GET' else None
        if not match:
            raise malformed
        name, version, label, metadata = match.groups()
        if not name and path.lower() == '/v1/models':
            return rest_state.models_outputs(self._api)
        if not name:
            raise invalid_argument('Missing model name in request.')
        spec = _spec(name, version, label)
        return self._metadata(spec) if metadata else self._status(spec)

    def _status(self, spec: Any) -> str:
        return rest_state.status_outputs(self._api.status(messages.GetModelStatusRequest(model_spec=spec)))

    def _metadata(self, spec: Any) -> str:
        request = messages.GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_FIELD])
        return rest_state.metadata_outputs(self._api.metadata(request))


class _NoVersionError(Exception):
    """A version that is no 64-bit number: the stock server answers 400 with nothing in it."""


def _json(status: int, text: str | list[bytes]) -> web.Response:
    parts = text if isinstance(text, list) else [text.encode(*ENCODING)]
    size = sum(map(len, parts))
    headers = {'Content-Type': 'application/json'}
    if size <= _LARGE_BYTES:
        return web.Response(status=status, body=b''.join(parts), headers=headers)
    headers['Content-Length'] = str(size)
    return web.Response(status=status, body=_sent(parts), headers=headers)


async def _sent(parts: list[bytes]) -> AsyncIterator[bytes]:
    """In parts: as one piece, a large body is copied several times while all others wait."""
    for part in parts:
        yield part


def _spec(name: str, version: str | None, label: str | None) -> Any:
    spec = messages.ModelSpec(name=_unquoted(name))
    if version:
        if len(version) > 19 or int(version) > MAX_VERSION:
            raise _NoVersionError
        spec.version.value = int(version)
    elif label:
        spec.version_label = _unquoted(label)
    return spec


def _unquoted(text: str) -> str:
    """Bytes that are not UTF-8 fit in no name; replaced, they match none."""
    return unquote(text).encode('utf-8', 'surrogatepass').decode('utf-8', 'replace')
