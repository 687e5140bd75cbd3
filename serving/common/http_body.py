"""Bodies of REST requests: read up to a limit, and inflated up to it, where nobody else waits."""

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11

from vaiven.serving.common.status import invalid_argument

CODINGS = ('gzip', 'x-gzip', 'deflate')
# Bodies that are inflated at the same time; the others wait their turn.
INFLATING_THREADS = 2
# What is inflated in the event loop: a thread would cost more, and a bomb is noticed.
_SMALL_BYTES = 1 << 14
_SMALL_INFLATED_BYTES = 1 << 16
_STEP_BYTES = 1 << 18
# Each starts a decoder of its own; real files have a few.
_MAX_MEMBERS = 1024
_GZIP_MAGIC = b'\x1f\x8b'


class BodyTooLargeError(Exception):
    """The body, as it came or inflated, is larger than the limit."""


async def allow_body(request: web.BaseRequest) -> None:
    """Tells a client that waits for it, `Expect: 100-continue`, to send the body."""
    expects = request.headers.get(hdrs.EXPECT, '').lower() == '100-continue'
    if expects and request.version >= HttpVersion11 and not request.content.is_eof():
        await request.writer.write(b'HTTP/1.1 100 Continue\r\n\r\n')


class Bodies:
    """Reads the bodies of requests."""

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` is the limit before and after inflating."""
        self._max_bytes = max_bytes
        self._inflating = ThreadPoolExecutor(INFLATING_THREADS, 'inflate')

    async def read(self, request: web.BaseRequest) -> bytes:
        """The body of a request, inflated.

        Raises:
            BodyTooLargeError: it is above the limit; the rest has been neither read nor inflated.
            StatusError: the coding is not known, or the data are not of it.
        """
        coding = _coding(request)
        if request.content_length is not None and request.content_length > self._max_bytes:
            raise BodyTooLargeError
        if request.content.is_eof():  # a short body has come with the headers
            body = request.content.read_nowait()
            if len(body) > self._max_bytes:
                raise BodyTooLargeError
        else:
            body = await self._read(request)
        return await self._inflated(body, coding) if coding and body else body

    async def _read(self, request: web.BaseRequest) -> bytes:
        await allow_body(request)
        body = bytearray()
        async for part in request.content.iter_any():
            body += part
            if len(body) > self._max_bytes:
                raise BodyTooLargeError
        return bytes(body)

    async def _inflated(self, body: bytes, coding: str) -> bytes:
        if len(body) <= _SMALL_BYTES:
            try:
                return inflate(body, coding, min(_SMALL_INFLATED_BYTES, self._max_bytes))
            except BodyTooLargeError:
                pass  # for here, at least
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._inflating, inflate, body, coding, self._max_bytes)

    def close(self) -> None:
        """Starts no more work."""
        self._inflating.shutdown(wait=False, cancel_futures=True)


def _coding(request: web.BaseRequest) -> str:
    """The coding of the body, '' for none. Raises StatusError."""
    if hdrs.CONTENT_ENCODING not in request.headers:
        return ''
    named = ','.join(request.headers.getall(hdrs.CONTENT_ENCODING, []))
    codings = [name.strip().lower() for name in named.split(',')]
    codings = [name for name in codings if name not in ('', 'identity')]
    if len(codings) > 1 or not set(codings) <= set(CODINGS):
        raise invalid_argument(f'Content-Encoding must be gzip, deflate or identity. Received: {named}')
    return codings[0] if codings else ''


def inflate(data: bytes, coding: str, max_bytes: int) -> bytes:
    """What was compressed, all members of gzip data one after another.

    Raises:
        BodyTooLargeError: it is larger than `max_bytes`; no more than that is ever inflated.
        StatusError: the data are not of the coding, cut off, damaged, or followed by something else.
    """
    gzip = coding != 'deflate'
    parts: list[bytes] = []
    size = place = members = 0
    while place < len(data):
        members += 1
        if members > (_MAX_MEMBERS if gzip else 1) or (
            gzip and members > 1 and not _starts_member(data, place)
        ):
            raise _not_inflated(coding, f'bytes follow its end, or it has more than {_MAX_MEMBERS} members')
        decoder = zlib.decompressobj(31 if gzip else _deflate_bits(data))
        while not decoder.eof:
            piece = decoder.unconsumed_tail
            if not piece:
                piece = data[place : place + _STEP_BYTES]
                place += len(piece)
            try:
                part = decoder.decompress(piece, min(_STEP_BYTES, max_bytes - size + 1))
            except zlib.error as error:
                raise _not_inflated(coding, str(error)) from None
            if not part and not piece and not decoder.eof:
                raise _not_inflated(coding, 'it is cut off')
            size += len(part)
            if size > max_bytes:
                raise BodyTooLargeError
            parts.append(part)
        place -= len(decoder.unused_data)
    return b''.join(parts)


def _starts_member(data: bytes, place: int) -> bool:
    return data.startswith(_GZIP_MAGIC, place)


def _deflate_bits(data: bytes) -> int:
    """The window bits for zlib data, which HTTP calls deflate, or for deflate data as such, which some clients send."""
    has_header = data[0] & 15 == 8 and int.from_bytes(data[:2], 'big') % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS


def _not_inflated(coding: str, reason: str) -> Exception:
    return invalid_argument(f'the body is not whole {coding} data: {reason}')
