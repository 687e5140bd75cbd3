"""The general client for asyncio: the twin of `Client`.

async with AsyncClient('127.0.0.1:8500') as client:
    answers = await asyncio.gather(*(client.predict('reviews', {'text': [text]}) for text in texts))
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from numpy.typing import ArrayLike

from vaiven.serving.client import addresses
from vaiven.serving.client.addresses import target_of
from vaiven.serving.client.connection import Connection, checked_timeout
from vaiven.serving.client.errors import DeadlineError, RequestError, request_error
from vaiven.serving.client.results import Metadata, Target, VersionStatus
from vaiven.serving.client.signatures import Signatures
from vaiven.serving.client.transport import (
    Arrays,
    Call,
    Classes,
    Features,
    RequestFlow,
    RequestFlows,
    Transport,
)

if TYPE_CHECKING:
    from vaiven.serving.client.tracing import Trace

T = TypeVar('T')
THREADS = 32


class AsyncTransport(Protocol):
    """A `Transport` for an event loop."""

    address: str

    @property
    def exchanges(self) -> RequestFlows: ...

    async def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any: ...

    async def close(self) -> None: ...


class AsyncClient:
    """Asks one server from one event loop. Addresses, methods, arguments and errors are those of `Client`."""

    def __init__(
        self,
        address: str = '127.0.0.1:8500',
        *,
        timeout: float = 30.0,
        trace: 'Trace | None' = None,
        **connection: Any,
    ) -> None:
        """As `Client`. To be made in the event loop."""
        self.timeout = checked_timeout(timeout)
        self._transport = _transport(address, Connection(**connection))
        self._trace = trace
        self._exchanges = self._transport.exchanges
        self._known = Signatures()

    @property
    def address(self) -> str:
        return self._transport.address

    async def predict(
        self,
        model: str,
        inputs: Mapping[str, ArrayLike],
        *,
        signature: str = 'serving_default',
        version: int | None = None,
        label: str | None = None,
        outputs: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> Arrays:
        """See `Client.predict`."""
        target = target_of(model, signature, version, label)
        return await self._do(
            self._exchanges.predict(target, inputs, list(outputs or ()), self._known), target, timeout
        )

    async def classify(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'classify',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[Classes]:
        """See `Client.classify`."""
        target = target_of(model, signature, version, label)
        return await self._do(self._exchanges.classify(target, examples), target, timeout)

    async def regress(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'regress',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[float]:
        """See `Client.regress`."""
        target = target_of(model, signature, version, label)
        return await self._do(self._exchanges.regress(target, examples), target, timeout)

    async def multi_inference(
        self,
        model: str,
        examples: Sequence[Features],
        signatures: Mapping[str, str],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, list[Classes] | list[float]]:
        """See `Client.multi_inference`."""
        target = target_of(model, '', version, label)
        return await self._do(self._exchanges.multi_inference(target, examples, signatures), target, timeout)

    async def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> Metadata:
        """See `Client.metadata`."""
        target = target_of(model, '', version, label)
        return await self._do(self._exchanges.metadata(target), target, timeout)

    async def status(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """See `Client.status`."""
        target = target_of(model, '', version)
        return await self._do(self._exchanges.status(target), target, timeout)

    async def health(self, *, timeout: float | None = None) -> bool:
        """See `Client.health`."""
        return await self._do(self._exchanges.health(), Target(''), timeout)

    async def label_version(self, model: str, label: str, *, timeout: float | None = None) -> int | None:
        """See `Client.label_version`."""
        target = target_of(model, '', None, label)
        return await self._do(addresses.label_version(self._exchanges, target), target, timeout)

    async def reload_config(self, config: Any, *, timeout: float | None = None) -> None:
        """See `Client.reload_config`."""
        await self._do(self._exchanges.reload(config), Target(''), timeout)

    async def wait_until_available(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> VersionStatus:
        """See `Client.wait_until_available`."""
        target = target_of(model, '', version)
        seconds = self.timeout if timeout is None else timeout
        return await self._do(
            addresses.wait_until_available(self._exchanges, target, seconds), target, timeout
        )

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> 'AsyncClient':
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: Call, target: Target, timeout: float) -> Any:
        if self._trace is None:
            return await self._transport.send(call, target, timeout)
        with self._trace(call.method, target, self.address) as headers:
            return await self._transport.send(call, target, timeout, headers)

    async def _do(self, exchange: 'RequestFlow[T]', target: Target, timeout: float | None) -> 'T':
        seconds = left = self.timeout if timeout is None else checked_timeout(timeout)
        ends = time.monotonic() + seconds
        try:
            step = next(exchange)
            while True:
                if isinstance(step, tuple):
                    try:
                        answer = await self._send(step, target, left)
                    except RequestError as error:
                        step = exchange.throw(error)
                    else:
                        step = exchange.send(answer)
                else:
                    await asyncio.sleep(step)
                    step = exchange.send(None)
                left = max(0.001, ends - time.monotonic())
        except StopIteration as end:
            result: T = end.value
            return result


class InThreads:
    """An `AsyncTransport` of a transport that waits: REST, and a model in this process."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._threads = ThreadPoolExecutor(THREADS, 'ask')
        self.address = transport.address
        self.exchanges = transport.exchanges

    async def send(
        self, call: Call, target: Target, timeout: float, headers: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """The wait for a thread is a part of `timeout`."""
        ends = time.monotonic() + timeout

        def ask() -> Any:
            details = 'no thread was free'
            if (left := ends - time.monotonic()) > 0:
                try:
                    return self._transport.send(call, target, left, headers)
                except DeadlineError as error:
                    details = error.details
            raise request_error('DEADLINE_EXCEEDED', details, self.address, timeout, target)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def close(self) -> None:
        await asyncio.to_thread(self._transport.close)


def _transport(address: str, connection: Connection) -> AsyncTransport:
    if addresses.is_rest(address) or address.startswith(addresses.SAVED_MODEL):
        return InThreads(addresses.transport(address, connection))
    addresses.check_address(address)
    from vaiven.serving.client.async_transport import AsyncGrpcTransport

    return AsyncGrpcTransport(address, connection)
