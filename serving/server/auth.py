"""Bearer tokens for requests and for administration, in the header `Authorization: Bearer TOKEN` (RFC 6750)."""

import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from vaiven.serving.common import config_file, log
from vaiven.serving.common.errors import ServingError

REFUSAL = 'missing or wrong bearer token'
ADMIN_REFUSAL = 'this call needs an admin token, one of --admin_tokens_file'
MAX_TOKEN_BYTES = 4096
MAX_TOKENS = 1000  # every request is compared with all of them
CHECK_SECONDS = 1.0  # as the stock server polls its base paths
_MAX_FILE_BYTES = 8 << 20
_SCHEME = 'bearer '
_HEALTH = '/grpc.health.v1.Health/'
# Methods that change the server, or show what it does.
_ADMIN = ('/tensorflow.serving.ModelService/HandleReloadConfigRequest', '/tensorflow.ProfilerService/')


class Tokens:
    """The tokens in a file, one per line. Empty lines and lines that start with `#` are ignored.

    The file is checked for changes at most once per second, so tokens can be changed without a restart. If it is then
    missing or invalid, the old tokens stay valid, and the error is logged once. Only digests are kept in memory, and no
    part of a token is logged. It is thread-safe.
    """

    def __init__(self, path: Path, *, check_seconds: float = CHECK_SECONDS) -> None:
        """Reads the file.

        Args:
            path: the file.
            check_seconds: minimum time between two checks for changes.

        Raises:
            ServingError: it cannot be read, has no token, or has one that is not 1 to 4096 visible ASCII characters.
        """
        self._path = path
        self._check_seconds = check_seconds
        self._lock = threading.Lock()
        # Before the file is read: a change in between is then noticed by the next check.
        self._fingerprint = self._file_fingerprint()
        self._digests = _read(path)
        self._error = ''
        self._next_check = time.monotonic() + check_seconds
        config_file.warn_if_public(path)

    def allows(self, header: str | None) -> bool:
        """Whether `header`, the value of Authorization, has one of the tokens; None for no header."""
        if time.monotonic() >= self._next_check:
            self._refresh()
        # 64 characters of slack for spaces; more is not hashed.
        if header is None or len(header) > len(_SCHEME) + MAX_TOKEN_BYTES + 64 or not header.isascii():
            return False
        if header[: len(_SCHEME)].lower() != _SCHEME:
            return False
        token = header[len(_SCHEME) :].strip(' ')
        if not token:
            return False
        digest = hashlib.sha256(token.encode('ascii')).digest()
        match = False
        for valid in self._digests:  # all of them: the time must not depend on which one matches
            match |= hmac.compare_digest(valid, digest)
        return match

    def _refresh(self) -> None:
        with self._lock:
            self._next_check = time.monotonic() + self._check_seconds
            fingerprint = self._file_fingerprint()
            if fingerprint == self._fingerprint and not self._error:
                return
            try:
                digests = _read(self._path)
            except ServingError as error:
                if str(error) != self._error:
                    log.problem('auth tokens', error=error, state='the old tokens stay valid')
                self._error = str(error)
                return
            self._fingerprint, self._error, self._digests = fingerprint, '', digests
        log.event('auth tokens', file=self._path, tokens=len(digests))
        config_file.warn_if_public(self._path)

    def _file_fingerprint(self) -> tuple[int, ...]:
        """Changes whenever the file does; empty if there is none."""
        try:
            stat = os.stat(self._path)
        except OSError:
            return ()
        return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _read(path: Path) -> tuple[bytes, ...]:
    """The digests of the tokens in a file. Raises ServingError."""
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
        raise ServingError(f'tokens file {path} has no token: write one per line, or omit the flag')
    if len(digests) > MAX_TOKENS or len(data) > _MAX_FILE_BYTES:
        raise ServingError(f'tokens file {path} has more than {MAX_TOKENS} tokens')
    return tuple(digests)


class Access:
    """What the tokens of the two files allow. An admin token also allows what an ordinary one does.

    Without a file, its calls need no token of their own: without admin tokens, every caller that may send requests may
    also change the configuration.
    """

    def __init__(self, ordinary: Tokens | None, admin: Tokens | None = None) -> None:
        self._ordinary = ordinary
        self._admin = admin

    def allows(self, header: str | None) -> bool:
        """Whether this Authorization header allows predictions, states and metadata."""
        if self._ordinary is None or self._ordinary.allows(header):
            return True
        return self._admin is not None and self._admin.allows(header)

    def allows_admin(self, header: str | None) -> bool:
        """Whether it allows changes of the configuration, and profiles."""
        return self.allows(header) if self._admin is None else self._admin.allows(header)

    def recognises(self, header: str | None) -> bool:
        """Whether the header has a token of one of the files."""
        return any(tokens is not None and tokens.allows(header) for tokens in (self._ordinary, self._admin))


class TokenInterceptor(grpc.ServerInterceptor):
    """Rejects calls without a valid token before their message is read. Health needs no token.

    A call without a valid token ends with UNAUTHENTICATED. One with an ordinary token that needs an admin token ends
    with PERMISSION_DENIED. Usage: `grpc.server(threads, interceptors=[TokenInterceptor(tokens, admin_tokens)])`.
    """

    def __init__(self, tokens: Tokens | None, admin_tokens: Tokens | None = None) -> None:
        self._access = Access(tokens, admin_tokens)

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """The handler of the call, or one that rejects it.

        Args:
            continuation: returns the handler for the call.
            handler_call_details: method and metadata of the call.
        """
        method = handler_call_details.method
        if not method.startswith(_HEALTH):
            metadata = handler_call_details.invocation_metadata or ()
            headers = [_text(value) for key, value in metadata if key == 'authorization']
            # With two headers, a proxy and this server could disagree on the one that counts.
            header = headers[0] if len(headers) == 1 else None
            admin = method.startswith(_ADMIN)
            if not (self._access.allows_admin(header) if admin else self._access.allows(header)):
                reject = _reject_ordinary_token if self._access.recognises(header) else _reject
                # Streams in both directions fit every method: the request is never read.
                return grpc.stream_stream_rpc_method_handler(reject)
        return continuation(handler_call_details)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode('latin-1')


def _reject(messages: Any, context: Any) -> None:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, REFUSAL)


def _reject_ordinary_token(messages: Any, context: Any) -> None:
    context.abort(grpc.StatusCode.PERMISSION_DENIED, ADMIN_REFUSAL)
