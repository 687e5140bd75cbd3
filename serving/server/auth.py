"""Bearer tokens: who may ask, and who may configure. RFC 6750's header, `Authorization: Bearer TOKEN`."""

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from vaiven.serving.common import config_file, log
from vaiven.serving.common.errors import ServingError

REFUSAL = 'missing or wrong bearer token'
ADMIN_REFUSAL = 'this call needs an admin token, one of --admin_tokens_file'
MAX_TOKEN_BYTES = 4096
MAX_TOKENS = 1000
CHECK_SECONDS = 1.0
_MAX_FILE_BYTES = 8 << 20
_SCHEME = 'bearer '
_HEALTH = '/grpc.health.v1.Health/'
# What changes the server, or looks inside it.
_ADMIN = ('/tensorflow.serving.ModelService/HandleReloadConfigRequest', '/tensorflow.ProfilerService/')


class Tokens:
    """The tokens in a file, one a line; lines that are empty or begin with `#` do not count.

    The file is looked at again, at most once a second: tokens can be changed without a restart. A file that is
    gone or broken then changes nothing, and is told of once. Only digests are kept, and nothing of a token is logged.
    """

    def __init__(self, path: Path, *, check_seconds: float = CHECK_SECONDS) -> None:
        """Reads the file.

        Raises:
            ServingError: it cannot be read, holds no token, or one that is not 1 to 4096 visible ASCII characters.
        """
        self._path = path
        self._seconds = check_seconds
        self._lock = threading.Lock()
        self._seen = self._look()
        self._digests = _read(path)
        self._error = ''
        self._next = time.monotonic() + check_seconds
        config_file.warn_if_public(path)

    def allows(self, header: str | None) -> bool:
        """Whether `header`, what the request has as Authorization, bears one of the tokens. From any thread."""
        if time.monotonic() >= self._next:
            self._refresh()
        if header is None or len(header) > len(_SCHEME) + MAX_TOKEN_BYTES + 64 or not header.isascii():
            return False
        if header[: len(_SCHEME)].lower() != _SCHEME:
            return False
        token = header[len(_SCHEME) :].strip(' ')
        if not token:
            return False
        digest = hashlib.sha256(token.encode('ascii')).digest()
        found = False
        for known in self._digests:  # all of them, whichever it is
            found |= hmac.compare_digest(known, digest)
        return found

    def _refresh(self) -> None:
        with self._lock:
            self._next = time.monotonic() + self._seconds
            seen = self._look()
            if seen == self._seen and not self._error:
                return
            try:
                digests = _read(self._path)
            except ServingError as error:
                if str(error) != self._error:
                    log.problem('auth tokens', error=error, state='the tokens read before stay good')
                self._error = str(error)
                return
            self._seen, self._error, self._digests = seen, '', digests
        log.event('auth tokens', file=self._path, tokens=len(digests))
        config_file.warn_if_public(self._path)

    def _look(self) -> tuple[int, ...]:
        try:
            state = os.stat(self._path)
        except OSError:
            return ()
        return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        with path.open('rb') as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ServingError(f'cannot read the tokens file {path}: {error.strerror or error}') from error
    digests = []
    for number, line in enumerate(data.splitlines(), 1):
        token = line.strip()
        if not token or token.startswith(b'#'):
            continue
        if len(token) > MAX_TOKEN_BYTES or not all(0x21 <= byte <= 0x7E for byte in token):
            rule = f'a token is 1 to {MAX_TOKEN_BYTES} visible ASCII characters'
            raise ServingError(f'tokens file {path}, line {number}: {rule}')
        digests.append(hashlib.sha256(token).digest())
    if not digests:
        raise ServingError(f'tokens file {path} holds no token: write one a line, or leave the flag out')
    if len(digests) > MAX_TOKENS or len(data) > _MAX_FILE_BYTES:
        raise ServingError(f'tokens file {path} holds more than {MAX_TOKENS} tokens')
    return tuple(digests)


class Access:
    """What the two files of tokens allow: an admin token is good wherever an ordinary one is.

    Where a file is not given, its calls are open: without admin tokens everybody who may ask may configure.
    """

    def __init__(self, ordinary: Tokens | None, admin: Tokens | None = None) -> None:
        self._ordinary = ordinary
        self._admin = admin

    def allows(self, header: str | None) -> bool:
        """Whether a request with this Authorization header may ask for predictions, states and metadata."""
        if self._ordinary is None or self._ordinary.allows(header):
            return True
        return self._admin is not None and self._admin.allows(header)

    def allows_admin(self, header: str | None) -> bool:
        """Whether it may change the configuration, or profile."""
        return self.allows(header) if self._admin is None else self._admin.allows(header)

    def knows(self, header: str | None) -> bool:
        """Whether the header has a token of either file."""
        return any(tokens is not None and tokens.allows(header) for tokens in (self._ordinary, self._admin))


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls before their message is read; health is open to all.

    Without a good token a call ends with UNAUTHENTICATED; with an ordinary one, where an admin token is needed,
    with PERMISSION_DENIED. For `grpc.aio.server(interceptors=[TokenInterceptor(tokens, admin_tokens)])`.
    """

    def __init__(self, tokens: Tokens | None, admin_tokens: Tokens | None = None) -> None:
        self._access = Access(tokens, admin_tokens)

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        method = handler_call_details.method
        if not method.startswith(_HEALTH):
            metadata = handler_call_details.invocation_metadata or ()
            headers = [_text(value) for key, value in metadata if key == 'authorization']
            header = headers[0] if len(headers) == 1 else None  # two are one too many
            admin = method.startswith(_ADMIN)
            if not (self._access.allows_admin(header) if admin else self._access.allows(header)):
                known = self._access.knows(header)
                return grpc.stream_stream_rpc_method_handler(_refuse_ordinary if known else _refuse)
        return await continuation(handler_call_details)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode('latin-1')


async def _refuse(messages: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)


async def _refuse_ordinary(messages: Any, context: Any) -> None:
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, ADMIN_REFUSAL)
