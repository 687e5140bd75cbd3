"""Retries, encryption, tokens and headers, against small gRPC servers of the test's own; and the twin of asyncio."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from vaiven.serving.client import (
    AsyncClient,
    Client,
    DeadlineError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from vaiven.serving.client.connection import Connection
from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages

STATUS = messages.GetModelStatusResponse(
    model_version_status=[messages.ModelVersionStatus(version=7, state=messages.ModelVersionStatus.AVAILABLE)]
).SerializeToString()


class Answering:
    """A server of GetModelStatus: `answer` gets the context of each call and may end it."""

    def __init__(self, answer: Callable[[Any], None], credentials: Any = None) -> None:
        self.calls = 0
        self.headers: list[dict[str, str]] = []
        self._answer = answer
        self._server = grpc.server(ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(self._status)
        self._server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    'tensorflow.serving.ModelService', {'GetModelStatus': handler}
                ),
            )
        )
        if credentials is None:
            self.port = self._server.add_insecure_port('127.0.0.1:0')
        else:
            self.port = self._server.add_secure_port('127.0.0.1:0', credentials)
        self._server.start()

    def _status(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        self.headers.append(
            {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        )
        self._answer(context)
        return STATUS

    def __enter__(self) -> 'Answering':
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop(None)


def failing(times: int, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> Callable[[Any], None]:
    left = iter(range(times))

    def answer(context: Any) -> None:
        if next(left, None) is not None:
            context.abort(code, 'not now')

    return answer


def test_what_was_unavailable_is_tried_again() -> None:
    with Answering(failing(2)) as server, Client(f'127.0.0.1:{server.port}') as client:
        assert client.status('m')[0].version == 7
        assert server.calls == 3


def test_not_for_ever_and_not_for_other_reasons() -> None:
    with Answering(failing(100)) as server, Client(f'127.0.0.1:{server.port}', attempts=2) as client:
        with pytest.raises(UnavailableError, match='takes no requests now'):
            client.status('m')
        assert server.calls == 2
    with Answering(failing(100)) as server, Client(f'127.0.0.1:{server.port}', attempts=1) as client:
        with pytest.raises(UnavailableError):
            client.status('m')
        assert server.calls == 1
    for code in (
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INVALID_ARGUMENT,
    ):
        with Answering(failing(100, code)) as server, Client(f'127.0.0.1:{server.port}') as client:
            with pytest.raises(RequestError):
                client.status('m')
            assert server.calls == 1


def test_the_timeout_covers_all_attempts() -> None:
    waiting = threading.Event()

    def answer(context: Any) -> None:
        waiting.wait(0.4)
        context.abort(grpc.StatusCode.UNAVAILABLE, 'not now')

    with Answering(answer) as server, Client(f'127.0.0.1:{server.port}', attempts=5, timeout=0.6) as client:
        with pytest.raises((DeadlineError, UnavailableError)):
            client.status('m')
        assert server.calls <= 2


def test_token_and_metadata_travel_and_are_not_shown() -> None:
    connection = {'token': 'very-secret', 'metadata': {'x-team': 'shop'}}
    with Answering(failing(0)) as server, Client(f'127.0.0.1:{server.port}', **connection) as client:
        client.status('m')
        assert server.headers[0]['authorization'] == 'Bearer very-secret'
        assert server.headers[0]['x-team'] == 'shop'
    assert 'very-secret' not in repr(Connection(**connection))


def credentials(folder: Path, mutual: bool) -> Any:
    pair = (folder / 'server.key').read_bytes(), (folder / 'server.pem').read_bytes()
    return grpc.ssl_server_credentials(
        [pair], (folder / 'client.pem').read_bytes() if mutual else None, mutual
    )


def test_tls_and_mutual_tls(certificates: Path) -> None:
    own = {'certificate': certificates / 'client.pem', 'key': certificates / 'client.key'}
    with Answering(failing(0), credentials(certificates, False)) as server:
        address = f'localhost:{server.port}'
        with Client(address, ca=certificates / 'server.pem') as client:
            assert client.status('m')[0].version == 7
        with (
            Client(address, ca=certificates / 'client.pem', attempts=1) as client,
            pytest.raises(
                UnavailableError, match=r'cannot encrypt the connection .* ca.*CERTIFICATE_VERIFY_FAILED'
            ),
        ):
            client.status('m')
        with (
            Client(address, attempts=1) as client,
            pytest.raises(UnavailableError, match='no server answers'),
        ):
            client.status('m')
    with Answering(failing(0), credentials(certificates, True)) as server:
        address = f'localhost:{server.port}'
        with Client(address, ca=certificates / 'server.pem', **own) as client:
            assert client.status('m')[0].version == 7
        with (
            Client(address, ca=certificates / 'server.pem', attempts=1) as client,
            pytest.raises(UnavailableError),
        ):
            client.status('m')


@pytest.mark.parametrize(
    ('settings', 'rule'),
    [
        ({'attempts': 0}, 'attempts must lie between 1 and 5'),
        ({'certificate': 'a'}, 'mutual TLS needs a certificate and its key'),
        ({'token': 'a\nb'}, 'a token must be one line of printable ASCII'),
        ({'token': ''}, 'a token must be one line of printable ASCII'),
        ({'metadata': {'X-Team': 'a'}}, 'metadata names must be lower-case ASCII'),
        ({'metadata': {'x-team': 'ñ'}}, "check 'x-team'"),
        ({'metadata': {'x-bin': 'a'}}, "not end with -bin. Received: 'x-bin'"),
        ({'metadata': {'grpc-timeout': 'a'}}, "not start with grpc-.*'grpc-timeout'"),
        ({'metadata': {'x-team': 3}}, "check 'x-team'"),
        ({'ca': '/nowhere/ca.pem'}, 'cannot read /nowhere/ca.pem'),
        ({'ca': __file__}, f'{__file__} cannot be used as ca'),
        ({'certificate': __file__, 'key': __file__}, 'cannot be used as certificate and key'),
        ({'max_message_bytes': 3 << 30}, 'between 1 and 2147483647. Received: 3221225472'),
        ({'max_message_bytes': 0}, 'between 1 and 2147483647. Received: 0'),
        ({'keepalive_seconds': 1e9}, 'between 0.001 and 1000000. Received: 1000000000.0'),
        ({'keepalive_seconds': -1}, 'between 0.001 and 1000000. Received: -1'),
        ({'timeout': float('inf')}, 'a timeout must lie between 0 and 1000000 seconds. Received: inf'),
        ({'timeout': float('nan')}, 'Received: nan'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(ServingError, match=rule):
        Client('127.0.0.1:1', **settings)


@pytest.mark.parametrize('address', ['127.0.0.1:1', 'http://127.0.0.1:1'])
def test_calls_that_make_no_sense_are_refused(address: str) -> None:
    async def twin(**call: Any) -> None:
        async with AsyncClient(address) as client:
            await client.status('m', **call)

    with Client(address) as client:
        for timeout in (float('inf'), float('nan'), 1e300, -1):
            for ask in (client.status, lambda model, **call: asyncio.run(twin(**call))):
                with pytest.raises(ServingError, match='a timeout must lie between 0 and 1000000 seconds'):
                    ask('m', timeout=timeout)
        for version in (10**20, -1, '3'):
            for ask in (client.status, client.metadata, client.wait_until_available):
                with pytest.raises(
                    ServingError, match='a version must lie between 0 and 9223372036854775807'
                ):
                    ask('m', version=version)


def test_a_model_without_a_version_as_yet_is_waited_for() -> None:
    missing = 'Could not find any versions of model m'
    began = time.monotonic()

    def answer(context: Any) -> None:
        if time.monotonic() - began < 0.5:
            context.abort(grpc.StatusCode.NOT_FOUND, missing)

    with Answering(answer) as server, Client(f'127.0.0.1:{server.port}') as client:
        assert client.wait_until_available('m', timeout=20).version == 7
    with (
        Answering(lambda context: context.abort(grpc.StatusCode.NOT_FOUND, missing)) as server,
        Client(f'127.0.0.1:{server.port}') as client,
        pytest.raises(NotFoundError, match="has no model 'm'"),
    ):
        client.wait_until_available('m', timeout=0.3)


def test_the_twin_of_asyncio_answers_alike(server: ServerProcess, client: Client) -> None:
    async def work() -> tuple[Any, ...]:
        async with AsyncClient(client.address) as twin:
            await twin.wait_until_available('reviews')
            answers = await asyncio.gather(
                *(twin.predict('reviews', {'text': [text]}) for text in ('gg', 'ñ', '', 'عg 🙂'))
            )
            with pytest.raises(NotFoundError, match="no model 'other'"):
                await twin.predict('other', {'text': ['g']})
            rest = (
                await twin.predict('reviews', {'n': 5}, signature='count'),
                await twin.classify('reviews', [{'text': 'ga'}]),
                await twin.regress('reviews', [{'text': 'ga'}]),
                await twin.status('reviews'),
                await twin.metadata('reviews'),
                await twin.health(),
                await twin.label_version('reviews', 'gold'),
            )
            return answers, rest

    answers, rest = asyncio.run(work())
    together = client.predict('reviews', {'text': ['gg', 'ñ', '', 'عg 🙂']})
    np.testing.assert_array_equal(
        np.concatenate([answer['probability'] for answer in answers]), together['probability']
    )
    assert rest == (
        client.predict('reviews', {'n': 5}, signature='count'),
        client.classify('reviews', [{'text': 'ga'}]),
        client.regress('reviews', [{'text': 'ga'}]),
        client.status('reviews'),
        client.metadata('reviews'),
        True,
        None,
    )


def test_a_closed_client_says_so(client: Client) -> None:
    async def work() -> None:
        twin = AsyncClient(client.address)
        await twin.close()
        await twin.status('reviews')

    with pytest.raises(RequestError, match='CANCELLED'):
        asyncio.run(work())
    other = Client(client.address)
    other.close()
    with pytest.raises(RequestError, match='CANCELLED'):
        other.status('reviews')


def test_the_twin_of_asyncio_takes_addresses_alone() -> None:
    with pytest.raises(ServingError, match='an address must be host:port'):
        AsyncClient('localhost')
