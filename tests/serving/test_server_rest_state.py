"""Models, health, readiness and metrics over REST, and which callers may see them."""

import asyncio
import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from vaiven.serving.common.status import not_found
from vaiven.serving.server.api import Api
from vaiven.serving.server.auth import Tokens
from vaiven.serving.server.metrics import Metrics
from vaiven.serving.server.rest import Rest, RestOptions
from vaiven.serving.server.version import State, Version

PAGE = '/monitoring/prometheus/metrics'
NOT_THERE = '<H1>Not Found</H1>'


class Models:
    """A manager whose versions are not in memory."""

    def __init__(self, **states: dict[int, State]) -> None:
        self._versions = {
            name: [self._version(name, *item) for item in known.items()] for name, known in states.items()
        }

    def _version(self, name: str, number: int, state: State) -> Version:
        version = Version(name, number, Path('/none'))
        version.state = state
        return version

    def names(self) -> list[str]:
        return sorted(self._versions)

    def versions(self, name: str) -> list[Version]:
        return self._versions.get(name, [])

    def unready(self) -> list[str]:
        return [n for n in self.names() if State.AVAILABLE not in [v.state for v in self._versions[n]]]

    def ready(self) -> bool:
        return bool(self._versions) and not self.unready()

    def acquire(self, spec: Any) -> Version:
        raise not_found(f'Servable not found for request: Latest({spec.name})')


SendRequest = Callable[..., tuple[int, Any, dict[str, str]]]


def serve(
    check: Callable[[SendRequest], None],
    models: Models,
    *,
    draining: bool = False,
    cors: bool = False,
    path: str = PAGE,
    **options: Any,
) -> None:
    """Calls `check` with a function that sends requests to a real server on `models`."""

    async def run() -> None:
        api = Api(models)  # type: ignore[arg-type]
        api.draining = draining
        rest = Rest(api, ThreadPoolExecutor(1), RestOptions(cors=cors, metrics_path=path), **options)
        runner = web.ServerRunner(web.Server(rest.handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, '127.0.0.1', 0).start()
        try:
            await asyncio.to_thread(check, lambda *what, **more: once(runner.addresses[0][1], *what, **more))
        finally:
            await runner.cleanup()

    asyncio.run(run())


def once(
    port: int, path: str, method: str = 'GET', body: bytes | None = None, headers: Any = ()
) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    connection.putrequest(method, path)
    for name, value in headers:
        connection.putheader(name, value)
    if body is not None:
        connection.putheader('Content-Length', str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    try:
        return answer.status, json.loads(text), dict(answer.getheaders())
    except ValueError:
        return answer.status, text, dict(answer.getheaders())


GOOD = Models(b={1: State.AVAILABLE}, a={2: State.LOADING, 1: State.AVAILABLE})


def test_the_models_are_listed_with_their_versions() -> None:
    def check(get: SendRequest) -> None:
        status, answer, headers = get('/v1/models')
        assert (status, headers['Content-Type']) == (200, 'application/json')
        assert [model['name'] for model in answer['models']] == ['a', 'b', 'new']
        assert answer['models'][0]['model_version_status'] == [
            {'version': '2', 'state': 'LOADING', 'status': {'error_code': 'OK', 'error_message': ''}},
            {'version': '1', 'state': 'AVAILABLE', 'status': {'error_code': 'OK', 'error_message': ''}},
        ]
        assert answer['models'][2]['model_version_status'] == []
        assert get('/v1/models/a')[1]['model_version_status'] == answer['models'][0]['model_version_status']
        assert get('/v1/models', 'POST', b'')[0] == 400
        assert get('/v1/models/versions/1')[1] == {'error': 'Missing model name in request.'}

    serve(check, Models(a={2: State.LOADING, 1: State.AVAILABLE}, b={1: State.END}, new={}))


def test_ready_is_who_has_an_available_version_of_every_model() -> None:
    def ready(get: SendRequest) -> None:
        assert get('/readyz')[:2] == (200, {'ready': True, 'draining': False, 'models_not_ready': []})
        assert get('/healthz')[:2] == (200, {'status': 'serving'})
        assert get('/readyz?verbose')[0] == 200
        assert get('/readyz', 'HEAD')[:2] == (200, '')
        assert get('/readyz', 'POST', b'')[0] == 404

    def unready(get: SendRequest) -> None:
        status, answer, _ = get('/readyz')
        assert (status, answer) == (503, {'ready': False, 'draining': False, 'models_not_ready': ['late']})
        assert get('/healthz')[0] == 200

    def draining(get: SendRequest) -> None:
        assert get('/readyz')[:2] == (503, {'ready': False, 'draining': True, 'models_not_ready': []})
        assert get('/healthz')[:2] == (200, {'status': 'draining'})

    serve(ready, GOOD)
    serve(unready, Models(b={1: State.AVAILABLE}, late={1: State.LOADING}))
    serve(draining, GOOD, draining=True)
    serve(lambda get: check_status(get('/readyz'), 503), Models())


def check_status(answer: tuple[int, Any, dict[str, str]], status: int) -> None:
    assert answer[0] == status


def test_metrics_are_at_their_path_and_nowhere_if_they_are_off() -> None:
    def on(get: SendRequest) -> None:
        status, page, headers = get('/m')
        assert (status, headers['Content-Type']) == (200, 'text/plain; version=0.0.4; charset=utf-8')
        assert '# TYPE :tensorflow:serving:request_count counter' in page
        assert get('/m', 'POST', b'')[0] == 404
        assert NOT_THERE in get(PAGE)[1]

    def off(get: SendRequest) -> None:
        assert get(PAGE)[0] == 404
        assert NOT_THERE in get(PAGE)[1]
        assert get('/')[0] == 404

    serve(on, GOOD, metrics=Metrics(), path='/m')
    serve(off, GOOD, metrics=Metrics(), path='')
    serve(off, GOOD)


def test_invalid_bodies_are_counted() -> None:
    metrics = Metrics()
    metrics.loaded('a', 1, ['serving_default'])

    def check(post: SendRequest) -> None:
        assert post('/v1/models/a:predict', 'POST', b'{')[0] == 400
        assert post('/v1/models/a:classify', 'POST', b'{"signature_name": "x"}')[0] == 400
        assert post('/v1/models/invented:predict', 'POST', b'{"instances": [1]}')[0] == 404

    serve(check, GOOD, metrics=metrics)
    page = metrics.render()
    assert ':tensorflow:serving:request_count{model_name="a",status="INVALID_ARGUMENT"} 2' in page
    assert ':tensorflow:serving:request_count{model_name="unknown",status="NOT_FOUND"} 1' in page
    assert 'invented' not in page


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    path = tmp_path / 'tokens'
    path.write_text('secret\n')
    path.chmod(0o600)
    return Tokens(path)


def test_a_token_opens_all_and_none_only_health(tokens: Tokens) -> None:
    good = ('Authorization', 'Bearer secret')
    closed = (
        '/v1/models',
        '/v1/models/a',
        '/v1/models/a/metadata',
        PAGE,
        '/',
        '/v1/other',
        '/healthz/',
        '/readyz2',
    )

    def check(get: SendRequest) -> None:
        for path in closed:
            status, answer, headers = get(path)
            assert (status, answer) == (401, {'error': 'missing or wrong bearer token'}), path
            assert headers['WWW-Authenticate'] == 'Bearer'
            assert headers['Content-Type'] == 'application/json'
            assert get(path, headers=[good])[0] != 401
        assert get('/healthz')[0] == get('/readyz')[0] == 200
        assert get('/healthz', 'POST', b'')[0] == 401
        assert get('/v1/models/a:predict', 'POST', b'x' * 100_000)[0] == 401
        assert get('/v1/models', headers=[good])[0] == 200
        for header in (
            'secret',
            'Basic secret',
            'Bearer',
            'Bearer wrong',
            'Bearer ' + 'x' * 7000,
            b'Bearer \xff',
        ):
            assert get('/v1/models', headers=[('Authorization', header)])[0] == 401
        assert get('/v1/models', headers=[good, good])[0] == 401
        assert get('/v1/models', headers=[('X', 'y'), good])[0] == 200

    serve(check, GOOD, metrics=Metrics(), tokens=tokens)


def test_a_header_beyond_all_bounds_is_refused(tokens: Tokens) -> None:
    def check(get: SendRequest) -> None:
        assert get('/v1/models', headers=[('Authorization', 'Bearer ' + 'x' * 100_000)])[0] in (400, 401, 431)
        assert get('/healthz')[0] == 200

    serve(check, GOOD, tokens=tokens)


def test_browsers_may_send_tokens(tokens: Tokens) -> None:
    def check(get: SendRequest) -> None:
        status, _, headers = get('/v1/models', 'OPTIONS', headers=[('Origin', 'http://x')])
        assert status == 200
        assert headers['Access-Control-Allow-Headers'] == 'Content-Type, Authorization'
        assert get('/v1/models')[2]['Access-Control-Allow-Origin'] == '*'

    def without(get: SendRequest) -> None:
        assert get('/v1/models')[2]['Access-Control-Allow-Headers'] == 'Content-Type'

    serve(check, GOOD, cors=True, tokens=tokens)
    serve(without, GOOD, cors=True)
