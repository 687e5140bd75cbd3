"""Bearer tokens: a call without a valid one is rejected, whatever its header, and the file may change at any time."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from vaiven.serving.common.errors import ServingError
from vaiven.serving.server.auth import MAX_TOKENS, REFUSAL, Access, TokenInterceptor, Tokens

TOKEN = 'abc-DEF_123.~+/='


def tokens(tmp_path: Path, text: str | bytes = f'# ours\n\n{TOKEN}\n  other  \r\n', **options: Any) -> Tokens:
    path = tmp_path / 'tokens'
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return Tokens(path, **options)


def test_each_token_of_the_file_is_allowed(tmp_path: Path) -> None:
    known = tokens(tmp_path)
    assert known.allows(f'Bearer {TOKEN}')
    assert known.allows(f'bearer  {TOKEN} ')
    assert known.allows('BEARER other')


@pytest.mark.parametrize(
    'header',
    [
        None,
        '',
        'Bearer',
        'Bearer ',
        'Bearer    ',
        TOKEN,
        f'Basic {TOKEN}',
        f'Bearer{TOKEN}',
        f'Bearer\t{TOKEN}',
        f'Bearer {TOKEN}x',
        f'Bearer {TOKEN[:-1]}',
        f'Bearer {TOKEN} other',
        f'Bearer {TOKEN}\n',
        f'Bearer {TOKEN}, Bearer {TOKEN}',
        'Bearer # ours',
        'Bearer # ours\n',
        'Bearer ñ',
        'Bearer \ud800',
        'Bearer \x00',
        'Bearer ' + 'x' * 100_000,
        'ñ' * 100_000,
    ],
)
def test_other_headers_are_not(tmp_path: Path, header: str | None) -> None:
    assert not tokens(tmp_path).allows(header)


def test_the_longest_token_is_allowed(tmp_path: Path) -> None:
    assert tokens(tmp_path, 'x' * 4096).allows('Bearer ' + 'x' * 4096)


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('', 'has no token'),
        ('# only\n\n  \n', 'has no token'),
        ('good\nsecret word\n', 'line 2: a token is 1 to 4096 visible ASCII characters'),
        ('sécret', 'line 1: a token'),
        (b'\xff\xfe', 'line 1: a token'),
        ('secret' + 'x' * 4096, 'line 1: a token'),
        ('x\n' * (MAX_TOKENS + 1), 'has more than 1000 tokens'),
    ],
)
def test_an_invalid_file_is_refused(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(ServingError, match=says) as caught:
        tokens(tmp_path, text)
    assert 'ecret' not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match='cannot read the tokens file'):
        Tokens(tmp_path / 'none')
    with pytest.raises(ServingError, match='cannot read the tokens file'):
        Tokens(tmp_path)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    known = tokens(tmp_path, check_seconds=0.0)
    new = tmp_path / 'new'
    new.write_text('fresh\n')
    os.replace(new, tmp_path / 'tokens')
    assert known.allows('Bearer fresh')
    assert not known.allows(f'Bearer {TOKEN}')


def test_a_file_that_becomes_invalid_keeps_the_tokens_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, 'vaiven.serving')
    known = tokens(tmp_path, check_seconds=0.0)
    path = tmp_path / 'tokens'
    path.write_text('')
    for _ in range(3):
        assert known.allows('Bearer other')
    path.unlink()
    for _ in range(3):
        assert known.allows('Bearer other')
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    path.write_text('fresh\n')
    path.chmod(0o600)
    assert known.allows('Bearer fresh')
    assert not known.allows('Bearer other')
    assert len(caplog.records) == 3
    assert TOKEN not in caplog.text
    assert 'fresh' not in caplog.text


def test_a_file_that_all_users_can_read_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens(tmp_path)
    assert not caplog.records
    (tmp_path / 'tokens').chmod(0o644)
    Tokens(tmp_path / 'tokens')
    assert 'everybody can read' in caplog.text
    assert TOKEN not in caplog.text


def call(
    known: Tokens, method: str, *metadata: tuple[str, str | bytes], stream: bool = False
) -> tuple[str, str]:
    """Code and text, or response, of a call with `metadata` to a server that requires one of the `known` tokens."""

    def answer(request: bytes, context: Any) -> bytes:
        return b'answer'

    def answers(request: bytes, context: Any) -> Iterator[bytes]:
        yield b'answers'

    handlers = {
        'Ask': grpc.unary_unary_rpc_method_handler(answer),
        'Check': grpc.unary_unary_rpc_method_handler(answer),
        'Stream': grpc.unary_stream_rpc_method_handler(answers),
    }
    with listening(TokenInterceptor(known), handlers) as channel:
        try:
            if stream:
                return 'OK', b''.join(channel.unary_stream(method)(b'x', metadata=metadata)).decode()
            answered: bytes = channel.unary_unary(method)(b'x' * 100_000, metadata=metadata, timeout=30)
            return 'OK', answered.decode()
        except grpc.RpcError as error:
            return error.code().name, error.details() or ''


@contextmanager
def listening(interceptor: TokenInterceptor, handlers: dict[str, Any]) -> Iterator[grpc.Channel]:
    """A channel to a server with the interceptor and two services with these handlers."""
    server = grpc.server(ThreadPoolExecutor(2), interceptors=[interceptor])
    for service in ('a.Service', 'grpc.health.v1.Health'):
        server.add_registered_method_handlers(service, handlers)
    port = server.add_insecure_port('127.0.0.1:0')
    server.start()
    try:
        with grpc.insecure_channel(f'127.0.0.1:{port}') as channel:
            yield channel
    finally:
        server.stop(None)


def test_grpc_asks_for_a_token_but_not_for_health(tmp_path: Path) -> None:
    known = tokens(tmp_path)
    good = ('authorization', f'Bearer {TOKEN}')
    refused = ('UNAUTHENTICATED', REFUSAL)
    assert call(known, '/a.Service/Ask', good) == ('OK', 'answer')
    assert call(known, '/a.Service/Stream', good, stream=True) == ('OK', 'answers')
    assert call(known, '/grpc.health.v1.Health/Check') == ('OK', 'answer')
    assert call(known, '/a.Service/Ask') == refused
    assert call(known, '/a.Service/Stream', stream=True) == refused
    assert call(known, '/a.Service/None') == refused
    assert call(known, '/a.Service/Ask', ('authorization', 'Bearer wrong')) == refused
    assert call(known, '/a.Service/Ask', good, good) == refused
    assert call(known, '/a.Service/Ask', ('authorization', 'Bearer ' + 'x' * 5000)) == refused
    assert call(known, '/a.Service/Ask', ('authorization-bin', b'\xff' + TOKEN.encode())) == refused
    assert call(known, '/a.Service/None', good)[0] == 'UNIMPLEMENTED'


RELOAD = '/tensorflow.serving.ModelService/HandleReloadConfigRequest'
STATUS = '/tensorflow.serving.ModelService/GetModelStatus'
PROFILE = '/tensorflow.ProfilerService/Profile'


def ask_guarded(ordinary: Tokens | None, admin: Tokens | None, method: str, token: str | None) -> str:
    """Name of the code of a call with `token`; UNIMPLEMENTED means that the call was accepted."""

    metadata = () if token is None else (('authorization', f'Bearer {token}'),)
    with (
        listening(TokenInterceptor(ordinary, admin), {}) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(method)(b'x', metadata=metadata, timeout=30)
    return str(caught.value.code().name)


@pytest.mark.parametrize(
    ('files', 'method', 'token', 'code'),
    [
        ('both', RELOAD, 'ordinary', 'PERMISSION_DENIED'),
        ('both', PROFILE, 'ordinary', 'PERMISSION_DENIED'),
        ('both', RELOAD, 'wrong', 'UNAUTHENTICATED'),
        ('both', RELOAD, None, 'UNAUTHENTICATED'),
        ('both', RELOAD, 'admin', 'UNIMPLEMENTED'),
        ('both', PROFILE, 'admin', 'UNIMPLEMENTED'),
        ('both', STATUS, 'admin', 'UNIMPLEMENTED'),
        ('both', STATUS, 'ordinary', 'UNIMPLEMENTED'),
        ('both', STATUS, None, 'UNAUTHENTICATED'),
        ('admin', STATUS, None, 'UNIMPLEMENTED'),
        ('admin', RELOAD, None, 'UNAUTHENTICATED'),
        ('admin', RELOAD, 'admin', 'UNIMPLEMENTED'),
        ('ordinary', RELOAD, 'ordinary', 'UNIMPLEMENTED'),
    ],
)
def test_reloads_and_profiles_need_an_admin_token_where_there_are_any(
    tmp_path: Path, files: str, method: str, token: str | None, code: str
) -> None:
    known: dict[str, Tokens | None] = {'ordinary': None, 'admin': None}
    for name in known:
        if files in ('both', name):
            (tmp_path / name).mkdir()
            known[name] = tokens(tmp_path / name, f'{name}\n')
    assert ask_guarded(known['ordinary'], known['admin'], method, token) == code


def test_an_admin_token_is_good_wherever_an_ordinary_one_is(tmp_path: Path) -> None:
    for name in ('ordinary', 'admin'):
        (tmp_path / name).mkdir()
    access = Access(tokens(tmp_path / 'ordinary', 'ordinary'), tokens(tmp_path / 'admin', 'admin'))
    assert [access.allows(f'Bearer {name}') for name in ('ordinary', 'admin', 'wrong')] == [True, True, False]
    assert [access.allows_admin(f'Bearer {name}') for name in ('ordinary', 'admin')] == [False, True]
