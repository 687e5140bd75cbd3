"""The REST API: paths, methods and status codes. `rest_infer` reads and writes the bodies of requests."""

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
# Upstream's patterns ignore case; the verb is then compared as it is typed, so `:PREDICT` is malformed.
_INFERENCE_PATH = re.compile(rf'/v1/models/{_NAME}{_VERSION}:(classify|regress|predict)', _FLAGS)
_MODEL_PATH = re.compile(rf'/v1/models(?:/{_NAME})?{_VERSION}(?:/(metadata))?', _FLAGS)
_API_PATH = re.compile(r'/v1/.*', _FLAGS | re.DOTALL)
_LARGE_BYTES = 1 << 18
# The page of libevent, upstream's HTTP server.
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
    """Options of the REST port.

    Attributes:
        timeout_seconds: time until a request fails with 504.
        max_body_bytes: maximum size of a body, after it is decompressed.
        cors: whether responses have CORS headers.
        metrics_path: path of the metrics; '' for no metrics.
    """

    timeout_seconds: float = 30.0
    max_body_bytes: int = 64 << 20
    cors: bool = False
    metrics_path: str = ''


class Rest:
    """Handles the requests of an aiohttp server."""

    def __init__(
        self,
        api: Api,
        workers: Executor,
        options: RestOptions,
        *,
        metrics: Metrics | None = None,
        tokens: Access | Tokens | None = None,
    ) -> None:
        """
        Args:
            api: answers the requests.
            workers: threads that parse JSON which is too slow for the event loop.
            options: options of the port.
            metrics: served at `options.metrics_path`.
            tokens: every request but those for health needs one of them; None for requests without token.
        """
        self._api = api
        self._options = options
        self._metrics = metrics
        self._tokens = tokens
        self._inference = RestInference(api, workers, metrics)
        self._methods = {
            'predict': self._inference.predict,
            'classify': self._inference.classify,
            'regress': self._inference.regress,
        }
        self._bodies = Bodies(options.max_body_bytes)
        self._cors: dict[str, str] = dict(CORS) if options.cors else {}
        if options.cors and tokens is not None:
            self._cors['Access-Control-Allow-Headers'] += ', Authorization'

    def close(self) -> None:
        """Starts no more work in threads."""
        self._inference.close()
        self._bodies.close()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """The response to a request, whatever its path and method."""
        path = request.raw_path
        if request.method == 'OPTIONS':  # the preflight request of a browser, which never has a token
            return self._preflight(request)
        # Upstream takes a query string as a part of the path. This server's own paths ignore it: probes may add one.
        own_path = path.partition('?')[0] if request.method in ('GET', 'HEAD') else ''
        if own_path == '/healthz':
            return _json(*rest_state.health(self._api))
        if own_path == '/readyz':
            return _json(*rest_state.readiness(self._api))
        if self._tokens is not None and not self._allowed(request, self._tokens):
            return self._unauthenticated()
        if own_path and own_path == self._options.metrics_path and self._metrics is not None:
            page = await asyncio.to_thread(self._metrics.render)
            return web.Response(
                body=page.encode('utf-8', 'replace'), headers={'Content-Type': prometheus_text.CONTENT_TYPE}
            )
        if not _API_PATH.fullmatch(path):
            return web.Response(status=404, text=NOT_FOUND_PAGE, content_type='text/html')
        response = await self._respond(request, path)
        if self._cors:
            response.headers.update(self._cors)
        return response

    async def _respond(self, request: web.BaseRequest, path: str) -> web.Response:
        try:
            text: str | list[bytes]
            # Not `wait_for`, which makes a task: that costs as much as the rest of this module.
            async with asyncio.timeout(self._options.timeout_seconds):
                text = await self._body(request, path)
            status = 200
        except StatusError as error:
            text, status = rest_state.error_output(error.message), HTTP_STATUS[error.code]
        except TimeoutError:
            text = rest_state.error_output(f'no answer after {self._options.timeout_seconds} s')
            status = HTTP_STATUS[Code.DEADLINE_EXCEEDED]
        except BodyTooLargeError:
            limit = self._options.max_body_bytes
            text, status = rest_state.error_output(f'the request is larger than {limit} bytes'), 413
        except _InvalidVersionError:
            text, status = '', 400  # upstream returns before it builds the JSON of an error
        except web.RequestPayloadError as error:
            # aiohttp's text is `400, message: …` over several lines.
            reason = str(error).rpartition('message:')[2].strip()
            text, status = rest_state.error_output(f'the body cannot be read: {reason}'), 400
        except (web.HTTPException, asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            log.problem('request failed', error=f'{type(error).__name__}: {error}')
            text, status = rest_state.error_output(f'{type(error).__name__}: {error}'), 500
        return _json(status, text)

    def _allowed(self, request: web.BaseRequest, tokens: Access | Tokens) -> bool:
        # With two headers, a proxy may have checked the other one.
        headers = request.headers.getall('Authorization', [])
        return len(headers) == 1 and tokens.allows(headers[0])

    def _unauthenticated(self) -> web.Response:
        response = _json(HTTP_STATUS[Code.UNAUTHENTICATED], rest_state.error_output(REFUSAL))
        response.headers.update({'WWW-Authenticate': 'Bearer', **self._cors})
        return response

    def _preflight(self, request: web.BaseRequest) -> web.Response:
        # As upstream, whether CORS is on or off.
        origin = request.headers.get('Origin', '')
        valid = 'http://' in origin or 'https://' in origin
        return web.Response(status=200 if valid else 400, headers=self._cors)

    async def _body(self, request: web.BaseRequest, path: str) -> str | list[bytes]:
        """The JSON of the response. Raises StatusError."""
        if request.method == 'POST':
            match = _INFERENCE_PATH.fullmatch(path)
            method = self._methods.get(match[4]) if match else None
            if match is None or method is None:
                raise _malformed(request, path)
            spec = _spec(*match.groups()[:3])
            deadline = time.monotonic() + self._options.timeout_seconds
            return await method(spec, await self._bodies.read(request), deadline)
        match = _MODEL_PATH.fullmatch(path) if request.method == 'GET' else None
        if not match:
            raise _malformed(request, path)
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


class _InvalidVersionError(Exception):
    """A version that is not a 64-bit number: the stock server answers 400 with an empty body."""


def _malformed(request: web.BaseRequest, path: str) -> StatusError:
    return invalid_argument(f'Malformed request: {request.method} {path}')


def _json(status: int, text: str | list[bytes]) -> web.Response:
    parts = text if isinstance(text, list) else [text.encode(*ENCODING)]
    size = sum(map(len, parts))
    headers = {'Content-Type': 'application/json'}
    if size <= _LARGE_BYTES:
        return web.Response(status=status, body=b''.join(parts), headers=headers)
    headers['Content-Length'] = str(size)
    return web.Response(status=status, body=_iterate(parts), headers=headers)


async def _iterate(parts: list[bytes]) -> AsyncIterator[bytes]:
    """A large body in parts: as one `bytes` it would be copied several times in the event loop."""
    for part in parts:
        yield part


def _spec(name: str, version: str | None, label: str | None) -> Any:
    spec = messages.ModelSpec(name=_unquoted(name))
    if version:
        # The length first: `int` of a long text takes quadratic time.
        if len(version) > 19 or int(version) > MAX_VERSION:
            raise _InvalidVersionError
        spec.version.value = int(version)
    elif label:
        spec.version_label = _unquoted(label)
    return spec


def _unquoted(text: str) -> str:
    """The %-decoded text. Bytes that are not UTF-8 are replaced, and then match no name."""
    if '%' not in text and text.isascii():
        return text
    return unquote(text).encode('utf-8', 'surrogatepass').decode('utf-8', 'replace')
