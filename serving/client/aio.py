"""The general client for asyncio: the twin of `Client`, over gRPC.

async with AsyncClient('127.0.0.1:8500') as client:
    answers = await asyncio.gather(*(client.predict('reviews', {'text': [text]}) for text in texts))
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import grpc
import grpc.aio
from numpy.typing import ArrayLike

from vaiven.serving.client import exchanges
from vaiven.serving.client.client import POLL_SECONDS, check_address, found_version, target_of, too_late
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import InvalidRequestError, UnavailableError, request_error
from vaiven.serving.client.exchanges import Exchange
from vaiven.serving.client.grpc_transport import check_reload, failed, reloaded, stubs
from vaiven.serving.client.results import Metadata, Target, VersionStatus
from vaiven.serving.client.transport import Arrays, Features
from vaiven.serving.errors import ServingError

T = TypeVar('T')


class AsyncClient:
    """Asks one server from one event loop. Methods, arguments and errors are those of `Client`."""

    def __init__(self, address: str = '127.0.0.1:8500', *, timeout: float = 30.0, **connection: Any) -> None:
        """As `Client`, but for the address of a REST API.

        Raises:
            ServingError: the address is no gRPC address, or the settings make no sense.
        """
        if address.startswith(('http://', 'https://')):
            raise ServingError(f'AsyncClient speaks gRPC: give host:port. Received: {address!r}')
        check_address(address)
        self.address = address
        self.timeout = timeout
        settings = Connection(**connection)
        self._headers = settings.headers()
        options = settings.grpc_options()
        self._channel = (
            grpc.aio.secure_channel(address, settings.grpc_credentials(), options)
            if settings.encrypted
            else grpc.aio.insecure_channel(address, options)
        )
        self._calls = stubs(self._channel)

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
        return await self._exchange(exchanges.predict(target, inputs, list(outputs or ())), target, timeout)

    async def classify(
        self,
        model: str,
        examples: Sequence[Features],
        *,
        signature: str = 'classify',
        version: int | None = None,
        label: str | None = None,
        timeout: float | None = None,
    ) -> list[list[tuple[str, float]]]:
        """See `Client.classify`."""
        target = target_of(model, signature, version, label)
        return await self._exchange(exchanges.classify(target, examples), target, timeout)

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
        return await self._exchange(exchanges.regress(target, examples), target, timeout)

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
        return await self._exchange(exchanges.metadata(target), target, timeout)

    async def status(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> list[VersionStatus]:
        """See `Client.status`."""
        target = target_of(model, '', version, None)
        return await self._exchange(exchanges.status(target), target, timeout)

    async def label_version(self, model: str, label: str, *, timeout: float | None = None) -> int | None:
        """See `Client.label_version`."""
        try:
            return (await self.metadata(model, label=label, timeout=timeout)).version
        except InvalidRequestError:
            return None

    async def reload(self, config: Any, *, timeout: float | None = None) -> None:
        """See `Client.reload`."""
        target = reloaded(config)
        status = await self._exchange(exchanges.reload(config), target, timeout)
        check_reload(status, self.address, self.timeout if timeout is None else timeout, target)

    async def wait_until_available(
        self, model: str, *, version: int | None = None, timeout: float | None = None
    ) -> VersionStatus:
        """See `Client.wait_until_available`."""
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        last: Exception | None = None
        while (left := deadline - time.monotonic()) > 0:
            try:
                if found := found_version(await self.status(model, timeout=min(left, 5.0)), model, version):
                    return found
            except UnavailableError as error:
                last = error
            await asyncio.sleep(min(POLL_SECONDS, max(0.0, left)))
        raise last or too_late(model, version, seconds)

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> 'AsyncClient':
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _exchange(self, exchange: 'Exchange[T]', target: Target, timeout: float | None) -> 'T':
        seconds = self.timeout if timeout is None else timeout
        try:
            method, request = next(exchange)
            exchange.send(await self._calls[method](request, timeout=seconds, metadata=self._headers))
        except StopIteration as end:
            result: T = end.value
            return result
        except grpc.RpcError as error:
            raise failed(error, self.address, seconds, target) from error
        except (ValueError, grpc.aio.UsageError) as error:
            raise request_error('CANCELLED', str(error), self.address, seconds, target) from error
        raise AssertionError('an exchange is one request')
